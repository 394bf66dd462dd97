"""HDF5 files: numbers in them, and nothing else.

What the format offers beside that (links into other files, numbers that lie in other files, views of other files, types
that are programs' own) is refused: no file of a dataset needs it, and it would lead out of the dataset.
"""
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import storage
from .reading import reading

if TYPE_CHECKING:
    from h5py import Dataset

MOST_BYTES = 1 << 30  # that are read at once
MOST_OF_A_CHUNK = 1 << 28


@contextmanager
def numbers(path: str | os.PathLike, name: str, expected: str) -> Iterator['Dataset']:
    """An array of a file, opened: the file is closed at the end, and by no other process in between.

    Args:
        path: of the file.
        name: of the array, at the file's top.
        expected: what the file should hold.

    Raises:
        DataError: it is none, damaged, or holds something else.
    """
    import h5py  # here, because few datasets need it
    with reading(path, expected):
        try:
            with open(storage.local(path), 'rb') as bytes_of, h5py.File(bytes_of, 'r') as file:
                if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                    raise KeyError(f"it has no '{name}' of its own")
                found = file[name]
                _check(found, name, h5py.Dataset)
                yield found
        except RuntimeError as error:  # of the library itself, about what it cannot make sense of
            raise ValueError(str(error)) from error


def _check(found: object, name: str, kind: type) -> None:
    if not isinstance(found, kind) or found.dtype.kind not in 'biuf' or found.shape is None:
        raise ValueError(f"'{name}' is no array of numbers")
    if found.is_virtual or found.external:
        raise ValueError(f"the numbers of '{name}' lie in other files")
    if found.chunks is not None and np.prod([found.dtype.itemsize, *found.chunks], dtype=float) > MOST_OF_A_CHUNK:
        raise ValueError(f"'{name}' is stored in pieces of {found.chunks}: too large to read one for a part of it")


def read_all(path: Path, name: str, shape: tuple[int | None, ...], expected: str) -> np.ndarray:
    """An array as a whole.

    Args:
        path: of the file.
        name: of the array.
        shape: it must have; None for any length.
        expected: what the file should hold.
    """
    with numbers(path, name, expected) as found:
        fits = len(found.shape) == len(shape) and all(b is None or a == b for a, b in zip(found.shape, shape))
        if not fits or found.size * found.dtype.itemsize > MOST_BYTES:
            raise ValueError(f"'{name}' has the shape {found.shape}; expected {shape}")
        return found[()]
