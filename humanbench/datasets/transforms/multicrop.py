"""Several crops of one image, each with colours of its own, for self-distillation (DINO).

Sizes are (height, width).
"""
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ...canvas import Canvas
from ...registry import TRANSFORMS
from .geometry import RandomResizedCrop
from .loading import pixels

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # of R, G, B (ITU-R BT.601)


@TRANSFORMS.register_module()
class MultiCrop(BaseTransform):
    """Random crops of an image, mirrored, recoloured, blurred and solarised at random, side by side as one ``img``.

    Where each lies is a matter of :class:`humanbench.canvas.Canvas`. Labels do not move with the crops: it is for
    images without any, and drops the keypoints of those that have them.

    Args:
        groups: of crops of one size, each a mapping: ``count``, ``size``, ``scale`` (smallest and largest share of the
            area), ``aspect`` (smallest and largest width / height), ``blur`` and ``solarize``: probabilities, one for
            all crops of the group or one for each.
        flip: probability of a mirror image.
        jitter: largest change of brightness, contrast and saturation (factors around 1) and of the hue (in turns).
        jitter_prob: of changing colours at all.
        grey_prob: of losing them.
    """

    def __init__(self, groups: Sequence[Mapping], flip: float = 0.5,
                 jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.2, 0.1), jitter_prob: float = 0.8,
                 grey_prob: float = 0.2):
        self.canvas = Canvas(groups)
        self.flip, self.jitter, self.jitter_prob, self.grey_prob = flip, jitter, jitter_prob, grey_prob
        self.crops = [RandomResizedCrop(group['size'], group['scale'], group['aspect']) for group in groups]
        self.chances = [[_for_each(group, key) for key in ('blur', 'solarize')] for group in groups]

    def transform(self, results: dict) -> dict:
        whole = pixels(results)
        made = np.zeros((*self.canvas.size, 3), np.uint8)
        for (_, (height, width)), corners, crop, (blurs, solarizes) in zip(
                self.canvas.groups, self.canvas.corners, self.crops, self.chances, strict=True):
            for (top, left), blur, solarize in zip(corners, blurs, solarizes, strict=True):
                image = crop.transform(dict(img=whole, img_shape=whole.shape[:2]))['img']
                made[top:top + height, left:left + width] = self._changed(image, blur, solarize)
        for key in ('keypoints', 'keypoints_visible', 'transformed_keypoints'):
            results.pop(key, None)
        results['img'], results['img_shape'] = made, self.canvas.size
        return results

    def _changed(self, image: np.ndarray, blur: float, solarize: float) -> np.ndarray:
        """One crop, mirrored and recoloured at random."""
        if np.random.random() < self.flip:
            image = cv2.flip(image, 1)
        if np.random.random() < self.jitter_prob:
            image = jittered(image, self.jitter)
        if np.random.random() < self.grey_prob:
            image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        if np.random.random() < blur:
            image = cv2.GaussianBlur(image, (0, 0), np.random.uniform(0.1, 2.0))
        if np.random.random() < solarize:
            image = np.where(image < 128, image, 255 - image)
        return image


def _for_each(group: Mapping, key: str) -> list[float]:
    """A probability for each crop of a group."""
    chance = group.get(key, 0.0)
    return list(chance) if isinstance(chance, Sequence) else [chance] * group['count']


def jittered(image: np.ndarray, limits: Sequence[float]) -> np.ndarray:
    """An image with brightness, contrast, saturation and hue changed at random, in random order.

    Args:
        image: (H, W, 3) uint8 RGB.
        limits: largest changes: of the first three a factor is drawn evenly around 1, of the hue a turn around 0.
    """
    for which in np.random.permutation(4):
        change = np.random.uniform(-limits[which], limits[which])
        image = _turned(image, change) if which == 3 else _blended(image, max(0.0, 1 + change), which)
    return image


def _blended(image: np.ndarray, factor: float, which: int) -> np.ndarray:
    """``factor`` of an image, the rest black (0), its mean grey (1), or its own greys (2)."""
    matrix = np.eye(3, 4, dtype=np.float32) * factor
    if which == 1:
        matrix[:, 3] = (1 - factor) * float(np.dot(cv2.mean(image)[:3], GREY))
    elif which == 2:
        matrix[:, :3] += (1 - factor) * GREY
    return cv2.transform(image, matrix)


def _turned(image: np.ndarray, turn: float) -> np.ndarray:
    """An image whose hues have moved around the circle of colours; ``turn`` of it."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(turn * 256) % 256)  # 256 is once around: bytes come round by themselves
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
