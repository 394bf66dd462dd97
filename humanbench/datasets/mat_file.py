"""Whether a MATLAB file is whole, before SciPy reads it: on some damaged files its reader ends the whole process, on
others it runs for minutes."""
import os
import struct
import zlib

HEADER = 128
LARGEST = 1 << 32  # bytes that a file may take once it is decompressed
DEEPEST = 32       # cells in structs in cells ...

_ARRAY, _COMPRESSED = 14, 15
_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, 16: 1, 17: 2, 18: 4}  # of one number, by type
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _LAST = 1, 2, 3, 4, 5, 15  # classes of arrays
_COMPLEX = 0x800


class _Elements:
    """The elements between two places of a file: a tag (type, bytes) before each, padding after it."""

    def __init__(self, data: memoryview, order: str):
        self.data, self.order, self.position = data, order, 0

    def left(self) -> bool:
        """Whether there is another one."""
        return self.position < len(self.data)

    def next(self, padded: bool = True) -> tuple[int, memoryview]:
        """Type and contents of the next one."""
        kind, size = self._unpack('II', self.position)
        start, small = self.position + 8, kind >> 16
        if small:  # up to four bytes in the tag itself
            kind, size, start = kind & 0xffff, small, self.position + 4
            if size > 4:
                raise ValueError('a small element has more than four bytes')
        end = start + size
        if end > len(self.data):
            raise ValueError(f'an element of {size} bytes has {len(self.data) - start}')
        self.position = self.position + 8 if small else end + (-size % 8 if padded else 0)
        return kind, self.data[start:end]

    def integers(self, least: int) -> tuple[int, ...]:
        """The next one, of 32-bit integers, at least so many."""
        kind, data = self.next()
        if kind not in (5, 6) or len(data) < 4 * least:
            raise ValueError(f'an element of type {kind} with {len(data)} bytes, where {least} integers belong')
        return struct.unpack(f'{self.order}{len(data) // 4}{"iI"[kind - 5]}', data[:len(data) // 4 * 4])

    def _unpack(self, form: str, at: int) -> tuple:
        return struct.unpack_from(f'{self.order}{form}', self.data, at)


def check_mat(path: str | os.PathLike) -> None:
    """Checks that every part of a file of MATLAB 5 to 7 is as long as it says. (Others are left to SciPy.)

    Raises:
        ValueError, struct.error, zlib.error: the file is damaged.
        OSError: it cannot be read.
    """
    with open(path, 'rb') as file:
        data = memoryview(file.read())
    order = {b'IM': '<', b'MI': '>'}.get(bytes(data[126:HEADER]))
    if order is None or 0 in bytes(data[:4]) or struct.unpack(f'{order}H', data[124:126])[0] != 0x100:
        return
    elements, budget = _Elements(data[HEADER:], order), LARGEST
    while elements.left():
        kind, contents = elements.next(padded=False)
        if kind == _COMPRESSED:
            contents = _decompressed(contents, budget)
            budget -= len(contents)
            kind, contents = _Elements(contents, order).next()
        if kind != _ARRAY:
            raise ValueError(f'a variable of type {kind}')
        _check_array(contents, order, 0)


def _decompressed(data: memoryview, most: int) -> memoryview:
    stream = zlib.decompressobj()
    out = stream.decompress(data, most)
    if not stream.eof:
        raise ValueError(f'a compressed variable is cut off, or larger than {LARGEST} bytes')
    return memoryview(out)


def _check_array(data: memoryview, order: str, depth: int) -> None:
    if not len(data):
        return  # how an empty array in a cell may be written
    if depth > DEEPEST:
        raise ValueError(f'arrays in arrays, more than {DEEPEST} deep')
    parts = _Elements(data, order)
    flags, dimensions = parts.integers(2)[0], parts.integers(2)
    kind, count = flags & 0xff, 1
    if min(dimensions) < 0 or not 1 <= kind <= _LAST:
        raise ValueError(f'an array of class {kind} and size {dimensions}')
    for side in dimensions:
        count *= side
    parts.next()  # its name
    if kind in (_CELL, _STRUCT, _OBJECT):
        _check_children(parts, kind, count, order, depth)
    elif kind != _SPARSE:
        for _ in range(2 if flags & _COMPLEX else 1):
            _check_numbers(parts, kind, count)


def _check_children(parts: _Elements, kind: int, count: int, order: str, depth: int) -> None:
    if kind != _CELL:
        if kind == _OBJECT:
            parts.next()  # the name of its class
        length = parts.integers(1)[0]
        _, names = parts.next()
        if length < 1 or len(names) % length:
            raise ValueError('the names of the fields of a struct do not fit their length')
        count *= len(names) // length
    for _ in range(count):  # each takes bytes, so that a false count ends at the end of the data
        found, contents = parts.next()
        if found != _ARRAY:
            raise ValueError(f'an element of type {found} where an array belongs')
        _check_array(contents, order, depth + 1)


def _check_numbers(parts: _Elements, kind: int, count: int) -> None:
    stored, numbers = parts.next()
    size = _BYTES.get(stored)
    if size is None or (len(numbers) != size * count and kind != _CHAR):
        raise ValueError(f'{len(numbers)} bytes of type {stored} for {count} numbers')
