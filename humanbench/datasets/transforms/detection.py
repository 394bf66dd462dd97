"""Boxes in training pipelines of detection. They are few numbers: NumPy works through them in a third of the time that
PyTorch's and MMDetection's calls take."""
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from mmcv.image import rescale_size
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from .geometry import crop_window
from .loading import image_size, pixels

if TYPE_CHECKING:
    from mmdet.structures.bbox import HorizontalBoxes


def _boxes(corners: np.ndarray) -> 'HorizontalBoxes':
    from mmdet.structures.bbox import HorizontalBoxes  # the other five tasks do not wait for MMDetection
    return HorizontalBoxes(torch.from_numpy(corners), clone=False)


def _cut(corners: np.ndarray, size: tuple[int, int]) -> None:
    """Cuts boxes (n, 4) to an image of (height, width), in place."""
    np.clip(corners, 0, np.array([size[1], size[0], size[1], size[0]], np.float32), out=corners)


PEOPLE = {'gt_pids': 'pid', 'gt_identities': 'identity'}
"""Who the boxes show, in a record and in its instances: numbers of people, and labels to train on."""
OF_BOXES = ('gt_bboxes_labels', 'gt_ignore_flags', *PEOPLE)


@TRANSFORMS.register_module()
class LoadBoxes(BaseTransform):
    """Adds ``gt_bboxes``, ``gt_bboxes_labels`` (n,) and ``gt_ignore_flags`` (n,) from ``instances``, as MMDetection's
    LoadAnnotations does; ``gt_pids`` (n,) and ``gt_identities`` (n,) where the instances say who they are.
    """

    def transform(self, results: dict) -> dict:
        instances = results['instances']
        results['gt_bboxes'] = _boxes(np.array([x['bbox'] for x in instances], np.float32).reshape(-1, 4))
        results['gt_bboxes_labels'] = np.array([x['bbox_label'] for x in instances], np.int64)
        results['gt_ignore_flags'] = np.array([x['ignore_flag'] for x in instances], bool)
        for key, name in PEOPLE.items():
            if results.get('task') == 'person_search' and all(name in x for x in instances):
                results[key] = np.array([x[name] for x in instances], np.int64)
        return results


@TRANSFORMS.register_module()
class CropAsResized(BaseTransform):
    """The window that remains after the short side has been brought to one of ``shorts`` and a random rectangle of
    ``size`` has been cut out, in pixels of the image as it is. A resize that follows then is the only one.

    Boxes are cut to the window; those that lie outside are dropped.

    Args:
        shorts: one is drawn.
        size: least and largest side of the rectangle; an image with a shorter side keeps all of it.
        prob: of a crop.
    """

    def __init__(self, shorts: Sequence[int] = (400, 500, 600), size: tuple[int, int] = (384, 600), prob: float = 1.0):
        self.shorts, self.size, self.prob = tuple(shorts), size, prob

    def transform(self, results: dict) -> dict:
        if self.prob < 1 and np.random.random() >= self.prob:
            pixels(results)
            return results
        shape = image_size(results)
        factor = self.shorts[np.random.randint(len(self.shorts))] / min(shape)
        (top, bottom), (left, right) = (self._draw(round(x * factor), x) for x in shape)
        results['img'] = pixels(results, bottom)[top:bottom, left:right]
        results['img_shape'] = bottom - top, right - left
        corners = results['gt_bboxes'].tensor.numpy() - np.array([left, top, left, top], np.float32)
        _cut(corners, results['img_shape'])
        kept = (corners[:, 2:] > corners[:, :2]).all(1)
        results['gt_bboxes'] = _boxes(corners[kept])
        for key in OF_BOXES:
            if key in results:
                results[key] = results[key][kept]
        return results

    def _draw(self, virtual: int, source: int) -> tuple[int, int]:
        """First and last + 1 pixel of a side of ``source`` pixels that would have ``virtual`` after the resize."""
        least, largest = (min(x, virtual) for x in self.size)
        kept = np.random.randint(least, largest + 1)
        return crop_window(np.random.randint(virtual - kept + 1), kept, virtual, source)


@TRANSFORMS.register_module()
class RandomResizeWithBoxes(BaseTransform):
    """Resizes the image and its boxes, which are cut at its border: MMDetection's Resize in MMCV's RandomChoiceResize.

    Args:
        scales: one is drawn: the largest long and short side with ``keep_ratio``, else width and height.
        keep_ratio: whether the aspect stays.
    """

    def __init__(self, scales: Sequence[tuple[int, int]], keep_ratio: bool = True):
        self.scales, self.keep_ratio = [tuple(x) for x in scales], keep_ratio

    def transform(self, results: dict) -> dict:
        height, width = pixels(results).shape[:2]
        size = self.scales[np.random.randint(len(self.scales))]
        if self.keep_ratio:
            size = rescale_size((width, height), size)
        results['img'] = cv2.resize(results['img'], size, interpolation=cv2.INTER_LINEAR)
        results['img_shape'] = size[1], size[0]
        results['scale_factor'] = x, y = size[0] / width, size[1] / height
        corners = results['gt_bboxes'].tensor.numpy() * np.array([x, y, x, y], np.float32)
        _cut(corners, results['img_shape'])
        results['gt_bboxes'] = _boxes(corners)
        return results
