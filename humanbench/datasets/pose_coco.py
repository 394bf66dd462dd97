"""Body keypoints in COCO's shape: PoseTrack18, JRDB-Pose, LV-MHP, Halpe."""
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path, PurePosixPath

import numpy as np

from ..errors import DataError
from ..registry import DATASETS
from .base import read_json, reading, require
from .pose import PoseDataset
from .pose_common import ManyFilesPose, box_around, corners_to_xywh


@DATASETS.register_module()
class PoseTrack18(ManyFilesPose):
    """PoseTrack18, one file for each video or the merged ones; 17 annotated keypoints without the ears make 15.

    Images that nobody has labelled are skipped. A person without a box gets the one around the labelled keypoints.
    """
    datasets = ('posetrack',)
    splits = ('train', 'val')
    EARS = (3, 4)  # of the 17: there for COCO's sake, never labelled

    def load_records(self) -> Iterator[dict]:
        folder = self.image_folder('.')  # the files name images from the root on
        for _, path in self._files():
            data = read_json(path, 'a COCO-style object with images and annotations of 17 keypoints')
            with reading(path, 'images with id and file_name, and annotations of 17 keypoints'):
                data = self._labelled(path, data)
            yield from self.coco_records(path, data, folder)

    def _files(self) -> Iterable[tuple[str, Path]]:
        native = f'annotations/{self.split}'
        if self._ann_file is None and self.has(native):
            return self.annotation_files(native, '.json')
        return [('', self.annotation(f'annotations/posetrack18_{self.split}.json'))]

    def _labelled(self, path: Path, data: dict) -> dict:
        labelled = {x['id']: x.get('is_labeled', True) for x in data['images']}
        rows = []
        for row in data['annotations']:
            require(row, ('id', 'image_id', 'keypoints'), path)
            points = np.reshape(row['keypoints'], (17, 3))
            box = row.get('bbox') if _has_area(row.get('bbox')) else _around(points, points[:, 2] > 0)
            if box is not None and labelled.get(row['image_id'], True):
                rows.append(dict(row, bbox=box, keypoints=np.delete(points, self.EARS, 0).ravel().tolist()))
        return dict(images=[x for x in data['images'] if labelled[x['id']]], annotations=rows)


def _has_area(box: Sequence[float] | None) -> bool:
    return bool(box) and box[2] > 0 and box[3] > 0


def _around(points: np.ndarray, labelled: np.ndarray) -> list[float] | None:
    """The box around labelled keypoints as x, y, width, height; None where there is none."""
    box = box_around(points[:, :2], labelled)
    return None if box is None else corners_to_xywh(box)


@DATASETS.register_module()
class JRDBPose(ManyFilesPose):
    """JRDB-Pose on the stitched 360-degree images, one file for each scene.

    A person's box is that of the same track in ``labels_2d_stitched``; where it is not there, the box around the
    labelled keypoints. People who are cut by the seam of the panorama and have no box are left out: their keypoints lie
    at both ends of the image.
    """
    datasets = ('jrdb',)
    splits = ('train',)
    WIDTH = 3760  # of the images; the file's own ``width`` is wrong (752) and is not believed

    def load_records(self) -> Iterator[dict]:
        part = 'train_dataset_with_activity'
        images = self.image_folder(f'{part}/images/image_stitched')
        numbers = count(1)
        for scene, path in self.annotation_files(f'{part}/labels/labels_2d_pose_stitched_coco', '.json'):
            data = read_json(path, 'a COCO-style object with images and annotations of 17 keypoints')
            boxes = self._boxes(f'{part}/labels/labels_2d_stitched/{scene}.json')
            with reading(path, 'images with id and file_name, and annotations with image_id, track_id and keypoints'):
                data = self._scene(scene, path, data, boxes, numbers)
            yield from self.coco_records(path, data, images)

    def _boxes(self, name: str) -> dict[tuple[str, str], list[float]]:
        """(image name, track) -> box, for one scene."""
        if not self.has(name):
            return {}
        path = self.file(name, 'boxes')
        expected = 'labels: image name -> list of label_id and box'
        data = read_json(path, expected)
        with reading(path, expected):
            return {(image, row['label_id'].split(':')[-1]): [float(x) for x in row['box']]
                    for image, rows in data['labels'].items() for row in rows}

    def _scene(self, scene: str, path: Path, data: dict, boxes: dict[tuple[str, str], list[float]],
               numbers: Iterator[int]) -> dict:
        """The scene with names, numbers and boxes that hold for the whole dataset, and without wrong image sizes."""
        names = {x['id']: PurePosixPath(x['file_name']).name for x in data['images']}
        rows = []
        for row in data['annotations']:
            require(row, ('image_id', 'track_id', 'keypoints'), path)
            if row['image_id'] not in names:
                raise DataError(f"a person of '{path}' is in image {row['image_id']}, which it does not list. The file "
                                'is incomplete; download it again.')
            points = np.reshape(row['keypoints'], (-1, 3))
            box = boxes.get((names[row['image_id']], str(row['track_id']))) or self._derived(points)
            if box is not None:
                rows.append(dict(id=next(numbers), image_id=f'{scene}/{names[row["image_id"]]}', bbox=box,
                                 keypoints=points.ravel().tolist()))
        images = [dict(id=f'{scene}/{x}', file_name=f'{scene}/{x}') for x in names.values()]
        return dict(images=images, annotations=rows)

    def _derived(self, points: np.ndarray) -> list[float] | None:
        labelled = points[:, 2] > 0
        if labelled.any() and np.ptp(points[labelled, 0]) > self.WIDTH / 2:
            return None
        return _around(points, labelled)


@DATASETS.register_module()
class MHP(PoseDataset):
    """LV-MHP v2 keypoints, the converted lists."""
    datasets = ('mhp',)
    splits = ('train', 'val')

    def load_records(self) -> list[dict]:
        path = self.annotation(f'annotations/mhp_{self.split}.json')
        data = read_json(path, 'a COCO-style object with images and annotations')
        return self.coco_records(path, data, self.image_folder(f'{self.split}/images'))


@DATASETS.register_module()
class Halpe(PoseDataset):
    """Halpe Full-Body: the first 20 of 136 keypoints (COCO's 17, head, neck, hip)."""
    datasets = ('halpe',)
    splits = ('train', 'val')
    LAYOUTS = (136, 26)  # keypoints of a person in the files; both begin with the same 26

    def load_records(self) -> list[dict]:
        path = self.annotation(*(f'{x}halpe_{self.split}_v1.json' for x in ('annotations/', '')))
        data = read_json(path, 'a COCO-style object with images and annotations of 136 keypoints')
        images = dict(train='hico_20160224_det/images/train2015', val='val2017')[self.split]
        with reading(path, 'images, and annotations of 136 keypoints (or the 26 of the body)'):
            data = dict(images=data['images'], annotations=[self._first(path, x) for x in data['annotations']])
        return self.coco_records(path, data, self.image_folder(images))

    def _first(self, path: Path, row: dict) -> dict:
        require(row, ('keypoints',), path)
        if len(row['keypoints']) not in [3 * x for x in self.LAYOUTS]:
            raise DataError(f"a person of '{path}' has {len(row['keypoints']) / 3:g} keypoints; expected 136, or the "
                            '26 of the body. It may be of another dataset.')
        return dict(row, keypoints=row['keypoints'][:3 * len(self.card.keypoints)])
