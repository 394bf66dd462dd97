"""Three-dimensional joints of people in depth images."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import UserError
from ..registry import DATASETS
from . import h5
from .base import HumanDataset, flip_facts, read_mat, reading
from .pose import LARGEST

SUBSETS = {10: 10, 1: 100, 0.5: 200, 0.2: 500, 0.1: 1000}
"""Per cent of the training frames -> every so-manyth is taken, from that one on, as HCMoCo does."""
MARGIN = np.array([-25, -15, 25, 15], np.float32)  # pixels by which the box of the joints is widened, as HCMoCo does
_BOXES = 'itop_side_bndbox_test.mat'


@DATASETS.register_module()
class ITOP(HumanDataset):
    """ITOP, side view: valid frames with 15 joints.

    A record's image is frame ``frame_index`` of an HDF5 file. ``keypoints`` (1, 15, 2) float32 pixels,
    ``keypoints_visible`` (1, 15), ``keypoints_3d`` (1, 15, 3) float32 metres in the camera's frame (y upwards),
    ``bbox`` (1, 4) around the person, and ``camera``: centre x and y in pixels, and pixels of focal length.

    Args:
        percent: of the training frames: 10, 1, 0.5, 0.2 or 0.1; None for all.
    """
    datasets = ('itop_side',)
    splits = ('train', 'test')
    CAMERA = (160.0, 120.0, 1 / 0.0035)
    EXPECTED = 'is_valid (n), image_coordinates (n, 15, 2) and real_world_coordinates (n, 15, 3)'

    def __init__(self, *args: Any, percent: float | None = None, **kwargs: Any):
        if percent is not None and percent not in SUBSETS:
            raise UserError(f'percent = {percent!r}: expected one of {", ".join(map(str, SUBSETS))}, or None for all '
                            'frames.')
        self.percent = percent
        super().__init__(*args, **kwargs)

    def card_facts(self) -> dict[str, Any]:
        card = self.card
        return dict(keypoints=card.keypoints, num_keypoints=len(card.keypoints), flip_indices=list(card.flip_indices))

    def record_facts(self) -> dict[str, Any]:
        return dict(camera=self.CAMERA, **flip_facts(self.card))

    def load_records(self) -> Iterator[dict[str, Any]]:
        if self.percent is not None and self.split != 'train':
            raise UserError(f"percent = {self.percent!r} is of the training frames; split '{self.split}' is used "
                            'whole.')
        folder, name = self.image_folder('.'), f'ITOP_side_{self.split}'
        path = self.annotation(f'{name}_labels.h5')
        valid, points, places = (h5.read_all(path, key, shape, self.EXPECTED) for key, shape in (
            ('is_valid', (None,)), ('image_coordinates', (None, 15, 2)), ('real_world_coordinates', (None, 15, 3))))
        with reading(path, self.EXPECTED):
            if not len(valid) == len(points) == len(places):
                raise ValueError(f'it has {len(valid)}, {len(points)} and {len(places)} rows of them')
        frames = np.flatnonzero(valid == 1)
        boxes = self._found_boxes(len(frames)) if self.split == 'test' else None
        every = SUBSETS.get(self.percent, 1)
        image = folder.join(f'{name}_depth_map.h5')
        for row in range(every - 1, len(frames), every):
            i = int(frames[row])
            with reading(path, self.EXPECTED):
                yield dict(img_path=image, img_id=f'{name}/{i}', frame_index=i,
                           **_joints(points[i], places[i], None if boxes is None else boxes[row]))

    def _found_boxes(self, count: int) -> np.ndarray | None:
        """(valid frames, 4) boxes that a detector has found, where there is a file of them."""
        if not self.has(_BOXES):
            return None
        path, expected = self.file(_BOXES, 'the boxes of A2J'), f'FRbndbox_test ({count}, 4)'
        mat = read_mat(path, expected)
        with reading(path, expected):
            boxes = np.asarray(mat['FRbndbox_test'], np.float32)
            if boxes.shape != (count, 4):
                raise ValueError(f'FRbndbox_test is {boxes.shape}')
            return boxes


def _joints(points: np.ndarray, places: np.ndarray, box: np.ndarray | None) -> dict[str, Any]:
    """Labels of one frame; the box is that of the joints where no other is given."""
    points, places = points.astype(np.float32), places.astype(np.float32)
    if box is None:
        box = np.concatenate([points.min(0), points.max(0)]) + MARGIN
    if not all(bool((np.abs(x) <= LARGEST).all()) for x in (points, places, box)) or (box[2:] <= box[:2]).any():
        raise ValueError('joints or a box are not in pixels and metres')
    return dict(keypoints=points[None], keypoints_visible=np.ones((1, len(points)), np.float32),
                keypoints_3d=places[None], bbox=box[None])
