"""The crop of DETR-style detection training, without the resize that comes before it there."""
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS
from .geometry import crop_window


@TRANSFORMS.register_module()
class CropAsResized(BaseTransform):
    """The window that remains after the short side has been brought to one of ``shorts`` and a random rectangle of
    ``size`` has been cut out, in pixels of the image as it is. A resize that follows then is the only one.

    Boxes are cut to the window; those that lie outside are dropped.

    Args:
        shorts: one is drawn.
        size: least and largest side of the rectangle; an image with a shorter side keeps all of it.
    """

    def __init__(self, shorts: Sequence[int] = (400, 500, 600), size: tuple[int, int] = (384, 600)):
        self.shorts, self.size = tuple(shorts), size

    def transform(self, results: dict) -> dict:
        shape = results['img'].shape[:2]
        factor = self.shorts[np.random.randint(len(self.shorts))] / min(shape)
        (top, bottom), (left, right) = (self._draw(round(x * factor), x) for x in shape)
        results['img'] = results['img'][top:bottom, left:right]
        results['img_shape'] = bottom - top, right - left
        boxes = results['gt_bboxes']
        boxes.translate_((-left, -top))
        boxes.clip_(results['img_shape'])
        kept = (boxes.tensor[:, 2:] > boxes.tensor[:, :2]).all(1)
        results['gt_bboxes'] = boxes[kept]
        for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
            results[key] = results[key][kept.numpy()]
        return results

    def _draw(self, virtual: int, source: int) -> tuple[int, int]:
        """First and last + 1 pixel of a side of ``source`` pixels that would have ``virtual`` after the resize."""
        least, largest = (min(x, virtual) for x in self.size)
        kept = np.random.randint(least, largest + 1)
        return crop_window(np.random.randint(virtual - kept + 1), kept, virtual, source)
