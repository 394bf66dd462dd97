"""Body joints of millions of person crops in one file, found by the crops' names.

The file is mapped into memory: it opens in milliseconds whatever its size, and all processes of a machine share its
pages. It is a safetensors file, which other programs read too::

    keys    I64 (n,)         sorted; 64 bits of each crop's name (:func:`humanbench.files.name_key`)
    joints  F16 (n, 17, 3)   x, y in pixels of the crop, and score, in COCO's order; NaN where a joint is not known
    sizes   U16 (n, 2)       height and width of the crop in which they were found

A name is the crop's path, with ``/``, below the folder of the crops. The metadata entry ``humanbench.joints`` is a
JSON object: ``version``, ``count``, ``made_by``, ``images`` (the folder of the crops), ``digest`` (SHA-256 of the
arrays).

Sixteen bits place a joint to 1/16 pixel in a crop of up to 256 pixels, to 1/8 in one of 512, to 1/4 in one of 1024.
"""
import hashlib
import json
import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .errors import DataError, UserError
from .files import name_key, replacing

NUM_JOINTS = 17
VERSION = 1
LARGEST = 60_000.0  # pixels; the largest number of 16 bits is 65504
LONGEST_SIDE = 65_535
_ENTRY = 'humanbench.joints'
_ARRAYS = {'keys': ('I64', '<i8', ()), 'joints': ('F16', '<f2', (NUM_JOINTS, 3)), 'sizes': ('U16', '<u2', (2,))}
_LONGEST_HEADER = 1_000_000
_ADVICE = 'Copy it again from where it was made, or fill it again with `humanbench joints`.'


class CropJoints(NamedTuple):
    """The joints of one crop.

    Attributes:
        points: (17, 2) float32 x, y in pixels of the crop, which may lie outside of it; NaN where not known.
        scores: (17,) float32, NaN where not known.
        size: height and width of the crop.
    """
    points: np.ndarray
    scores: np.ndarray
    size: tuple[int, int]


def in_image(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(...) which of (..., 2) points x, y lie on the pixels of an image; no NaN does.

    Args:
        points: in pixels whose centres have whole numbers, so that the image begins at -0.5.
        size: height and width.
    """
    height, width = size
    x, y = points[..., 0], points[..., 1]
    return (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)


class JointStore:
    """A joint store, mapped from its file. A copy that goes to another process maps the file again.

    Args:
        path: of the file.

    Attributes:
        path: of the file.
        keys: (n,) int64, sorted.
        joints: (n, 17, 3) float16.
        sizes: (n, 2) uint16 height and width.
        made_by: what has produced it: words by name.
        images: the folder of the crops when it was made.
        digest: of its contents, in hexadecimal.

    Raises:
        DataError: it is no joint store, or not all of one.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        try:
            with open(self.path, 'rb') as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            header, start = _header(data)
            meta = json.loads(header['__metadata__'][_ENTRY])
            if meta['version'] != VERSION:
                raise ValueError(f'it is of version {meta["version"]}, this program reads version {VERSION}')
            self.made_by, self.images, self.digest = dict(meta['made_by']), str(meta['images']), str(meta['digest'])
            self.keys, self.joints, self.sizes = (
                _array(data, start, header[name], meta['count'], *_ARRAYS[name]) for name in _ARRAYS)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
            raise DataError(f"cannot read the joint store '{path}': {type(error).__name__}: {error}. {_ADVICE}"
                            ) from error

    def __len__(self) -> int:
        return len(self.keys)

    def __reduce__(self) -> tuple:
        return JointStore, (self.path,)

    def find(self, name: str) -> CropJoints | None:
        """The joints of a crop; None where the store has none of this name."""
        key = name_key(name)
        row = int(np.searchsorted(self.keys, key))
        if row == len(self.keys) or self.keys[row] != key:
            return None
        found = self.joints[row].astype(np.float32)
        height, width = self.sizes[row].tolist()
        return CropJoints(found[:, :2], found[:, 2], (height, width))

    def is_whole(self) -> bool:
        """Whether its contents are those that were written; reads all of it."""
        return _digest(self.keys, self.joints, self.sizes) == self.digest and bool((np.diff(self.keys) > 0).all())


def write_store(path: str | os.PathLike, names: Sequence[str], joints: np.ndarray, sizes: np.ndarray,
                made_by: Mapping[str, str], images: str, durable: bool = True) -> None:
    """Write a joint store, whole or not at all; equal input gives equal bytes.

    Args:
        path: of the file.
        names: n names of crops, relative to their folder.
        joints: (n, 17, 3) x, y in pixels and score; what is not finite counts as not known.
        sizes: (n, 2) height and width of the crops.
        made_by: what has produced the joints: words by name.
        images: folder of the crops.
        durable: see :func:`humanbench.files.replacing`.

    Raises:
        UserError: a crop twice, or one that is too large.
    """
    from safetensors.numpy import save_file
    keys = np.fromiter(map(name_key, names), np.int64, len(names))
    order = np.argsort(keys, kind='stable')
    keys = keys[order]
    twice = np.flatnonzero(keys[1:] == keys[:-1])
    if len(twice):
        raise _collision(names[order[twice[0]]], names[order[twice[0] + 1]])
    if len(names) and not 0 < np.min(sizes) <= np.max(sizes) <= LONGEST_SIDE:
        raise UserError(f'a crop has a side of {np.min(sizes)} or {np.max(sizes)} pixels; expected 1 to '
                        f'{LONGEST_SIDE:,}. These are no person crops.')
    arrays = dict(keys=keys, joints=_half(joints)[order], sizes=np.asarray(sizes, np.uint16)[order])
    meta = dict(version=VERSION, count=len(keys), made_by=dict(made_by), images=images,
                digest=_digest(*arrays.values()))
    with replacing(Path(path), durable) as beside:
        # one entry, because several are written in any order
        save_file(arrays, beside, {_ENTRY: json.dumps(meta)})


def _half(joints: np.ndarray) -> np.ndarray:
    """(n, 17, 3) float16; a joint of which one number is not finite is not known."""
    joints = np.asarray(joints, np.float32)
    known = np.isfinite(joints).all(-1, keepdims=True)
    return np.where(known, np.clip(joints, -LARGEST, LARGEST), np.nan).astype(np.float16)


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _collision(first: str, second: str) -> UserError:
    if first == second:
        return UserError(f"the crop '{first}' occurs twice. Expected each name once.")
    return UserError(f"the names '{first}' and '{second}' have the same 64 bits, so that a joint store cannot tell "
                     'them apart. Rename one of the files.')


def _header(data: mmap.mmap) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file, and where its arrays begin."""
    length, = struct.unpack('<Q', data[:8])
    if length > min(len(data) - 8, _LONGEST_HEADER):
        raise ValueError(f'its header claims {length:,} bytes; it is no joint store, or truncated')
    return json.loads(data[8:8 + length]), 8 + length


def _array(data: mmap.mmap, start: int, entry: Mapping[str, Any], count: int, dtype: str, kind: str,
           shape: tuple[int, ...]) -> np.ndarray:
    first, last = entry['data_offsets']
    size = np.dtype(kind).itemsize * count * int(np.prod(shape))
    if entry['dtype'] != dtype or entry['shape'] != [count, *shape] or first < 0 or last - first != size:
        raise ValueError(f'it holds {entry}, where {dtype} of shape {[count, *shape]} is expected')
    if start + last > len(data):
        raise ValueError(f'it has {len(data):,} bytes and should have {start + last:,}')
    return np.frombuffer(data, kind, size // np.dtype(kind).itemsize, start + first).reshape(count, *shape)
