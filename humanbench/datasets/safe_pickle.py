"""Pickles that can hold arrays and plain values only: what some datasets are shipped as, and what our own index holds.

A pickle may name any function and have it called while it loads. Here a name outside a short list is refused, so that
an unknown file can at worst be wrong.
"""
import codecs
import io
import os
import pickle
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from types import NoneType
from typing import Any

import numpy as np

from ..errors import DataError
from . import storage

MOST_PARTS = 2_000_000  # in lists; an array is one

# The functions that NumPy's own pickles call, which it has moved between modules over the years, and Python 2's b''.
_RECONSTRUCT, _SCALAR = np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]
_FUNCTIONS = {function.__name__: function for function in (
    _RECONSTRUCT, np.zeros(1).__reduce_ex__(5)[0], _SCALAR)}
_ALLOWED = {
    ('numpy', 'ndarray'): np.ndarray, ('numpy', 'dtype'): np.dtype, ('_codecs', 'encode'): codecs.encode,
    ('__builtin__', 'bytes'): lambda: b'',
    **{(f'numpy.{core}.{module}', name): function for core in ('core', '_core')
       for module in ('multiarray', 'numeric') for name, function in _FUNCTIONS.items()}}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it holds a '{module}.{name}', where only arrays, numbers, texts, lists and "
                                         'dicts are opened, because anything else could run a program')
        return _ALLOWED[module, name]


class _ForeignUnpickler(pickle._Unpickler):
    """Of files from elsewhere: slower, and it looks at what NumPy would believe.

    A pickled type carries flags. By false ones NumPy takes the bytes of an array for addresses of objects, and reading
    such an array reads any place in memory.
    """
    find_class = _Unpickler.find_class
    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, data: bytes, encoding: str):
        super().__init__(io.BytesIO(data), encoding=encoding)
        self._size = len(data)

    def load_bytearray8(self) -> None:
        size, = struct.unpack('<Q', self.read(8))
        if size > self._size:  # Python would make room first
            raise pickle.UnpicklingError(f'it claims {size:,} bytes where it has {self._size:,}')
        self.append(bytearray(self.read(size)))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def load_build(self) -> None:
        value, state = self.stack[-2:]
        if isinstance(value, np.dtype):
            _check_state(value, state)
        if isinstance(value, np.ndarray) and any(isinstance(x, np.dtype) and x.itemsize == 0 for x in state):
            raise pickle.UnpicklingError('it holds an array of any number of values of no bytes')
        super().load_build()

    def load_reduce(self) -> None:
        """Calls are let through as pickles of arrays make them: by other arguments they take any amount of memory."""
        function, arguments = self.stack[-2:]
        if (function is np.ndarray or function is _RECONSTRUCT and arguments[1] != (0,)
                or function is _SCALAR and len(arguments) != 2
                or function is codecs.encode and arguments[1:] != ('latin1',)):
            raise pickle.UnpicklingError(f'it calls {function.__name__}{arguments!r:.100}, as no pickled array does')
        super().load_reduce()

    def load_object(self) -> None:
        raise pickle.UnpicklingError('it holds an object, where only arrays and plain values are opened')

    def load_key(self) -> None:
        self._check_keys(self.stack[-2:-1])
        self.load_setitem()

    def load_keys(self) -> None:
        self._check_keys(self.stack[::2])
        self.load_setitems()

    def load_whole_dict(self) -> None:
        self._check_keys(self.stack[::2])
        self.load_dict()

    @staticmethod
    def _check_keys(keys: list) -> None:
        """To hash a tuple of tuples of tuples can take forever."""
        if not all(isinstance(x, (str, bytes, int, float, NoneType)) for x in keys):
            raise pickle.UnpicklingError('it has keys other than texts and numbers')

    dispatch.update({code[0]: method for code, method in (
        (pickle.BUILD, load_build), (pickle.REDUCE, load_reduce), (pickle.NEWOBJ, load_object),
        (pickle.NEWOBJ_EX, load_object), (pickle.INST, load_object), (pickle.OBJ, load_object),
        (pickle.ADDITEMS, load_object), (pickle.FROZENSET, load_object), (pickle.SETITEM, load_key),
        (pickle.SETITEMS, load_keys), (pickle.DICT, load_whole_dict))})


def _check_state(dtype: np.dtype, state: Any) -> None:
    """Refuses a pickled state that is not that of a plain type, in either byte order."""
    sound = dtype.kind in 'biufcSUO' and isinstance(state, tuple) and len(state) == 8
    if sound:
        own = dtype.__reduce__()[2]
        flags = {own[7]} if dtype.hasobject else {own[7], 0}
        sound = state[0] == 3 and state[1] in ('<', '>', '|', '=') and state[2:7] == own[2:7] and state[7] in flags
    if not sound:
        raise pickle.UnpicklingError(f"its arrays of '{dtype}' are described as {state!r:.200}, which they are not")


def _check_parts(value: Any, most: int) -> None:
    """Refuses lists that hold one list many times, which holds another many times, and so on: a few bytes, of which an
    array would take all memory."""
    left, count = [value], 0
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, (list, tuple)) or isinstance(value, np.ndarray) and value.dtype.hasobject:
            count += len(value)
            left += list(value)
        if count > most:
            raise pickle.UnpicklingError(f'its lists hold more than {most:,} values')


def loads(data: bytes | memoryview, encoding: str = 'ASCII') -> Any:
    """The value of a pickle that this program has written.

    Args:
        data: the pickle.
        encoding: of its Python 2 strings; ``'latin1'`` where those hold arrays.

    Raises:
        pickle.UnpicklingError: it names anything but arrays, or is no pickle.
    """
    return _Unpickler(io.BytesIO(data), encoding=encoding).load()


def read_pickle(path: str | os.PathLike, expected: str, encoding: str = 'latin1', most: int = MOST_PARTS) -> Any:
    """The contents of a pickle file of a dataset.

    Args:
        path: of the file.
        expected: what it should hold.
        encoding: of its Python 2 strings.
        most: values that its lists may hold.

    Raises:
        DataError: it is missing, truncated, or holds what is not opened.
    """
    with _unpickling(path, expected):
        return _foreign(storage.local(path).read_bytes(), encoding, most)


def read_object_array(path: str | os.PathLike, expected: str) -> np.ndarray:
    """The objects of an ``.npy`` file, which NumPy writes as a pickle after a header, and opens as one that may run a
    program.

    Args:
        path: of the file.
        expected: what it should hold.

    Raises:
        DataError: it is missing, truncated, holds what is not opened, or no array of objects.
    """
    with _unpickling(path, expected):
        file = io.BytesIO(storage.local(path).read_bytes())
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read_header[np.lib.format.read_magic(file)](file)
        if not dtype.hasobject:
            raise ValueError(f'it is an array of {dtype}, where one of objects is expected')
        found = _foreign(file.read(), 'latin1', MOST_PARTS)
        if not isinstance(found, np.ndarray) or found.shape != shape:
            raise ValueError(f'its pickle is no array of shape {shape}')
        return found


def _foreign(data: bytes, encoding: str, most: int) -> Any:
    value = _ForeignUnpickler(data, encoding).load()
    _check_parts(value, most)
    return value


@contextmanager
def _unpickling(path: str | os.PathLike, expected: str) -> Iterator[None]:
    """Turns whatever goes wrong while a foreign pickle is read into a DataError that names the file."""
    try:
        yield
    except (pickle.UnpicklingError, struct.error, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError,
            AssertionError, MemoryError, OverflowError, RecursionError, ImportError) as error:
        raise DataError(f"cannot read '{path}': {error}. Expected {expected}, pickled by NumPy and nothing else; "
                        'download it again from its homepage.') from error
