"""Top-down pose crops with the distributions of PATH's release, one person a record.

The parts of MMPose that are not here (box to centre and scale, the warp matrix) are MMPose's own.
"""
import math

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmpose.structures.bbox import get_udp_warp_matrix

from ...registry import TRANSFORMS
from .loading import pixels

MOST_ROWS = 2**16  # of a JPEG file

def _symmetric(limit: float) -> float:
    return limit * (2 * np.random.random() - 1)


@TRANSFORMS.register_module()
class JitterBoxCenter(BaseTransform):
    """Moves ``bbox_center`` at random, as a detector might.

    The release moves it once, when the dataset is built; here every access draws anew.

    Args:
        prob: of a move.
        factor: largest move as a share of the annotated box's width and height.
    """

    def __init__(self, prob: float = 0.3, factor: float = 0.2):
        self.prob, self.factor = prob, factor

    def transform(self, results: dict) -> dict:
        if np.random.random() < self.prob:
            x1, y1, x2, y2 = results['bbox'][0].tolist()
            move = [[_symmetric(self.factor) * (x2 - x1), _symmetric(self.factor) * (y2 - y1)]]
            results['bbox_center'] = results['bbox_center'] + np.array(move, np.float32)
        return results


@TRANSFORMS.register_module()
class RandomHalfBody(BaseTransform):
    """Zooms to the upper or the lower half of a body. MMPose's half-body crop for one person, without its overhead.

    Args:
        prob: of a half body, for people with enough keypoints.
        min_total_keypoints: so many must be labelled.
        min_upper_keypoints: with fewer of them labelled, the upper half is not taken.
        min_lower_keypoints: with fewer of them labelled, the lower half is not taken.
        padding: factor on the extent of the keypoints.
        upper_prioritized_prob: of the upper half, where there are both.
    """

    def __init__(self, prob: float = 0.3, min_total_keypoints: int = 9, min_upper_keypoints: int = 2,
                 min_lower_keypoints: int = 3, padding: float = 1.5, upper_prioritized_prob: float = 0.7):
        self.prob, self.padding, self.upper_prob = prob, padding, upper_prioritized_prob
        self.min_total, self.min_upper, self.min_lower = min_total_keypoints, min_upper_keypoints, min_lower_keypoints

    def transform(self, results: dict) -> dict:
        if np.random.random() >= self.prob:
            return results
        visible = results['keypoints_visible'][0].tolist()
        half = self._half(visible, results) if sum(visible) >= self.min_total else None
        if half is not None:
            points = results['keypoints'][0].tolist()
            x, y = zip(*(points[i] for i in half), strict=True)
            results['bbox_center'] = np.array([[sum(x) / len(half), sum(y) / len(half)]], np.float32)
            results['bbox_scale'] = np.array([[max(x) - min(x), max(y) - min(y)]], np.float32) * self.padding
        return results

    def _half(self, visible: list[float], results: dict) -> list[int] | None:
        """The labelled keypoints of one half; None where neither has enough."""
        upper, lower = ([i for i in results[f'{half}_body_ids'] if visible[i] > 0] for half in ('upper', 'lower'))
        enough = [len(upper) >= self.min_upper, len(lower) >= self.min_lower]
        if all(enough):
            return upper if np.random.random() < self.upper_prob else lower
        return upper if enough[0] else lower if enough[1] else None


@TRANSFORMS.register_module()
class RandomBoxTransform(BaseTransform):
    """Random shift, scale and rotation of the box: ``bbox_center``, ``bbox_scale``, ``bbox_rotation`` (degrees).

    As in the release: scale ``clip(1 + s N, 1 - s, 1 + s)`` and rotation ``clip(r N, -2 r, 2 r)`` with N standard
    normal, shift uniform. (MMPose draws from truncated normals, through SciPy, whose call costs as much as the warp.)

    Args:
        scale_factor: s.
        rotate_factor: r, degrees.
        rotate_prob: of a rotation.
        shift_factor: largest shift as a share of the box.
        shift_prob: of a shift.
    """

    def __init__(self, scale_factor: float = 0.5, rotate_factor: float = 40.0, rotate_prob: float = 0.6,
                 shift_factor: float = 0.16, shift_prob: float = 0.0):
        self.scale_factor = scale_factor
        self.rotate_factor, self.rotate_prob = rotate_factor, rotate_prob
        self.shift_factor, self.shift_prob = shift_factor, shift_prob

    def transform(self, results: dict) -> dict:
        s = self.scale_factor
        scale = min(max(1 + s * np.random.standard_normal(), 1 - s), 1 + s)
        rotation = 0.0
        if np.random.random() < self.rotate_prob:
            rotation = self.rotate_factor * min(max(np.random.standard_normal(), -2), 2)
        if np.random.random() < self.shift_prob:
            shift = np.array([[_symmetric(self.shift_factor), _symmetric(self.shift_factor)]], np.float32)
            results['bbox_center'] = results['bbox_center'] + shift * results['bbox_scale']
        results['bbox_scale'] = results['bbox_scale'] * np.float32(scale)
        results['bbox_rotation'] = np.array([rotation], np.float32)
        return results


@TRANSFORMS.register_module()
class TopdownAffine(BaseTransform):
    """Cuts the rotated box out of the image without UDP's bias. Same result as MMPose's class, for one person, with a
    quarter of its time beside the warp itself.

    Adds ``transformed_keypoints`` (1, K, 2) in pixels of the crop, ``input_size`` (width, height), ``input_center`` and
    ``input_scale``.

    Args:
        input_size: (width, height).
    """

    def __init__(self, input_size: tuple[int, int]):
        self.input_size = tuple(input_size)

    def transform(self, results: dict) -> dict:
        aspect = self.input_size[0] / self.input_size[1]
        w, h = results['bbox_scale'][0].tolist()
        scale = np.array([max(w, h * aspect), max(h, w / aspect)], np.float32)
        center = results['bbox_center'][0]
        rotation = float(results['bbox_rotation'][0]) if 'bbox_rotation' in results else 0.0
        matrix = get_udp_warp_matrix(center, scale, rotation, output_size=self.input_size)
        image = pixels(results, _rows_of_crop(matrix, self.input_size))
        results['img'] = cv2.warpAffine(image, matrix, self.input_size, flags=cv2.INTER_LINEAR)
        results['transformed_keypoints'] = results['keypoints'] @ matrix[:, :2].T + matrix[:, 2]
        results.update(bbox_scale=scale[None], input_size=self.input_size, input_center=center, input_scale=scale)
        return results


def _rows_of_crop(matrix: np.ndarray, size: tuple[int, int]) -> int:
    """How many rows of an image, from the top, a crop shows.

    Args:
        matrix: (2, 3), from the image to the crop.
        size: (width, height) of the crop.
    """
    (a, b, x), (c, d, y) = matrix.tolist()
    corners = ((u, v) for u in (0, size[0] - 1) for v in (0, size[1] - 1))
    determinant = a * d - b * c
    lowest = max(a * (v - y) - c * (u - x) for u, v in corners) / determinant if determinant else math.nan
    if not lowest < MOST_ROWS:  # a box without extent has no place in the image
        return MOST_ROWS
    return max(int(lowest), 0) + 3  # both rows that a pixel lies between, and rounding
