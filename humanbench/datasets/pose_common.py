"""What pose datasets of many annotation files share: listing those, boxes from keypoints, and small records."""
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .pose import LARGEST, PoseDataset

BOX_MARGIN = 0.1  # of the longer side of the keypoints' extent: a head above the eyes, feet below the ankles


def box_around(points: np.ndarray, labelled: np.ndarray, margin: float = BOX_MARGIN) -> np.ndarray | None:
    """A person's box where the dataset has none.

    Args:
        points: (K, 2) pixels.
        labelled: (K,) which of them count.
        margin: added on every side, as a share of the longer side of their extent.

    Returns:
        (4,) float32 corners; None where no extent is left (fewer than two different points).
    """
    points = points[np.asarray(labelled, bool)]
    if len(points) == 0:
        return None
    low, high = points.min(0), points.max(0)
    room = margin * (high - low).max()
    return np.concatenate([low - room, high + room]).astype(np.float32) if room > 0 else None


def corners_to_xywh(box: np.ndarray) -> list[float]:
    """x1, y1, x2, y2 as COCO writes a box: x, y, width, height."""
    x1, y1, x2, y2 = (float(x) for x in box)
    return [x1, y1, x2 - x1, y2 - y1]


class ManyFilesPose(PoseDataset):
    """A dataset with one annotation file for each video; ``ann_file`` names another folder of such files."""

    def annotation_files(self, default: str, suffix: str) -> Iterator[tuple[str, Path]]:
        """Name without suffix, and path, of each annotation file in a folder (the user's, or ``default``), sorted."""
        name = default if self._ann_file is None else self._ann_file
        files = self.list_files(self.folder(name), (suffix,))
        if not files:
            raise self.missing(self.root / name / f'*{suffix}', 'annotation files')
        for file in files:
            yield file[:-len(suffix)], self.file(Path(name) / file, 'an annotation file')


class FramePose(ManyFilesPose):
    """People in the frames of videos, up to a million of them.

    ``load_records`` gives ``img_path``, ``img_id``, ``id``, ``points`` (K, 3) float32 (pixels, COCO's visibility) and
    ``box`` (4,) corners; the rest is worked out when a record is used, which keeps the index small.
    """

    def record(self, idx: int) -> dict[str, Any]:
        """One record with all keys of :class:`PoseDataset`."""
        row = super().record(idx)
        box = corners_to_xywh(row['box'])
        annotation = dict(id=row['id'], image_id=row['img_id'], category_id=1, bbox=box, iscrowd=0,
                          keypoints=row['points'].ravel().tolist(), area=box[2] * box[3],
                          num_keypoints=int(np.count_nonzero(row['points'][:, 2])))
        return self.person(row['img_path'], row['box'], annotation)


def labelled_points(points: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """(..., K, 2) pixels and (..., K) bool as (..., K, 3) with COCO's visibility; what is not labelled, or not
    in pixels, is all zeros."""
    labelled = labelled & (np.abs(points) <= LARGEST).all(-1)
    rows = np.concatenate([points, np.full((*points.shape[:-1], 1), 2)], -1)
    return np.where(labelled[..., None], rows, 0).astype(np.float32)
