"""Pickles that can hold arrays and plain values only: what some datasets are shipped as, and what our own index holds.

A pickle may name any function and have it called while it loads. Here a name outside a short list is refused, so that
an unknown file can at worst be wrong.
"""
import codecs
import io
import os
import pickle
import struct
from typing import Any

import numpy as np

from ..errors import DataError
from . import storage

# The functions that NumPy's own pickles call, which it has moved between modules over the years, and Python 2's b''.
_FUNCTIONS = {function.__name__: function for function in (
    np.zeros(1).__reduce__()[0], np.zeros(1).__reduce_ex__(5)[0], np.float64(0).__reduce__()[0])}
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
        if isinstance(self.stack[-2], np.dtype):
            _check_state(self.stack[-2], self.stack[-1])
        super().load_build()

    dispatch[pickle.BUILD[0]] = load_build


def _check_state(dtype: np.dtype, state: Any) -> None:
    """Refuses a pickled state that is not that of a plain type, in either byte order."""
    sound = dtype.kind in 'biufcSUO' and isinstance(state, tuple) and len(state) == 8
    if sound:
        own = dtype.__reduce__()[2]
        flags = {own[7]} if dtype.hasobject else {own[7], 0}
        sound = state[0] == 3 and state[1] in ('<', '>', '|', '=') and state[2:7] == own[2:7] and state[7] in flags
    if not sound:
        raise pickle.UnpicklingError(f"its arrays of '{dtype}' are described as {state!r:.200}, which they are not")


def loads(data: bytes | memoryview, encoding: str = 'ASCII') -> Any:
    """The value of a pickle that this program has written.

    Args:
        data: the pickle.
        encoding: of its Python 2 strings; ``'latin1'`` where those hold arrays.

    Raises:
        pickle.UnpicklingError: it names anything but arrays, or is no pickle.
    """
    return _Unpickler(io.BytesIO(data), encoding=encoding).load()


def read_pickle(path: str | os.PathLike, expected: str, encoding: str = 'latin1') -> Any:
    """The contents of a pickle file of a dataset.

    Raises:
        DataError: it is missing, truncated, or holds what is not opened.
    """
    try:
        return _ForeignUnpickler(storage.local(path).read_bytes(), encoding).load()
    except (pickle.UnpicklingError, struct.error, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError,
            AssertionError, MemoryError, OverflowError, RecursionError, ImportError) as error:
        raise DataError(f"cannot read '{path}': {error}. Expected {expected}, pickled by NumPy and nothing else; "
                        'download it again from its homepage.') from error
