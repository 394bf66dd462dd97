"""Body keypoints in videos, read from extracted frames: Penn Action, 3DPW, MPI-INF-3DHP, AIST++."""
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import DataError, UserError, unknown_name
from ..registry import DATASETS
from .base import read_json, read_lines, read_mat, reading
from .pose import LARGEST
from .pose_common import FramePose, box_around, labelled_points
from .roots import Folder
from .safe_pickle import read_pickle


def _check_stride(stride: int) -> int:
    if stride < 1:
        raise UserError(f'stride={stride}: expected 1 (every frame) or more (every such frame)')
    return stride


@DATASETS.register_module()
class PennAction(FramePose):
    """Penn Action: one file for each video, frames ``frames/0001/000001.jpg``.

    The list of boxes may end before the video; its last row stands for the rest. Hidden joints keep coordinates;
    ``visibility`` decides.

    Splits: ``train`` and ``test`` by the flag inside each file (1 is taken for training), ``all`` both.
    """
    datasets = ('penn_action',)
    splits = ('train', 'test', 'all')
    EXPECTED = 'x, y and visibility (frames x 13), bbox (n x 4) and train'

    def load_records(self) -> Iterator[dict]:
        frames, numbers = self.image_folder('frames'), count(1)
        for video, path in self.annotation_files('labels', '.mat'):
            mat = read_mat(path, self.EXPECTED)
            with reading(path, self.EXPECTED):
                training = int(np.ravel(mat['train'])[0]) == 1
                if self.split != 'all' and training != (self.split == 'train'):
                    continue
                points, boxes = self._video(mat)
            for i, (rows, box) in enumerate(zip(points, boxes), 1):
                if box is not None and rows[:, 2].any():
                    name = f'{video}/{i:06d}.jpg'
                    yield dict(img_path=frames.join(name), img_id=name, id=next(numbers), points=rows, box=box)

    def _video(self, mat: dict[str, Any]) -> tuple[np.ndarray, list[np.ndarray | None]]:
        """(frames, 13, 3) keypoints, and a box for each frame."""
        pixels = np.stack([mat['x'], mat['y']], -1).astype(np.float32)
        visible = np.asarray(mat['visibility']) > 0
        if visible.shape != pixels.shape[:2] or visible.shape[1] != len(self.card.keypoints):
            raise ValueError(f'x is {mat["x"].shape}, visibility {visible.shape}')
        points = labelled_points(pixels, visible)
        given = np.asarray(mat['bbox'], np.float32).reshape(-1, 4)
        boxes = [given[min(i, len(given) - 1)] if len(given) else None for i in range(len(points))]
        return points, [x if _has_area(x) else box_around(p[:, :2], p[:, 2] > 0) for x, p in zip(boxes, points)]


def _has_area(box: np.ndarray | None) -> bool:
    return box is not None and bool(box[2] > box[0] and box[3] > box[1] and (np.abs(box) <= LARGEST).all())


@DATASETS.register_module()
class ThreeDPW(FramePose):
    """3DPW: the detected 2-D joints, one file for each sequence; boxes around the confident joints.

    Only frames whose camera pose is valid are used, and people of whom at least six joints are confident.

    Args:
        min_confidence: a joint that was detected with less counts as not labelled.
    """
    datasets = ('threedpw',)
    splits = ('train', 'val', 'test', 'all')
    FOLDERS = dict(train=('train',), val=('validation', 'val'), test=('test',))
    EXPECTED = 'poses2d (per person: frames x 3 x 18) and campose_valid (per person: frames)'
    MIN_JOINTS = 6  # fewer the dataset itself does not give

    def __init__(self, *args, min_confidence: float = 0.3, **kwargs):
        self._min_confidence = min_confidence
        super().__init__(*args, **kwargs)

    def load_records(self) -> Iterator[dict]:
        images, numbers = self.image_folder('imageFiles'), count(1)
        for sequence, path in self._files():
            data = read_pickle(path, self.EXPECTED)
            with reading(path, self.EXPECTED):
                people = [self._person(data, i) for i in range(len(data['poses2d']))]
            for points, usable in people:
                for i in np.flatnonzero(usable).tolist():
                    box = box_around(points[i, :, :2], points[i, :, 2] > 0)
                    if box is not None:
                        name = f'{sequence}/image_{i:05d}.jpg'
                        yield dict(img_path=images.join(name), img_id=name, id=next(numbers), points=points[i], box=box)

    def _files(self) -> Iterator[tuple[str, Path]]:
        for split in (self.split,) if self.split != 'all' or self._ann_file is not None else self.FOLDERS:
            names = [f'sequenceFiles/{x}' for x in self.FOLDERS.get(split, (split,))]
            yield from self.annotation_files(next((x for x in names if self.has(x)), names[0]), '.pkl')

    def _person(self, data: dict[str, Any], i: int) -> tuple[np.ndarray, np.ndarray]:
        """(frames, 18, 3) keypoints of one person, and (frames,) which frames are used."""
        joints = np.asarray(data['poses2d'][i], np.float32)
        valid = np.ravel(data['campose_valid'][i]) == 1
        if joints.shape != (len(valid), 3, len(self.card.keypoints)):
            raise ValueError(f'poses2d[{i}] is {joints.shape}, campose_valid[{i}] {valid.shape}')
        joints = joints.transpose(0, 2, 1)
        points = labelled_points(joints[..., :2], joints[..., 2] >= self._min_confidence)
        return points, valid & ((points[..., 2] > 0).sum(1) >= self.MIN_JOINTS)


@DATASETS.register_module()
class MPIInf3DHP(FramePose):
    """MPI-INF-3DHP, training part: frames ``S1/Seq1/video_0/frame_000001.jpg``, 17 of 28 annotated joints.

    Joints outside the image count as not labelled; boxes lie around the others.

    Args:
        stride: use every such frame.
        cameras: use these of the 14.
    """
    datasets = ('mpi_inf_3dhp',)
    splits = ('train',)
    JOINTS = (7, 5, 14, 15, 16, 9, 10, 11, 23, 24, 25, 18, 19, 20, 4, 3, 6)  # of the 28, in the order of the card
    SIDE = 2048  # of the square images
    EXPECTED = 'annot2: per camera frames x 56'

    def __init__(self, *args, stride: int = 1, cameras: Sequence[int] = (0, 1, 2, 4, 5, 6, 7, 8), **kwargs):
        self._stride = _check_stride(stride)
        self._cameras = tuple(cameras)
        super().__init__(*args, **kwargs)

    def load_records(self) -> Iterator[dict]:
        root, numbers = self.image_folder('.'), count(1)
        for sequence in self._sequences(root):
            path = self.file(f'{sequence}/annot.mat', 'an annotation file')
            mat = read_mat(path, self.EXPECTED)
            for camera in self._cameras:
                with reading(path, self.EXPECTED):
                    points = self._points(mat['annot2'][camera][0])
                for i in range(0, len(points), self._stride):
                    box = box_around(points[i, :, :2], points[i, :, 2] > 0)
                    if box is not None:
                        name = f'{sequence}/video_{camera}/frame_{i + 1:06d}.jpg'
                        yield dict(img_path=root.join(name), img_id=name, id=next(numbers), points=points[i], box=box)

    def _sequences(self, root: Folder) -> list[str]:
        """``S1/Seq1`` ... in order."""
        found = [f'{subject}/{x}' for subject in self.subfolders(root) if re.fullmatch(r'S\d+', subject)
                 for x in self.subfolders(root, subject) if re.fullmatch(r'Seq\d+', x)]
        if not found:
            raise self.missing(self.root / 'S1/Seq1', 'a folder')
        return found

    def _points(self, flat: np.ndarray) -> np.ndarray:
        """(frames, 17, 3) keypoints of one camera."""
        pixels = np.asarray(flat, np.float32).reshape(-1, 28, 2)[:, self.JOINTS]
        return labelled_points(pixels, ((pixels >= 0) & (pixels <= self.SIDE - 1)).all(-1))


@DATASETS.register_module()
class AISTPlusPlus(FramePose):
    """AIST++: dancers before nine cameras; frames ``images/gWA_sFM_c01_d27_mWA2_ch21/000000.jpg``, counted from 0.

    Splits: ``train``, ``val`` and ``test`` by ``splits/pose_*.txt``, ``all`` every sequence; those of
    ``ignore_list.txt`` are left out.

    Args:
        labels: ``'projected'``: the optimised 3-D joints, seen by each camera. ``'detected'``: the 2-D detections.
        stride: use every such frame of the 60 a second; only those need to be extracted.
        min_confidence: a joint that was detected with less counts as not labelled.
    """
    datasets = ('aist',)
    splits = ('train', 'val', 'test', 'all')
    LABELS = dict(projected='keypoints3d', detected='keypoints2d')
    VIEWS = tuple(f'c{i:02d}' for i in range(1, 10))

    def __init__(self, *args, labels: str = 'projected', stride: int = 10, min_confidence: float = 0.3, **kwargs):
        if labels not in self.LABELS:
            raise unknown_name('kind of labels of AIST++', labels, self.LABELS)
        self._labels, self._stride, self._min_confidence = labels, _check_stride(stride), min_confidence
        super().__init__(*args, **kwargs)

    def load_records(self) -> Iterator[dict]:
        images, numbers = self.image_folder('images'), count(1)
        ignored, chosen = set(self._lines('ignore_list.txt')), self._chosen()
        cameras = self._cameras() if self._labels == 'projected' else None
        for sequence, path in self.annotation_files(self.LABELS[self._labels], '.pkl'):
            views = {x: sequence.replace('cAll', x) for x in self.VIEWS}
            views = {x: video for x, video in views.items() if chosen is None or {sequence, video} & chosen}
            if sequence in ignored or not views:
                continue
            for view, points in self._read(sequence, path, views, cameras):
                for i, rows in zip(range(0, self._stride * len(points), self._stride), points):
                    box = box_around(rows[:, :2], rows[:, 2] > 0)
                    if box is not None:
                        name = f'{views[view]}/{i:06d}.jpg'
                        yield dict(img_path=images.join(name), img_id=name, id=next(numbers), points=rows, box=box)

    def _lines(self, name: str) -> list[str]:
        return [x.strip() for x in read_lines(self.file(name, 'a list'))]

    def _chosen(self) -> set[str] | None:
        """Sequences (or single videos) of the split; None for all."""
        return None if self.split == 'all' else set(self._lines(f'splits/pose_{self.split}.txt'))

    def _read(self, sequence: str, path: Path, views: Iterable[str],
              cameras: dict | None) -> Iterator[tuple[str, np.ndarray]]:
        """(view, (frames, 17, 3) keypoints of every stride-th frame)."""
        if cameras is None:
            expected = 'keypoints2d: 9 views x frames x 17 x 3'
            data = read_pickle(path, expected)
            with reading(path, expected):
                detected = self._checked(data['keypoints2d'], (len(self.VIEWS), None, 17, 3))[:, ::self._stride]
            for view in views:
                rows = detected[self.VIEWS.index(view)]
                yield view, labelled_points(rows[..., :2], rows[..., 2] >= self._min_confidence)
            return
        expected = 'keypoints3d_optim: frames x 17 x 3'
        data = read_pickle(path, expected)
        with reading(path, expected):
            places = self._checked(data['keypoints3d_optim'], (None, 17, 3))[::self._stride]
        if sequence not in cameras:
            raise DataError(f"'{self.root}/cameras/mapping.txt' does not say which cameras filmed '{sequence}'. "
                            'The annotation is incomplete; download it again.')
        for view in views:
            yield view, _seen_by(cameras[sequence][view], places)

    @staticmethod
    def _checked(value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
        value = np.asarray(value, np.float64)
        if value.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, value.shape)):
            raise ValueError(f'it is {value.shape}')
        return value

    def _cameras(self) -> dict[str, dict[str, dict]]:
        """Sequence -> view -> camera."""
        folder, settings, found = self.folder('cameras'), {}, {}
        mapping = self.root / 'cameras/mapping.txt'
        with reading(mapping, 'lines of sequence and setting'):
            pairs = [x.split() for x in self._lines('cameras/mapping.txt')]
            for sequence, setting in pairs:
                if setting not in settings:
                    folder.join(f'{setting}.json')  # may not lead out
                    settings[setting] = self._setting(self.file(f'cameras/{setting}.json', 'a list of cameras'))
                found[sequence] = settings[setting]
        return found

    def _setting(self, path: Path) -> dict[str, dict]:
        expected = 'a list of nine cameras with name, size, matrix, rotation, translation and distortions'
        data = read_json(path, expected)
        with reading(path, expected):
            cameras = {x['name']: dict(size=np.array(x['size'], float).reshape(2), **{
                key: np.array(x[key], float).reshape(shape) for key, shape in (
                    ('matrix', (3, 3)), ('rotation', 3), ('translation', 3), ('distortions', -1))}) for x in data}
            if not {len(x['distortions']) for x in cameras.values()} <= {4, 5, 8, 12, 14}:
                raise ValueError('distortions of a number that OpenCV does not know')
            return {view: cameras[view] for view in self.VIEWS}


def _seen_by(camera: dict[str, np.ndarray], places: np.ndarray) -> np.ndarray:
    """(frames, K, 3) places in the world as keypoints in a camera's image; those outside are not labelled."""
    known = np.isfinite(places).all(-1)
    flat = np.where(known[..., None], places, 0).reshape(-1, 3)
    pixels = cv2.projectPoints(flat, camera['rotation'], camera['translation'], camera['matrix'],
                               camera['distortions'])[0].reshape(*places.shape[:-1], 2)
    depth = flat @ cv2.Rodrigues(camera['rotation'])[0][2] + camera['translation'][2]
    inside = ((pixels >= 0) & (pixels <= camera['size'] - 1)).all(-1)
    return labelled_points(pixels, known & inside & (depth.reshape(known.shape) > 0))
