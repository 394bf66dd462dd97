"""The decorator for compiled kernels: no GIL, machine code cached on disk and keyed by all kernels' sources."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numba

_SOURCES = (
    'backgrounds',
    'body',
    'camera',
    'compiled',
    'labels',
    'noise',
    'paint',
    'primitives',
    'render',
    'renderer',
    'shader',
)


def _digest() -> str:
    here = Path(__file__).parent
    return hashlib.sha256(b''.join((here / f'{name}.py').read_bytes() for name in _SOURCES)).hexdigest()


_STAMP = _digest()


def kernel(function: Callable | None = None, *, inline: bool = False) -> Callable:
    """`numba.njit` whose disk cache is thrown away when any kernel source changes.

    Numba compares only the file a function stands in. Kernels here call kernels and read constants of other files, so
    after an update of one file the others would go on running old code, silently.

    Args:
        inline: merge the function into its callers: for functions with many array arguments that run per pixel.
    """
    if function is None:
        return lambda f: kernel(f, inline=inline)
    dispatcher = numba.njit(cache=True, nogil=True, error_model='numpy', forceinline=inline)(function)
    dispatcher._cache._cache_file._source_stamp = _STAMP
    return dispatcher
