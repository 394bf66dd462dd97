"""MATLAB files: a walk through the bytes before SciPy parses them.

SciPy (1.17) looks the types of numbers up in a table without asking whether it has them: one in twenty files with a few
damaged bytes ends the process. What passes here has known types in every place, and sizes that its bytes can hold.
The format is MathWorks' "MAT-File Format", version 5.
"""
import io
import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import scipy.io

MATRIX, COMPRESSED = 14, 15
SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # bytes of numbers by their type
TEXT = {16, 17, 18}
CELL, STRUCT, OBJECT, CHAR, SPARSE, FUNCTION, OPAQUE = 1, 2, 3, 4, 5, 16, 17  # classes; 6 to 15 are numbers
COMPLEX = 1 << 11
HEADER = 128
MOST_DIMENSIONS = 32
DEEPEST = 40
MOST_EMPTY = 1 << 20        # entries that need no bytes: blanks, structs without fields
MOST_UNPACKED = 1 << 29     # bytes of all variables of a file together
_PAIRS = {x: struct.Struct(f'{x}II').unpack_from for x in '<>'}


# What SciPy and the walk raise on bytes they can make nothing of.
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, NotImplementedError, MemoryError,
              OverflowError, RecursionError, struct.error, zlib.error, scipy.io.matlab.MatReadError)


def load(data: bytes) -> dict[str, Any]:
    """The variables of a MATLAB file (version 7 or older), looked through before SciPy parses it.

    Raises:
        UNREADABLE: it is none, or damaged.
    """
    check(data)
    return scipy.io.loadmat(io.BytesIO(data))


@dataclass(slots=True)
class _Part:
    """Elements one after the other, from byte ``position`` of ``data`` to ``stop``."""
    data: bytes
    position: int
    stop: int
    order: str

    def take(self) -> tuple[int, int, int]:
        """Type, first byte and number of bytes of the next element."""
        start = self.position
        if start + 8 > self.stop:
            raise ValueError(f'it ends within an element, at byte {start}')
        kind, count = _PAIRS[self.order](self.data, start)
        if kind > 0xffff:  # up to four bytes, in the tag itself
            kind, count, first = kind & 0xffff, kind >> 16, start + 4
            if count > 4:
                raise ValueError(f'an element of {count} bytes in a tag for 4, at byte {start}')
            self.position = start + 8
            return kind, first, count
        first = start + 8
        if first + count > self.stop:
            raise ValueError(f'an element of {count:,} bytes at byte {start}, where {self.stop - first:,} are left')
        self.position = first + (count if kind == COMPRESSED else -(-count // 8) * 8)
        return kind, first, count

    def numbers(self, texts: bool = False) -> tuple[int, int]:
        """First byte and number of entries of an element of numbers (or text)."""
        kind, first, count = self.take()
        if kind not in SIZES and not (texts and kind in TEXT):
            raise ValueError(f'type {kind} where numbers are expected, at byte {first}')
        return first, count // SIZES.get(kind, 1)

    def integers(self, most: int) -> tuple[int, ...]:
        """The next element, of at most so many 32-bit numbers."""
        kind, first, count = self.take()
        if kind not in (5, 6) or not 0 < count <= 4 * most:
            raise ValueError(f'{count} bytes of type {kind} where up to {most} whole numbers are expected')
        return struct.unpack_from(f'{self.order}{count // 4}i', self.data, first)


def check(data: bytes) -> None:
    """Looks at every element of a version 5 file; those of other versions are left to SciPy.

    Raises:
        ValueError: it is damaged.
    """
    if len(data) < HEADER or 0 in data[:4]:
        return
    order = '<' if data[126:128] == b'IM' else '>'  # as SciPy tells them
    if data[124 + (data[126:127] == b'I')] != 1:
        return
    part, left = _Part(data, HEADER, len(data), order), MOST_UNPACKED
    while part.position < part.stop:
        kind, first, count = part.take()
        inside = data
        if kind == COMPRESSED:
            inside = _unpacked(memoryview(data)[first:first + count], left)
            left -= len(inside)
            kind, first, count = _Part(inside, 0, len(inside), order).take()
        if kind != MATRIX:
            raise ValueError(f'type {kind} where a variable is expected, at byte {first}')
        _check_array(_Part(inside, first, first + count, order), 0)


def _unpacked(data: memoryview, most: int) -> bytes:
    try:
        stream = zlib.decompressobj()
        inside = stream.decompress(data, max(most, 1))
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not stream.eof:
        raise ValueError('a compressed variable is cut off, or absurdly large')
    return inside


def _check_array(part: _Part, depth: int) -> None:
    """Flags, dimensions, name, and what the class of the array has."""
    if part.position >= part.stop:
        return  # the short form of an empty one
    if depth > DEEPEST:
        raise ValueError(f'arrays in arrays, more than {DEEPEST} deep')
    _, first, _ = part.take()
    flags = _PAIRS[part.order](part.data, first)[0] if first + 8 <= part.stop else 0
    kind = flags & 0xff
    if kind == OPAQUE:
        for _ in range(3):
            part.numbers()
        _check_arrays(part, 1, depth)
        return
    shape = part.integers(MOST_DIMENSIONS)
    part.numbers()  # the name
    if min(shape) < 0:
        raise ValueError(f'an array of {shape} entries')
    _check_contents(part, kind, bool(flags & COMPLEX), math.prod(shape), depth)


def _check_contents(part: _Part, kind: int, is_complex: bool, count: int, depth: int) -> None:
    if kind == CHAR:
        _, held = part.numbers(texts=True)
        if count > max(held, MOST_EMPTY):
            raise ValueError(f'{count:,} characters in {held:,} bytes')
    elif kind in (CELL, FUNCTION):
        _check_arrays(part, count if kind == CELL else 1, depth)
    elif kind in (STRUCT, OBJECT):
        if kind == OBJECT:
            part.numbers()
        length, = part.integers(1)
        _, names = part.numbers()
        if length <= 0 or count > MOST_EMPTY and names < length:
            raise ValueError(f'{count:,} structs with field names of {length} letters')
        _check_arrays(part, count * (names // length), depth)
    elif kind == SPARSE or 6 <= kind <= 15:
        for _ in range((3 if kind == SPARSE else 1) + is_complex):
            part.numbers()
    else:
        raise ValueError(f'an array of unknown class {kind}')


def _check_arrays(part: _Part, count: int, depth: int) -> None:
    """``count`` arrays one after the other."""
    if 8 * count > part.stop - part.position:
        raise ValueError(f'{count:,} arrays in {part.stop - part.position:,} bytes')
    for _ in range(count):
        kind, first, size = part.take()
        if kind != MATRIX:
            raise ValueError(f'type {kind} where an array is expected, at byte {first}')
        _check_array(_Part(part.data, first, first + size, part.order), depth + 1)
