"""Resizing, cropping, mirroring and erasing, on uint8 images and whatever labels a record carries.

Shapes: H x W image, K keypoints, n boxes or points. Sizes are (height, width).
"""
import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ...errors import DataError, UserError, unknown_name
from ...joints import in_image
from ...registry import TRANSFORMS
from .loading import IGNORE_LABEL, image_size, pixels

Window = tuple[int, int, int, int]  # top, left, bottom, right
INTERPOLATIONS = dict(bilinear=cv2.INTER_LINEAR, bicubic=cv2.INTER_CUBIC)


COMPANIONS = {'gt_depth': 0, 'gt_seg_map': IGNORE_LABEL}
"""Maps of an image's own size in a record, and what they hold beyond its borders. Their values are never mixed."""


def nearest(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label map or depth at another size: the nearest value."""
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def padded_window(image: np.ndarray, window: Window, value: int = 0) -> np.ndarray:
    """A window of an image, which may reach beyond its borders: there it holds ``value``."""
    top, left, bottom, right = window
    height, width = image.shape[:2]
    inside = image[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)]
    beyond = [min(max(-top, 0), bottom - top), max(bottom - max(height, top), 0),
              min(max(-left, 0), right - left), max(right - max(width, left), 0)]
    if not any(beyond):
        return inside
    if not inside.size:
        return np.full((bottom - top, right - left, *image.shape[2:]), value, image.dtype)
    return cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_CONSTANT, value=(value,) * 3)


def resize_image(image: np.ndarray, size: tuple[int, int], interpolation: str = 'bilinear') -> np.ndarray:
    """An image at another size: averaged where it shrinks to half or less, else interpolated; of depth (float32) the
    nearest pixels."""
    if image.dtype == np.float32:
        return nearest(image, size)
    height, width = size
    shrinks = 2 * height <= image.shape[0] and 2 * width <= image.shape[1]
    return cv2.resize(image, (width, height),
                      interpolation=cv2.INTER_AREA if shrinks else INTERPOLATIONS[interpolation])


def move_keypoints(results: dict, window: Window, size: tuple[int, int]) -> None:
    """Puts the keypoints of a record where they are once a window of its image has been stretched to a size.

    Adds ``transformed_keypoints`` (1, K, 2); one that is not on the picture any more gets ``keypoints_visible`` 0, and
    a visible one lies between the centres of the first and the last pixel. Nothing for a record without keypoints.

    Args:
        results: the record.
        window: of the image that the record has.
        size: (height, width) of the picture that is made of it.
    """
    if 'keypoints' not in results:
        return
    top, left, bottom, right = window
    points = results.get('transformed_keypoints', results['keypoints'])
    scale = np.array([size[1] / (right - left), size[0] / (bottom - top)], np.float32)
    points = (points - np.array([left, top], np.float32) + 0.5) * scale - 0.5  # whole numbers are centres of pixels
    inside = in_image(points, size)
    last = np.array([size[1] - 1, size[0] - 1], np.float32)
    results['transformed_keypoints'] = np.where(inside[..., None], np.clip(points, 0, last), points)
    results['keypoints_visible'] = results['keypoints_visible'] * inside.astype(np.float32)


def random_window(size: tuple[int, int], largest: tuple[int, int], areas: tuple[float, float],
                  aspect: Callable[[], float], attempts: int) -> Window | None:
    """A random window of an image; None where no attempt fits.

    Args:
        size: (height, width) of the image.
        largest: height and width that the window may have.
        areas: smallest and largest share of the image's area.
        aspect: draws height / width.
        attempts: so many areas and aspects are drawn until one fits.
    """
    height, width = size
    for _ in range(attempts):
        area, form = height * width * np.random.uniform(*areas), aspect()
        h, w = round((area * form) ** 0.5), round((area / form) ** 0.5)
        if 0 < h <= largest[0] and 0 < w <= largest[1]:
            top, left = np.random.randint(height - h + 1), np.random.randint(width - w + 1)
            return top, left, top + h, left + w
    return None


def crop_window(start: int, kept: int, virtual: int, source: int) -> tuple[int, int]:
    """The pixels [first, last) of a side of ``source`` pixels seen at [start, start + kept) once it has ``virtual``.

    Cropping the source first and resizing only what is kept costs a fraction of the other order. Rounding to whole
    source pixels moves the crop by less than one of them.
    """
    first = min(round(start * source / virtual), source - 1)
    return first, max(round((start + kept) * source / virtual), first + 1)


def box_window(box: Sequence[float], size: tuple[int, int]) -> Window | None:
    """The pixels (top, left, bottom, right) of an image of (height, width) that a box x1, y1, x2, y2 touches, at least
    one; None where it lies outside.
    """
    x1, y1, x2, y2 = box
    height, width = size
    if min(x2, y2) <= 0 or x1 >= width or y1 >= height:
        return None
    left, top = max(int(x1), 0), max(int(y1), 0)
    right, bottom = min(math.ceil(x2), width), min(math.ceil(y2), height)
    return top, left, max(bottom, top + 1), max(right, left + 1)


@TRANSFORMS.register_module()
class CropBox(BaseTransform):
    """Cuts the person of an attribute record out of a photo by its ``bbox``; a record without one is a crop already.

    A box that leaves the image is cut at its border, and one whose sides are below a pixel keeps that pixel.
    """

    def transform(self, results: dict) -> dict:
        if 'bbox' not in results:
            pixels(results)
            return results
        height, width = image_size(results)
        box = results['bbox'][0].tolist()
        window = box_window(box, (height, width))
        if window is None:
            raise DataError(f"'{results['img_path']}' has {width} x {height} pixels, and its person's box "
                            f'{", ".join(f"{x:g}" for x in box)} lies outside. Is it the image of the annotation?')
        top, left, bottom, right = window
        results['img'] = pixels(results, bottom)[top:bottom, left:right]
        results['img_shape'] = results['img'].shape[:2]
        return results


@TRANSFORMS.register_module()
class Resize(BaseTransform):
    """Stretches ``img`` to a size; the aspect is not kept. Keypoints of crops move with it (:func:`move_keypoints`), as
    ``gt_depth`` does; other labels stay as they are.

    Args:
        size: (height, width).
        interpolation: ``bilinear`` or ``bicubic``; what shrinks to half or less is averaged; of depth the nearest.
    """

    def __init__(self, size: tuple[int, int], interpolation: str = 'bilinear'):
        if interpolation not in INTERPOLATIONS:
            raise unknown_name('interpolation', interpolation, INTERPOLATIONS)
        self.size, self.interpolation = tuple(size), interpolation

    def transform(self, results: dict) -> dict:
        height, width = pixels(results).shape[:2]
        move_keypoints(results, (0, 0, height, width), self.size)
        results['img'] = resize_image(results['img'], self.size, self.interpolation)
        if 'gt_depth' in results:
            results['gt_depth'] = nearest(results['gt_depth'], self.size)
        results['img_shape'] = self.size
        return results


@TRANSFORMS.register_module()
class RandomResizedCrop(BaseTransform):
    """Stretches a random part of a person crop to a size, drawn as torchvision does it: the area evenly, the aspect
    evenly in its logarithm. Keypoints move with it (:func:`move_keypoints`); other labels stay as they are.

    The defaults are HAP's: most of the body stays, and the part has the form of a person.

    Args:
        size: (height, width).
        scale: smallest and largest share of the area.
        aspect: smallest and largest width / height of the part.
        interpolation: ``bilinear`` or ``bicubic``; what shrinks to half or less is averaged (HAP does not).
        attempts: parts that are drawn until one fits; after that the largest one in the middle whose aspect is allowed.
    """

    def __init__(self, size: tuple[int, int], scale: tuple[float, float] = (0.8, 1.0),
                 aspect: tuple[float, float] = (0.375, 0.6667), interpolation: str = 'bicubic', attempts: int = 10):
        if interpolation not in INTERPOLATIONS:
            raise unknown_name('interpolation', interpolation, INTERPOLATIONS)
        if not 0 < scale[0] <= scale[1] <= 1 or not 0 < aspect[0] <= aspect[1]:
            raise UserError(f'RandomResizedCrop has scale={scale} and aspect={aspect}: expected two shares of the area '
                            'up to 1, and two numbers above 0 for width / height, the smaller one first in both.')
        self.size, self.scale, self.aspect = tuple(size), tuple(scale), tuple(aspect)
        self.interpolation, self.attempts = interpolation, attempts
        self._log_aspect = math.log(aspect[0]), math.log(aspect[1])

    def transform(self, results: dict) -> dict:
        shape = image_size(results)
        window = random_window(shape, shape, self.scale, self._draw_aspect, self.attempts) or self._middle(*shape)
        top, left, bottom, right = window
        image = pixels(results, bottom)[top:bottom, left:right]
        move_keypoints(results, window, self.size)
        results['img'] = resize_image(image, self.size, self.interpolation)
        results['img_shape'] = self.size
        return results

    def _draw_aspect(self) -> float:
        """Height / width."""
        return math.exp(-np.random.uniform(*self._log_aspect))

    def _middle(self, height: int, width: int) -> Window:
        aspect = min(max(width / height, self.aspect[0]), self.aspect[1])
        h, w = min(height, max(1, round(width / aspect))), min(width, max(1, round(height * aspect)))
        top, left = (height - h) // 2, (width - w) // 2
        return top, left, top + h, left + w


@TRANSFORMS.register_module()
class ResizeLabelMap(BaseTransform):
    """Stretches ``gt_seg_map``, and with it the size at which predictions are scored.

    A scored label map is the original one wherever a metric is meant; this is for PATH's release, which scores
    Human3.6M at 1000 x 1000 with class ids that it interpolated: between two classes a third may appear.

    Args:
        size: (height, width).
        interpolate: linearly, as the release does; False takes the nearest id.
    """

    def __init__(self, size: tuple[int, int], interpolate: bool = False):
        self.size, self.interpolate = tuple(size), interpolate

    def transform(self, results: dict) -> dict:
        labels = results['gt_seg_map']
        if labels.shape != self.size:
            kind = cv2.INTER_LINEAR_EXACT if self.interpolate else cv2.INTER_NEAREST_EXACT
            results['gt_seg_map'] = cv2.resize(labels, self.size[::-1], interpolation=kind)
        results['ori_shape'] = self.size
        return results


@TRANSFORMS.register_module()
class RandomFlip(BaseTransform):
    """Mirrors the image and every label of the record: one flip for all tasks.

    Left and right change places in ``transformed_keypoints``, ``gt_seg_map`` and ``attributes`` as the record's
    ``flip_indices`` say (attributes without it know no left and right); keypoints of a set that was chosen have
    ``keypoint_flip_indices`` of their own.
    In a pose pipeline it stands after the affine crop: mirroring the crop costs microseconds, while a mirrored view of
    the whole image would have to be copied by the warp.

    Args:
        prob: of a flip.
    """

    def __init__(self, prob: float = 0.5):
        self.prob = prob

    def transform(self, results: dict) -> dict:
        results['flip'] = bool(np.random.random() < self.prob)
        if not results['flip']:
            return results
        width = pixels(results).shape[1]
        results['img'] = cv2.flip(results['img'], 1)
        if 'transformed_keypoints' in results:
            self._flip_keypoints(results, width)
        if 'gt_seg_map' in results:
            results['gt_seg_map'] = flip_labels(results['gt_seg_map'], results['flip_indices'])
        if 'gt_depth' in results:
            results['gt_depth'] = cv2.flip(results['gt_depth'], 1)
        if 'attributes' in results and 'flip_indices' in results:
            results['attributes'] = results['attributes'][results['flip_indices']]
        if 'gt_points' in results:
            points = results['gt_points'].copy()
            points[:, 0] = width - 1 - points[:, 0]
            results['gt_points'] = points
        if 'gt_bboxes' in results:
            boxes = results['gt_bboxes'].tensor.numpy()
            boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
        return results

    @staticmethod
    def _flip_keypoints(results: dict, width: int) -> None:
        order = results.get('keypoint_flip_indices', results['flip_indices'])
        results.pop('keypoints_3d', None)  # where a mirror shows a place depends on the camera
        keypoints = results['transformed_keypoints'].take(order, 1)
        keypoints[..., 0] = width - 1 - keypoints[..., 0]
        results['transformed_keypoints'] = keypoints
        results['keypoints_visible'] = results['keypoints_visible'].take(order, 1)


def flip_labels(labels: np.ndarray, flip_indices: np.ndarray) -> np.ndarray:
    """A label map (H, W) mirrored, with left and right classes exchanged; 255 stays."""
    table = np.arange(256, dtype=np.uint8)
    table[:len(flip_indices)] = flip_indices
    return cv2.LUT(cv2.flip(labels, 1), table)


@TRANSFORMS.register_module()
class PadCrop(BaseTransform):
    """Black borders on all sides, then a random crop of the former size.

    Args:
        padding: pixels on each side.
    """

    def __init__(self, padding: int = 10):
        self.padding = padding

    def transform(self, results: dict) -> dict:
        image = pixels(results)
        down, right = np.random.randint(-self.padding, self.padding + 1, 2)
        height, width = image.shape[:2]
        moved = np.zeros_like(image)
        moved[max(down, 0):height + min(down, 0), max(right, 0):width + min(right, 0)] = \
            image[max(-down, 0):height - max(down, 0), max(-right, 0):width - max(right, 0)]
        results['img'] = moved
        return results


@TRANSFORMS.register_module()
class RandomErasing(BaseTransform):
    """Paints a random rectangle in one random colour, or in noise (Zhong et al., AAAI 2020).

    Args:
        prob: of painting.
        area: smallest and largest share of the image.
        aspect: smallest and largest height / width.
        attempts: rectangles tried until one fits.
        noise: every pixel has a random colour of its own.
    """

    def __init__(self, prob: float = 0.5, area: tuple[float, float] = (0.02, 0.4),
                 aspect: tuple[float, float] = (0.3, 3.33), attempts: int = 100, noise: bool = False):
        self.prob, self.area, self.aspect, self.attempts, self.noise = prob, area, aspect, attempts, noise

    def transform(self, results: dict) -> dict:
        if np.random.random() < self.prob:
            height, width = pixels(results).shape[:2]
            window = random_window((height, width), (height - 1, width - 1), self.area,
                                   lambda: np.random.uniform(*self.aspect), self.attempts)
            if window is not None:
                top, left, bottom, right = window
                results['img'] = results['img'].copy()
                shape = (bottom - top, right - left, 3) if self.noise else 3
                results['img'][top:bottom, left:right] = np.random.randint(0, 256, shape)
        return results


@TRANSFORMS.register_module()
class RandomScaleCrop(BaseTransform):
    """Mirror at random, stretch to a size, scale at random, pad below and right, crop the size at random: in one step.

    Padding is black in the image and 255 in the label map. The result equals resizing first and cropping afterwards up
    to the rounding of :func:`crop_window`. What is mirrored is the crop, before it is padded: the crop of a mirror
    image is a crop of the image, mirrored, and all places are as likely.

    Args:
        size: (height, width).
        scales: one is drawn.
        flip_prob: of a mirror image, as by :class:`RandomFlip`.
    """

    def __init__(self, size: tuple[int, int] = (480, 480), scales: Sequence[float] = (1.0,), flip_prob: float = 0.0):
        self.size = tuple(size)
        self.scales = tuple(scales)
        self.flip = RandomFlip(flip_prob) if flip_prob else None

    def transform(self, results: dict) -> dict:
        scale = self.scales[np.random.randint(len(self.scales))]
        virtual = [round(x * scale) for x in self.size]
        start = [np.random.randint(max(v - x, 0) + 1) for v, x in zip(virtual, self.size, strict=True)]
        kept = [min(v, x) for v, x in zip(virtual, self.size, strict=True)]
        shape = image_size(results)
        (top, bottom), (left, right) = (crop_window(*x) for x in zip(start, kept, virtual, shape, strict=True))
        results['img'] = resize_image(pixels(results, bottom)[top:bottom, left:right], tuple(kept))
        maps = [x for x in COMPANIONS if x in results]
        for key in maps:
            results[key] = nearest(results[key][top:bottom, left:right], tuple(kept))
        if self.flip is not None:
            results = self.flip(results)
        results['img'] = self._padded(results['img'], 0)
        for key in maps:
            results[key] = self._padded(results[key], COMPANIONS[key])
        results['img_shape'] = self.size
        return results

    def _padded(self, image: np.ndarray, value: int) -> np.ndarray:
        height, width = image.shape[:2]
        if (height, width) == self.size:
            return image
        return cv2.copyMakeBorder(image, 0, self.size[0] - height, 0, self.size[1] - width, cv2.BORDER_CONSTANT,
                                  value=(value,) * 3)
