"""Random boxes of top-down pose training, with the distributions of PATH's release."""
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.datasets.transforms import RandomBBoxTransform

from ...registry import TRANSFORMS


@TRANSFORMS.register_module()
class JitterBoxCenter(BaseTransform):
    """Moves the box centre at random, as a detector might.

    The release moves it once, when the dataset is built; here every access draws anew.

    Args:
        prob: of a move.
        factor: largest move as a share of the box's width and height.
    """

    def __init__(self, prob: float = 0.3, factor: float = 0.2):
        self.prob, self.factor = prob, factor

    def transform(self, results: dict) -> dict:
        if np.random.random() < self.prob:
            side = results['bbox'][:, 2:] - results['bbox'][:, :2]
            move = np.random.uniform(-self.factor, self.factor, side.shape) * side
            results['bbox_center'] = (results['bbox_center'] + move).astype(np.float32)
        return results


@TRANSFORMS.register_module()
class RandomBoxTransform(RandomBBoxTransform):
    """MMPose's random shift, scale and rotation of a box, drawn as the release does.

    Scale ``clip(1 + s N, 1 - s, 1 + s)`` and rotation ``clip(r N, -2 r, 2 r)`` with N standard normal (MMPose draws
    both from a truncated normal, through SciPy, whose call costs as much as the warp); shift uniform.

    Args:
        scale_factor: s.
        rotate_factor: r, degrees.
        rotate_prob: of a rotation.
        shift_factor: largest shift as a share of the box.
        shift_prob: of a shift.
    """

    def __init__(self, scale_factor: float = 0.5, rotate_factor: float = 40.0, rotate_prob: float = 0.6,
                 shift_factor: float = 0.16, shift_prob: float = 0.0):
        super().__init__(shift_factor=shift_factor, shift_prob=shift_prob, rotate_factor=rotate_factor,
                         rotate_prob=rotate_prob, scale_factor=(1 - scale_factor, 1 + scale_factor))

    def _get_transform_params(self, num_bboxes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        low, high = self.scale_factor
        scale = np.clip(1 + (high - 1) * np.random.standard_normal((num_bboxes, 1)), low, high)
        rotate = np.clip(np.random.standard_normal(num_bboxes), -2, 2) * self.rotate_factor
        rotate = np.where(np.random.random(num_bboxes) < self.rotate_prob, rotate, 0)
        shift = np.random.uniform(-self.shift_factor, self.shift_factor, (num_bboxes, 2))
        shift = np.where(np.random.random((num_bboxes, 1)) < self.shift_prob, shift, 0)
        return shift.astype(np.float32), scale.astype(np.float32), rotate.astype(np.float32)
