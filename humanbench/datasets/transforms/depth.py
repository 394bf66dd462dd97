"""Depth beside colour, or depth as the image, in metres; and the crops of it.

Depth is never averaged: between somebody's arm and nothing (0) there is no depth in between. Shapes: H x W image, K
keypoints. Sizes are (height, width).
"""
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ... import joint_sets
from ...errors import DataError, UserError, unknown_name
from ...joints import in_image
from ...registry import TRANSFORMS
from .. import h5
from .geometry import COMPANIONS, Window, move_keypoints, nearest, padded_window, resize_image
from .loading import MAX_PIXELS, image_size, pixels, read_millimetres

if TYPE_CHECKING:
    from h5py import Dataset

H5 = '.h5'
FRAMES = 'data (n, H, W), metres'


@contextmanager
def depth_frames(path: str) -> Iterator['Dataset']:
    """The frames (n, H, W) of an HDF5 file, in metres, opened.

    Raises:
        DataError: the file is missing or damaged, or has none.
    """
    with h5.numbers(path, 'data', FRAMES) as frames:
        if len(frames.shape) != 3 or not 0 < frames.shape[1] * frames.shape[2] <= MAX_PIXELS:
            raise ValueError(f"'data' has the shape {frames.shape}")
        yield frames


def read_depth(path: str, frame: int | None = None) -> np.ndarray:
    """(H, W) float32 metres; 0 where nothing was measured.

    Args:
        path: of an image of 16 bits in millimetres, or of an HDF5 file whose ``data`` are frames in metres.
        frame: number of the frame, from 0, in an HDF5 file.

    Raises:
        DataError: the file is missing, corrupt or too large, or has no such frame.
    """
    if not path.endswith(H5):
        return read_millimetres(path).astype(np.float32) / 1000
    with depth_frames(path) as frames:
        if not 0 <= frame < len(frames):
            raise ValueError(f'it has {len(frames)} frames, and no frame {frame}')
        metres = frames[frame].astype(np.float32)
    return np.where(np.isfinite(metres) & (metres > 0), metres, 0)


@TRANSFORMS.register_module()
class LoadDepth(BaseTransform):
    """Adds the depth beside a colour image: ``gt_depth`` (H, W) float32 metres where the record has a ``depth_path``,
    and ``has_depth`` for every record. It stands after :class:`LoadImage` and before whatever moves pixels.
    """

    def transform(self, results: dict) -> dict:
        results['has_depth'] = results.get('depth_path') is not None
        if results['has_depth']:
            results['gt_depth'] = read_depth(results['depth_path'])
            if results['gt_depth'].shape != image_size(results):
                raise DataError(f"the depth '{results['depth_path']}' has {_spoken(results['gt_depth'].shape)} pixels, "
                                f"its colour image '{results['img_path']}' {_spoken(image_size(results))}. Expected "
                                'colour in the view of the depth camera, as `humanbench warp_rgb` makes it.')
        return results


@TRANSFORMS.register_module()
class HideModality(BaseTransform):
    """Takes a modality from a record, as if it had never been seen: of ``depth``, all is 0 and ``has_depth`` False; of
    ``rgb``, the image is black and ``has_rgb`` False.

    Args:
        modality: ``'depth'`` or ``'rgb'``.
    """

    def __init__(self, modality: str):
        if modality not in ('depth', 'rgb'):
            raise unknown_name('modality', modality, ('depth', 'rgb'))
        self.modality = modality

    def transform(self, results: dict) -> dict:
        if self.modality == 'depth':
            results.pop('gt_depth', None)
        else:
            results['img'] = np.zeros_like(pixels(results))
        results[f'has_{self.modality}'] = False
        return results


def _spoken(size: Sequence[int]) -> str:
    return f'{size[1]} x {size[0]}'


@TRANSFORMS.register_module()
class LoadDepthImage(BaseTransform):
    """Adds ``img``, the depth as the image itself: (H, W) float32 metres, 0 where nothing was measured.

    :class:`PackHumanInputs` makes ``inputs`` (1, H, W) of it. Transforms that stretch take the nearest pixel of it.
    """

    def transform(self, results: dict) -> dict:
        results['img'] = read_depth(results['img_path'], results.get('frame_index'))
        results['ori_shape'] = results['img_shape'] = results['img'].shape
        return results


@TRANSFORMS.register_module()
class SelectJoints(BaseTransform):
    """Gives a record the joints of a set (:mod:`humanbench.joint_sets`) in place of its dataset's own.

    A joint outside the image counts as not known; of a record without joints none is. It stands before whatever moves
    pixels, and keeps what it gives as ``skeleton`` and ``skeleton_visible``: a person's joints, whatever a crop shows.

    Args:
        joint_set: name of the set.
    """

    def __init__(self, joint_set: str):
        self.joint_set = joint_set
        self._flip_indices = joint_sets.joint_set(joint_set).flip_indices

    def transform(self, results: dict) -> dict:
        order = joint_sets.joint_map(results['dataset'], self.joint_set)
        if 'keypoints' in results:
            points, visible = results['keypoints'][:, order], results['keypoints_visible'][:, order]
        else:
            points, visible = np.zeros((1, len(order), 2), np.float32), np.zeros((1, len(order)), np.float32)
        visible = visible * in_image(points, image_size(results)).astype(np.float32)
        results.update(keypoints=points, keypoints_visible=visible, keypoint_flip_indices=self._flip_indices,
                       skeleton=points.copy(), skeleton_visible=visible.copy())
        return results


@TRANSFORMS.register_module()
class HideJointsOutside(BaseTransform):
    """Joints that a crop does not show are not known any more; for crops that leave that to the losses, as
    :class:`TopdownAffine` does.
    """

    def transform(self, results: dict) -> dict:
        inside = in_image(results['transformed_keypoints'], image_size(results))
        results['keypoints_visible'] = results['keypoints_visible'] * inside.astype(np.float32)
        return results


@TRANSFORMS.register_module()
class RandomJointCrop(BaseTransform):
    """A random square of an image, its depth, label map and joints, stretched to a size; what lies outside is 0 (255 in
    a label map). As HCMoCo crops frames with depth.

    Args:
        size: (height, width), equal.
        area: smallest and largest share of the image's area; the square may be larger than the image.
        attempts: squares that are drawn until one holds a joint and, where there is depth, some of it; else the last.

    The middle is drawn evenly from the box of the known joints, or of the depth where none is, or of the image.
    """

    def __init__(self, size: tuple[int, int], area: tuple[float, float] = (0.08, 1.2), attempts: int = 10):
        self.size = _square(size)
        if not 0 < area[0] <= area[1]:
            raise UserError(f'RandomJointCrop has area={area}: expected two shares of the area above 0, the smaller '
                            'one first.')
        self.area, self.attempts = tuple(area), attempts

    def transform(self, results: dict) -> dict:
        height, width = image_size(results)
        low, high = _box_of_interest(results)
        for _ in range(self.attempts):
            side = max(1, round((np.random.uniform(*self.area) * height * width) ** 0.5))
            window = _window(np.random.uniform(low, high), side)
            if _shows_something(results, window):
                break
        return cut_window(results, window, self.size)


@TRANSFORMS.register_module()
class JointCrop(BaseTransform):
    """The square around the joints of a record (or its depth, or all of it), stretched to a size: what
    :class:`RandomJointCrop` is in training, without chance.

    Args:
        size: (height, width), equal.
        padding: the side of the square over the longer side of the joints' box.
    """

    def __init__(self, size: tuple[int, int], padding: float = 1.25):
        self.size, self.padding = _square(size), padding

    def transform(self, results: dict) -> dict:
        low, high = _box_of_interest(results)
        side = max(1, round(float((high - low).max()) * self.padding))
        return cut_window(results, _window((low + high) / 2, side), self.size)


def _square(size: tuple[int, int]) -> tuple[int, int]:
    if len(size) != 2 or size[0] != size[1]:
        raise UserError(f'size={size}: expected a square, height and width alike.')
    return tuple(size)


def _box_of_interest(results: dict) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest (x, y) of the joints that are known, or of the depth, or of the image."""
    height, width = image_size(results)
    if 'keypoints' in results:
        points = results.get('transformed_keypoints', results['keypoints'])[0]
        points = points[(results['keypoints_visible'][0] > 0) & in_image(points, (height, width))]
        if len(points) > 1:
            return points.min(0), points.max(0)
    if results.get('has_depth'):
        rows, columns = (np.flatnonzero(results['gt_depth'].any(axis)) for axis in (1, 0))
        if len(rows):
            return np.array([columns[0], rows[0]]), np.array([columns[-1], rows[-1]])
    return np.zeros(2), np.array([width - 1, height - 1])


def _window(middle: np.ndarray, side: int) -> Window:
    left, top = np.round(middle - (side - 1) / 2).astype(int).tolist()
    return top, left, top + side, left + side


def _shows_something(results: dict, window: Window) -> bool:
    """Whether a window holds a known joint (where there are any) and some depth (where there is any)."""
    if 'keypoints' in results and results['keypoints_visible'].any():
        points = results.get('transformed_keypoints', results['keypoints'])
        moved = points - np.array([window[1], window[0]])
        if not (results['keypoints_visible'] * in_image(moved, (window[2] - window[0], window[3] - window[1]))).any():
            return False
    return not results.get('has_depth') or bool(padded_window(results['gt_depth'], window).any())


def cut_window(results: dict, window: Window, size: tuple[int, int]) -> dict:
    """A window of a record's image, stretched to a size; its depth, label map and joints follow.

    Args:
        results: the record.
        window: of its image, and beyond it: that is 0, in a label map 255.
        size: (height, width).
    """
    move_keypoints(results, window, size)
    results['img'] = resize_image(padded_window(pixels(results), window), size)
    for key, outside in COMPANIONS.items():
        if key in results:
            results[key] = nearest(padded_window(results[key], window, outside), size)
    results['img_shape'] = size
    return results


@TRANSFORMS.register_module()
class DepthBoxCrop(BaseTransform):
    """Stretches the box of a person in a depth image to a size, moved, turned and scaled at random: the crop of A2J.

    Adds ``transformed_keypoints`` and ``warp``: six numbers, row by row, of the affine map from the image to the crop.

    Args:
        size: (height, width).
        shift: largest move of each side of the box, pixels of the image.
        rotate: largest turn, degrees.
        scale: smallest and largest factor.
        cut: so many metres behind the farthest true joint nothing is kept. HCMoCo cuts at 0.05 in the test, too; that
            tells the network what it is asked for. None keeps everything.
    """

    def __init__(self, size: tuple[int, int] = (288, 288), shift: float = 0.0, rotate: float = 0.0,
                 scale: tuple[float, float] = (1.0, 1.0), cut: float | None = None):
        self.size, self.shift, self.rotate, self.scale, self.cut = tuple(size), shift, rotate, tuple(scale), cut

    def transform(self, results: dict) -> dict:
        if self.cut is not None:
            farthest = float(results['keypoints_3d'][..., 2].max()) + self.cut
            results['img'] = np.where(results['img'] > farthest, 0, results['img'])
        height, width = self.size
        matrix = self._turned() @ self._stretched(results['bbox'][0])
        results['img'] = cv2.warpAffine(results['img'], matrix[:2], (width, height), flags=cv2.INTER_NEAREST)
        points = results['keypoints'] @ matrix[:2, :2].T + matrix[:2, 2]
        results['transformed_keypoints'] = points.astype(np.float32)
        results['keypoints_visible'] = results['keypoints_visible'] * in_image(points, self.size).astype(np.float32)
        results.update(img_shape=self.size, warp=tuple(matrix[:2].ravel().tolist()))
        return results

    def _stretched(self, box: np.ndarray) -> np.ndarray:
        """(3, 3) that brings the corners of a box, moved at random, to the middles of the outermost pixels."""
        height, width = self.size
        x1, y1, x2, y2 = box.astype(float) + (np.random.uniform(-self.shift, self.shift, 4) if self.shift else 0)
        sx, sy = (width - 1) / max(x2 - x1, 1), (height - 1) / max(y2 - y1, 1)
        return np.array([[sx, 0, -sx * x1], [0, sy, -sy * y1], [0, 0, 1]])

    def _turned(self) -> np.ndarray:
        """(3, 3) that turns and scales the crop at random around its middle."""
        height, width = self.size
        turn = np.random.uniform(-self.rotate, self.rotate) if self.rotate else 0.0
        factor = np.random.uniform(*self.scale) if self.scale[0] < self.scale[1] else self.scale[0]
        return np.vstack([cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, factor), [0, 0, 1]])
