"""Body keypoints, one person a record, with the keys of MMPose."""
import math
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..registry import DATASETS
from .base import HumanDataset, flip_facts, read_json, read_mat, reading, require
from .roots import Folder

MPII_PIXELS_PER_SCALE = 200.0
LARGEST = 1e6  # pixels; a number beyond is no coordinate
HEAD_SIZE_FACTOR = 0.6  # of the head box's diagonal: PCKh's unit of length


class PoseDataset(HumanDataset):
    """Records of one person each.

    ``bbox`` (1, 4) corners, ``bbox_score`` (1,), ``keypoints`` (1, K, 2), ``keypoints_visible`` (1, K) in {0, 1},
    ``id``, ``category_id``, ``area``, ``raw_ann_info`` (the person as a COCO annotation), ``flip_indices`` (K,),
    ``upper_body_ids``, ``lower_body_ids``. People without any labelled keypoint are left out.
    """

    def card_facts(self) -> dict[str, Any]:
        card = self.card
        return dict(keypoints=card.keypoints, num_keypoints=len(card.keypoints), flip_indices=list(card.flip_indices),
                    flip_pairs=card.flip_pairs, sigmas=np.array(card.sigmas, np.float32),
                    box_area=card.box_area, upper_body_ids=card.upper_body, lower_body_ids=card.lower_body)

    def record_facts(self) -> dict[str, Any]:
        return dict(upper_body_ids=list(self.card.upper_body), lower_body_ids=list(self.card.lower_body),
                    **flip_facts(self.card))

    def person(self, img_path: str, box: tuple[float, ...], annotation: dict[str, Any]) -> dict[str, Any]:
        """The record of a COCO annotation (flat keypoints with visibility 0, 1, 2) and the corners of its box.

        Raises:
            ValueError: they are not in pixels.
        """
        points = np.array(annotation['keypoints'], np.float32).reshape(1, len(self.card.keypoints), 3)
        bounds = np.array([box], np.float32)
        if not ((np.abs(points) <= LARGEST).all() and (np.abs(bounds) <= LARGEST).all()
                and math.isfinite(annotation['area'])):
            raise ValueError(f"the keypoints or the box of person {annotation['id']} are not in pixels")
        return dict(
            img_path=img_path, img_id=annotation['image_id'], id=annotation['id'], area=annotation['area'],
            category_id=annotation['category_id'], bbox=bounds,
            bbox_score=np.ones(1, np.float32), keypoints=points[..., :2],
            keypoints_visible=np.minimum(points[..., 2], 1), raw_ann_info=annotation)

    def coco_records(self, path: Path, data: dict, folder: Folder, file_name=lambda name: name) -> list[dict]:
        """Records of a COCO-style file."""
        expected = f'a COCO-style object with images and annotations of {len(self.card.keypoints)} keypoints'
        with reading(path, expected):
            images = {x['id']: x for x in data['images']}
            paths = {i: folder.join(file_name(x['file_name'])) for i, x in images.items()}
            records = []
            for row in data['annotations']:
                require(row, ('id', 'image_id', 'bbox', 'keypoints'), path)
                if row['image_id'] not in images:
                    raise DataError(f"annotation {row['id']} of '{path}' is of image {row['image_id']}, which it does "
                                    'not list. The file is incomplete; download it again.')
                box = _box_in_image(row['bbox'], images[row['image_id']])
                visible = sum(v > 0 for v in row['keypoints'][2::3])
                if visible and not row.get('iscrowd', 0) and box[2] > box[0] and box[3] > box[1]:
                    records.append(self.person(paths[row['image_id']], box, _coco_annotation(row, visible)))
        return records


def _box_in_image(bbox: list[float], image: dict) -> tuple[float, ...]:
    """Corners of a box, cut to the image where its size is known."""
    x, y, w, h = bbox
    if 'width' not in image or 'height' not in image:
        return x, y, x + w, y + h
    return max(x, 0), max(y, 0), min(x + w, image['width'] - 1), min(y + h, image['height'] - 1)


def _coco_annotation(row: dict, num_keypoints: int) -> dict[str, Any]:
    """The fields that a metric needs; the area of the box stands for that of an absent mask."""
    return dict(id=row['id'], image_id=row['image_id'], category_id=row.get('category_id', 1), bbox=row['bbox'],
                keypoints=row['keypoints'], num_keypoints=num_keypoints, iscrowd=0,
                area=row.get('area', row['bbox'][2] * row['bbox'][3]))


@DATASETS.register_module()
class CocoKeypoints(PoseDataset):
    """COCO 2017 person keypoints.

    Args:
        bbox_file: detected person boxes (a list of ``image_id, category_id, bbox, score``) to test on in place of the
            annotated ones; such records have no keypoints.
        bbox_threshold: detections with a lower score are left out.
    """
    datasets = ('coco_pose',)
    splits = ('train', 'val')

    def __init__(self, *args, bbox_file: str | None = None, bbox_threshold: float = 0.0, **kwargs):
        self._bbox_file = bbox_file
        self._bbox_threshold = bbox_threshold
        super().__init__(*args, **kwargs)

    def load_records(self) -> list[dict]:
        path = self.annotation(f'annotations/person_keypoints_{self.split}2017.json')
        data = read_json(path, 'a COCO-style object with images and annotations')
        folder = self.image_folder(f'{self.split}2017')
        if self._bbox_file is None:
            return self.coco_records(path, data, folder)
        return self._detections(path, data, folder)

    def _detections(self, path: Path, data: dict, folder: Folder) -> list[dict]:
        boxes = self.file(self._bbox_file, 'a file of detected boxes', given=True)
        num_keypoints = len(self.card.keypoints)
        rows = read_json(boxes, 'a list of detections')
        with reading(path, 'a list of images with id and file_name'):
            paths = {x['id']: folder.join(x['file_name']) for x in data['images']}
        with reading(boxes, 'detections with image_id, category_id, bbox and score, of listed images'):
            rows = [x for x in rows if x['category_id'] == 1 and x['score'] >= self._bbox_threshold]
            return [self._detection(i, row, paths[row['image_id']], num_keypoints) for i, row in enumerate(rows)]

    def _detection(self, i: int, row: dict, img_path: str, num_keypoints: int) -> dict[str, Any]:
        annotation = dict(id=i, image_id=row['image_id'], category_id=1, area=row['bbox'][2] * row['bbox'][3],
                          keypoints=[0] * (3 * num_keypoints))
        record = self.person(img_path, _box_in_image(row['bbox'], {}), annotation)
        record['bbox_score'] = np.array([row['score']], np.float32)
        del record['raw_ann_info']  # nobody has annotated a detection
        return record


@DATASETS.register_module()
class AIChallenger(PoseDataset):
    """AI Challenger keypoints, the native list or the converted COCO style; told apart by their contents.

    Native visibility 1 visible, 2 hidden, 3 not labelled becomes COCO's 2, 1, 0; native boxes are corners.
    """
    datasets = ('aic',)
    splits = ('train', 'val')
    VISIBILITY = {1: 2, 2: 1, 3: 0}

    def load_records(self) -> list[dict]:
        part, images, labels = dict(
            train=('ai_challenger_keypoint_train_20170902', 'keypoint_train_images_20170902',
                   'keypoint_train_annotations_20170909'),
            val=('ai_challenger_keypoint_validation_20170911', 'keypoint_validation_images_20170911',
                 'keypoint_validation_annotations_20170911'))[self.split]
        path = self.annotation(f'{part}/{labels}.json', f'annotations/aic_{self.split}.json')
        data = read_json(path, 'the native list of images, or a COCO-style object')
        folder = self.image_folder(f'{part}/{images}')
        return self.coco_records(path, data if isinstance(data, dict) else self._to_coco(path, data), folder)

    def _to_coco(self, path: Path, data: list[dict]) -> dict:
        images, annotations = [], []
        with reading(path, 'image_id, human_annotations and keypoint_annotations for every image'):
            for entry in data:
                images.append(dict(id=entry['image_id'], file_name=f'{entry["image_id"]}.jpg'))
                for name in sorted(entry['human_annotations'], key=_human):
                    x1, y1, x2, y2 = entry['human_annotations'][name]
                    points = list(entry['keypoint_annotations'][name])
                    points[2::3] = [self.VISIBILITY[v] for v in points[2::3]]
                    annotations.append(dict(id=len(annotations) + 1, image_id=entry['image_id'], keypoints=points,
                                            bbox=[x1, y1, x2 - x1, y2 - y1]))
        return dict(images=images, annotations=annotations)


def _human(name: str) -> int:
    return int(name.removeprefix('human'))


@DATASETS.register_module()
class Human36MPose(PoseDataset):
    """Human3.6M 2-D poses. A bare file name ``S1_Waiting_1.123_000001.jpg`` lies in ``S1/S1_Waiting_1.123``.

    No joint counts as hidden: the files say 1 of all of them, which becomes COCO's 2.
    """
    datasets = ('h36m_pose',)
    splits = ('train', 'test')

    def load_records(self) -> list[dict]:
        path = self.annotation(f'annotation_body2d/h36m_coco_{self.split}.json')
        data = read_json(path, 'a COCO-style object with images and annotations')
        return self.coco_records(path, data, self.image_folder('images'), self._nested)

    def person(self, img_path: str, box: tuple[float, ...], annotation: dict[str, Any]) -> dict[str, Any]:
        points = list(annotation['keypoints'])
        points[2::3] = [2 if x == 1 else x for x in points[2::3]]
        return super().person(img_path, box, dict(annotation, keypoints=points))

    @staticmethod
    def _nested(name: str) -> str:
        return name if '/' in name else f'{name.split("_")[0]}/{name.rsplit("_", 1)[0]}/{name}'


@DATASETS.register_module()
class MPII(PoseDataset):
    """MPII, converted lists. Adds ``center``, ``scale`` and, where ``mpii_gt_val.mat`` is present, ``head_size``.

    Stored pixels count from 1. The box is the one MMPose and HRNet use: a square of 200 x scale pixels, 15 x scale
    below the stored centre; the pipeline enlarges it by 1.25. Every record of the file is kept, in its order, because
    PCKh's ground truth is a table in that order.
    """
    datasets = ('mpii',)
    splits = ('train', 'val', 'trainval')

    def load_records(self) -> list[dict]:
        path = self.annotation(f'annotations/mpii_{self.split}.json')
        data = read_json(path, 'a list with image, center, scale, joints and joints_vis')
        folder = self.image_folder('images')
        with reading(path, 'image, center, scale, joints (16 x 2) and joints_vis (16) for every person'):
            records = [self._record(i, row, folder) for i, row in enumerate(data)]
        heads = Path(self._ann_file or 'annotations/mpii_val.json').with_name('mpii_gt_val.mat')
        if self.split == 'val' and self.has(heads):
            self._add_head_sizes(records, self.file(heads, 'the head boxes'))
        return records

    def _record(self, i: int, row: dict, folder: Folder) -> dict[str, Any]:
        scale = float(row['scale'])
        side = MPII_PIXELS_PER_SCALE * scale
        center = np.array(row['center'], np.float32) - 1
        x, y = center + (0, 15 * scale) - side / 2
        joints = np.array(row['joints'], np.float32) - 1
        visible = np.array(row['joints_vis'], np.float32)
        annotation = dict(
            id=i, image_id=row['image'], category_id=1, bbox=[float(x), float(y), side, side], area=side * side,
            keypoints=np.column_stack([joints, 2 * visible]).ravel().tolist(), num_keypoints=int(visible.sum()),
            iscrowd=0)
        record = self.person(folder.join(row['image']), (x, y, x + side, y + side), annotation)
        return dict(record, center=center, scale=scale)

    def _add_head_sizes(self, records: list[dict], path: Path) -> None:
        expected = f'headboxes_src (2 x 2 x {len(records)})'
        mat = read_mat(path, expected)
        with reading(path, expected):
            boxes = np.asarray(mat['headboxes_src'], np.float64)
            sizes = HEAD_SIZE_FACTOR * np.linalg.norm(boxes[1] - boxes[0], axis=0)
            if not np.isfinite(sizes).all():
                raise ValueError('a head box is not in pixels')
            for record, size in zip(records, sizes, strict=True):
                record['head_size'] = float(size)
