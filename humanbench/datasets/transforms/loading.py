"""Bytes to pixels: RGB images and label maps, with clear words about what cannot be decoded."""
import io
import struct
from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image

from ...errors import DataError
from ...registry import TRANSFORMS
from .. import storage
from . import jpeg
from .jpeg import simplejpeg

# A file of a few kilobytes can claim gigabytes of pixels.
MAX_PIXELS = 100_000_000
LONGEST_FORM = 1000  # long side over short side; beyond, the short side of a smaller copy would be no pixel at all
IGNORE_LABEL = 255

_PNG = b'\x89PNG\r\n\x1a\n'
_ADVICE = 'Unpack or download the file again; in training it is replaced by another sample.'


def _read(path: str) -> bytes:
    try:
        return storage.read(path)
    except OSError as error:
        raise DataError(f"cannot read the image '{storage.described(path)}': {error.strerror}. {_ADVICE}") from error


def _size(data: bytes) -> tuple[int, int]:
    """Height and width as the header says, without decoding."""
    if data.startswith(_PNG):
        width, height = struct.unpack('>II', data[16:24])
        return height, width
    if data.startswith(jpeg.START) and simplejpeg is not None:
        return jpeg.size(data)
    with Image.open(io.BytesIO(data)) as image:
        return image.height, image.width


def _checked_size(data: bytes, path: str, max_pixels: int) -> tuple[int, int]:
    """Height and width; an error where they are absurd."""
    try:
        height, width = _size(data)
    except (ValueError, OSError, struct.error, Image.DecompressionBombError) as error:
        raise DataError(f"'{path}' is not an image that can be read ({error or 'empty file'}). {_ADVICE}") from error
    if not 0 < height * width <= max_pixels:
        raise DataError(f"the image '{path}' claims {width} x {height} pixels; at most {max_pixels:,} are decoded. "
                        'If it is really that large, take a smaller copy, or LoadImage(max_pixels=...) in a pipeline.')
    if max(height, width) > LONGEST_FORM * min(height, width):
        raise DataError(f"the image '{path}' has {width} x {height} pixels, which is no picture of people. {_ADVICE}")
    return height, width


def _decode_cv2(data: bytes, flags: int) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise ValueError('the data is corrupt or truncated')
    return image


class EncodedImage:
    """An image that is read and not decoded yet.

    Args:
        path: of the file.
        max_pixels: larger ones are refused.

    Attributes:
        size: height and width, as the header says.

    Raises:
        DataError: the file is missing, no image or too large.
    """

    def __init__(self, path: str, max_pixels: int = MAX_PIXELS):
        self._path, self._data = path, _read(path)
        self.size = _checked_size(self._data, path, max_pixels)

    def decode(self, rows: int | None = None) -> np.ndarray:
        """(H, W, 3) uint8 RGB. The orientation tag is ignored, because annotations count stored pixels.

        Args:
            rows: so many from the top, where no more are wanted.

        Raises:
            DataError: the file is corrupt or truncated.
        """
        rows = self.size[0] if rows is None else min(max(rows, 1), self.size[0])
        try:
            if self._data.startswith(jpeg.START) and simplejpeg is not None:
                return jpeg.decode_top(self._data, rows)
            image = _decode_cv2(self._data, cv2.IMREAD_COLOR)
        except (ValueError, cv2.error) as error:
            raise DataError(f"cannot decode the image '{self._path}': {error}. {_ADVICE}") from error
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)[:rows]


def read_image(path: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The image of a file, as by :meth:`EncodedImage.decode`."""
    return EncodedImage(path, max_pixels).decode()


def image_size(results: dict) -> tuple[int, int]:
    """Height and width of the image of a record."""
    return results['img'].shape[:2] if 'img' in results else results['encoded'].size


def pixels(results: dict, rows: int | None = None) -> np.ndarray:
    """The image of a record; of one that is not decoded yet its first ``rows`` rows, which is all that the record will
    have."""
    if 'img' not in results:
        results['img'] = results.pop('encoded').decode(rows)
    return results['img']


def read_label_map(path: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """(H, W) uint8 values of a one-channel image, or indices of one with a palette.

    Raises:
        DataError: the file is missing, corrupt, too large or has colours.
    """
    data = _read(path)
    _checked_size(data, path, max_pixels)
    try:
        labels = _decode_cv2(data, cv2.IMREAD_UNCHANGED)
        if labels.ndim != 2:  # OpenCV turns palette indices into colours
            with Image.open(io.BytesIO(data)) as image:
                labels = np.array(image) if image.mode == 'P' else labels
    except (ValueError, OSError, cv2.error) as error:
        raise DataError(f"cannot decode the label map '{path}': {error}. {_ADVICE}") from error
    if labels.ndim != 2 or labels.dtype != np.uint8:
        raise DataError(f"the label map '{path}' has shape {labels.shape} and type {labels.dtype}; expected one "
                        'channel of 8 bits with a class id in each pixel.')
    return labels


def read_millimetres(path: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """(H, W) uint16 values of a one-channel image of 16 bits: depth in millimetres, 0 where there is none.

    Raises:
        DataError: the file is missing, corrupt, too large or of another kind.
    """
    data = _read(path)
    _checked_size(data, path, max_pixels)
    try:
        depth = _decode_cv2(data, cv2.IMREAD_UNCHANGED)
    except (ValueError, cv2.error) as error:
        raise DataError(f"cannot decode the depth '{path}': {error}. {_ADVICE}") from error
    if depth.ndim != 2 or depth.dtype != np.uint16:
        raise DataError(f"the depth '{path}' has shape {depth.shape} and type {depth.dtype}; expected one channel of "
                        '16 bits with millimetres in each pixel.')
    return depth


def draw_polygons(items: Sequence[tuple[int, Sequence[np.ndarray]]], size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint8 label map of outlines, class 0 where there is none.

    Args:
        items: (class, its (n, 2) outlines x, y in whole pixels); a later one covers an earlier one.
        size: height and width.
    """
    labels = np.zeros(size, np.uint8)
    for label, outlines in items:
        for outline in outlines:  # one at a time: together, where two overlap would be a hole
            cv2.fillPoly(labels, [np.asarray(outline, np.int32)], int(label))
    return labels


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Adds ``img`` (H, W, 3) uint8 RGB, ``ori_shape`` and ``img_shape`` (H, W). A record that brings its ``img`` keeps
    it: a frame of a video, say, is in no file.

    Args:
        max_pixels: larger images are refused.
        lazy: add ``encoded`` in place of ``img``, for a crop that decodes as much as it needs (see :func:`pixels`):
            TopdownAffine, RandomScaleCrop, CropAsResized, RandomCountingCrop, CropBox. What lies below it, often a
            third of the image, then costs next to nothing. All transforms of HumanBench know such records; those of
            MMCV and its family need ``img``.
    """

    def __init__(self, max_pixels: int = MAX_PIXELS, lazy: bool = False):
        self.max_pixels, self.lazy = max_pixels, lazy

    def transform(self, results: dict) -> dict:
        if 'img' not in results:
            results['encoded'] = EncodedImage(results['img_path'], self.max_pixels)
            if not self.lazy:
                pixels(results)
        results['ori_shape'] = results['img_shape'] = image_size(results)
        return results


@TRANSFORMS.register_module()
class LoadLabelMap(BaseTransform):
    """Adds ``gt_seg_map`` (H, W) uint8 class ids; 255 is ignored.

    Reads ``seg_map_path``. With a ``label_map`` in the record raw ids become classes and an id that it lacks becomes
    class 0, as in PATH. Without one an id beyond the classes is an error: it would index out of a loss.

    A record with ``seg_polygons`` instead has them drawn; it needs :class:`LoadImage` before.
    """

    def transform(self, results: dict) -> dict:
        if 'seg_polygons' in results:
            labels = draw_polygons(results['seg_polygons'], results['ori_shape'])
        else:
            labels = self._read(results)
        results['gt_seg_map'] = labels
        results['seg_fields'].append('gt_seg_map')
        return results

    def _read(self, results: dict) -> np.ndarray:
        labels = read_label_map(results['seg_map_path'])
        if results['label_map'] is not None:
            return cv2.LUT(labels, _table(results['label_map']))
        self._check_ids(labels, results)
        return labels

    @staticmethod
    def _check_ids(labels: np.ndarray, results: dict) -> None:
        highest = int(cv2.minMaxLoc(labels)[1])
        if highest < results['num_classes']:
            return
        wrong = [x for x in np.unique(labels).tolist() if x >= results['num_classes'] and x != IGNORE_LABEL]
        if wrong:
            raise DataError(f"the label map '{results['seg_map_path']}' holds the ids {wrong}; expected 0.."
                            f'{results["num_classes"] - 1} and {IGNORE_LABEL}. Is it of another dataset or release?')


def _table(label_map: dict[int, int]) -> np.ndarray:
    table = np.zeros(256, np.uint8)
    table[IGNORE_LABEL] = IGNORE_LABEL
    table[list(label_map)] = list(label_map.values())
    return table
