"""Crops and colours for crowd images, with ``gt_points`` (n, 2) x, y following. Pixel i covers [i - 0.5, i + 0.5)."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from .geometry import crop_window, resize_image
from .loading import image_size, pixels


def _moved(points: np.ndarray, window: tuple[int, int, int, int], size: tuple[int, int]) -> np.ndarray:
    """Where points are once the window (top, left, bottom, right) is seen at ``size`` (height, width)."""
    top, left, bottom, right = window
    factor = np.array([size[1] / (right - left), size[0] / (bottom - top)], np.float32)
    return ((points - (left, top) + 0.5) * factor - 0.5).astype(np.float32)


def _on_image(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Points on the border of the last pixel come to its centre, so that each belongs to a cell of a density map."""
    return points.clip(0, (size[1] - 1, size[0] - 1)).astype(np.float32)


def _scaled(image: np.ndarray, gain: float, offset: float) -> np.ndarray:
    """``gain * image + offset``, rounded and cut to 0..255."""
    table = np.clip(np.round(np.arange(256) * gain + offset), 0, 255).astype(np.uint8)
    return cv2.LUT(image, table)


@TRANSFORMS.register_module()
class EnlargeSmall(BaseTransform):
    """Enlarges an image whose shorter side is below ``min_side``; the aspect stays.

    Args:
        min_side: pixels.
    """

    def __init__(self, min_side: int = 256):
        self.min_side = min_side

    def transform(self, results: dict) -> dict:
        height, width = pixels(results).shape[:2]
        factor = self.min_side / min(height, width)
        if factor > 1:
            size = max(round(height * factor), self.min_side), max(round(width * factor), self.min_side)
            results['gt_points'] = _on_image(_moved(results['gt_points'], (0, 0, height, width), size), size)
            results['img'] = resize_image(results['img'], size)
            results['img_shape'] = size
            results['scale_factor'] = size[1] / width, size[0] / height
        return results


@TRANSFORMS.register_module()
class RandomCountingCrop(BaseTransform):
    """A random crop after a random scale; an image that would be too small is enlarged to fit.

    Args:
        size: side of the square crop.
        scale: smallest and largest factor on the image.
    """

    def __init__(self, size: int = 256, scale: tuple[float, float] = (0.7, 1.3)):
        self.size, self.scale = size, scale

    def transform(self, results: dict) -> dict:
        shape = image_size(results)
        factor = max(np.random.uniform(*self.scale), self.size / min(shape))
        virtual = [max(round(x * factor), self.size) for x in shape]
        start = [np.random.randint(x - self.size + 1) for x in virtual]
        rows, columns = (crop_window(s, self.size, v, x) for s, v, x in zip(start, virtual, shape, strict=True))
        window, size = (rows[0], columns[0], rows[1], columns[1]), (self.size, self.size)
        points = _moved(results['gt_points'], window, size)
        inside = ((points >= -0.5) & (points < self.size - 0.5)).all(1)
        results['gt_points'] = _on_image(points[inside], size)
        results['img'] = resize_image(pixels(results, rows[1])[rows[0]:rows[1], columns[0]:columns[1]], size)
        results['img_shape'] = size
        return results


@TRANSFORMS.register_module()
class RandomColor(BaseTransform):
    """Changes brightness, contrast and saturation; no hue, with which transport losses were reported to diverge.

    Args:
        strength: largest relative change of each.
        prob: of a change.
    """

    def __init__(self, strength: float = 0.1, prob: float = 0.2):
        self.strength, self.prob = strength, prob

    def transform(self, results: dict) -> dict:
        if np.random.random() >= self.prob:
            return results
        brightness, contrast, saturation = np.random.uniform(1 - self.strength, 1 + self.strength, 3)
        image = pixels(results)
        gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.addWeighted(image, saturation, gray, 1 - saturation, 0)
        offset = (1 - contrast) * brightness * float(gray.mean())
        results['img'] = _scaled(image, brightness * contrast, offset)
        return results
