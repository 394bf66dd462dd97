"""Hashes of images: of their bytes, and of what they look like (pHash: signs of low frequencies)."""
import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from ...errors import DataError
from .. import storage
from ..doctor.files import digest_of_large, stamp_of
from ..transforms.depth import H5
from ..transforms.loading import read_image

SIDE = 32  # pixels of the small grey image
BITS = 8  # lowest frequencies in each direction
FLAT = 2.0  # grey levels of deviation below which an image looks like any other


@dataclass(frozen=True)
class ImageHash:
    """Hashes of one image file.

    Attributes:
        size, changed: see :func:`..doctor.files.stamp_of`.
        digest: 64 bits of its bytes.
        looks: 64 bits of its looks; None for an image of one colour, or one that cannot be read.
        mirrored: the same of its mirror image.
    """
    size: int
    changed: int
    digest: int
    looks: int | None
    mirrored: int | None


def hash_image(path: str, kind: int = 0) -> ImageHash | None:
    """Hashes of an image file; None where there is none. A file of many frames has no looks."""
    stamp = stamp_of(path)
    if stamp is None:
        return None
    if path.endswith(H5):
        return ImageHash(*stamp, digest_of_large(path), None, None)
    digest = hashlib.blake2b(storage.read(path), digest_size=8).digest()
    try:
        looks = perceptual_hashes(small_grey(read_image(path)))
    except DataError:  # what cannot be decoded has bytes, but no looks; `datasets check` names it
        looks = None, None
    return ImageHash(*stamp, int.from_bytes(digest, 'little', signed=True), *looks)


def small_grey(image: np.ndarray) -> np.ndarray:
    """(32, 32) float32 grey levels of an RGB image, whatever its size and proportions."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)


def perceptual_hashes(grey: np.ndarray) -> tuple[int | None, int | None]:
    """pHash of a small grey image and of its mirror image: which of the 64 lowest frequencies lie above their median.

    In the mirror image every odd horizontal frequency has the other sign, so one transform gives both.
    """
    if grey.std() < FLAT:
        return None, None
    low = cv2.dct(grey)[:BITS, :BITS]
    mirror = low * np.where(np.arange(BITS) % 2, -1, 1)
    return _signs(low), _signs(mirror)


def _signs(low: np.ndarray) -> int:
    flat = low.ravel()
    bits = flat > np.median(flat[1:])  # the mean grey level, the first, would move the median
    return int.from_bytes(np.packbits(bits).tobytes(), 'little', signed=True)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two small grey images, 1 for the same picture at any brightness and contrast."""
    a, b = (x - x.mean() for x in (a, b))
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))
