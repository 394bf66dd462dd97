"""COCO 2017 keypoints: ``annotations/person_keypoints_*.json``, the images, and a person detector's boxes for val."""
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from ..scene import PersonView, Render, render_scene
from .base import Job, Writer
from .files import write_image, write_json
from .keypoints import keypoints
from .label_maps import person_masks

SIZES_HW = ((192, 256), (256, 192), (224, 224))
SMALLEST = 32       # a person below this height gets a box but no keypoints, as annotators did
CROWD_EVERY = 12    # in every 12th image the people beyond the first two are one crowd region
SKELETON = [[16, 14], [14, 12], [17, 15], [15, 13], [12, 13], [6, 12], [7, 13], [6, 7], [6, 8], [7, 9], [8, 10],
            [9, 11], [2, 3], [1, 2], [1, 3], [2, 4], [3, 5], [4, 6], [5, 7]]  # the format's own list, 1-based


class COCOPose(Writer):
    """Images of one to three people, and of four or five where a crowd region is annotated."""

    def write(self, job: Job) -> dict[str, Any]:
        rng = self.rng(*job)
        crowd = job.index % CROWD_EVERY == CROWD_EVERY - 1
        height, width = self.scaled(*SIZES_HW[rng.integers(len(SIZES_HW))])
        n = int(rng.integers(4, 6) if crowd else rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
        render = render_scene(rng, size=(height, width), num_people=n, people=self.people(job, n),
                              min_height=0.4, max_height=0.95)
        name = f'{self._image_id(job):012d}.jpg'
        write_image(self.root / f'{job.split}2017' / name, render.image)
        image = {'license': 1, 'file_name': name, 'coco_url': '', 'height': height, 'width': width,
                 'date_captured': '2024-01-01 00:00:00', 'flickr_url': '', 'id': self._image_id(job)}
        return {'image': image, 'annotations': self._annotations(render, crowd)}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        for split, images in records.items():
            annotations = []
            for record in images:
                for x in record['annotations']:
                    annotations.append({**x, 'image_id': record['image']['id'], 'category_id': 1,
                                        'id': 183000 + len(annotations)})
            write_json(self.root / f'annotations/person_keypoints_{split}2017.json', {
                'info': {'description': 'MiniHuman in the format of COCO 2017 keypoints', 'version': '1', 'year': 2024},
                'licenses': [{'url': '', 'id': 1, 'name': 'synthetic'}],
                'categories': [{'supercategory': 'person', 'id': 1, 'name': 'person',
                                'keypoints': list(self.card.keypoints), 'skeleton': SKELETON}],
                'images': [x['image'] for x in images], 'annotations': annotations})
        write_json(self.root / 'COCO_val2017_detections_AP_H_56_person.json',
                   [x for record in records['val'] for x in self._detections(record)])

    def _image_id(self, job: Job) -> int:
        return 7 * job.index + (9 if job.split == 'train' else 139)  # not the row number, as in COCO

    def _annotations(self, render: Render, crowd: bool) -> list[dict[str, Any]]:
        """One record per person with a visible pixel; in a crowd image the third and later people are one region."""
        masks = person_masks(render)
        single = range(len(masks))[:2] if crowd else range(len(masks))
        records = [self._person(render.people[i], masks[i]) for i in single if masks[i].any()]
        rest = np.any(masks[2:], axis=0) if crowd else np.zeros(render.image.shape[:2], bool)
        if rest.any():
            records.append({'segmentation': run_lengths(rest), 'num_keypoints': 0, 'area': int(rest.sum()),
                            'iscrowd': 1, 'keypoints': [0] * 3 * len(self.card.keypoints), 'bbox': mask_box(rest)})
        return records

    def _person(self, person: PersonView, mask: np.ndarray) -> dict[str, Any]:
        box = mask_box(mask)
        points, visible = keypoints(self.card, person)
        labelled = (visible > 0) & (box[3] >= SMALLEST)
        rows = np.column_stack([points.round(), visible]) * labelled[:, None]
        return {'segmentation': polygons(mask), 'num_keypoints': int(labelled.sum()), 'area': int(mask.sum()),
                'iscrowd': 0, 'keypoints': rows.astype(int).ravel().tolist(), 'bbox': box}

    def _detections(self, record: dict[str, Any]) -> list[dict[str, Any]]:
        """What a person detector would say: most people with boxes slightly off, some twice, some where nobody is."""
        image = record['image']
        rng = self.rng('detections', image['id'])
        boxes, scores = [], []
        for person in record['annotations']:
            x, y, w, h = person['bbox']
            for copy in range(1 + int(rng.random() < 0.2)):
                if rng.random() < 0.95:
                    boxes.append([x, y, w, h] + rng.normal(0, 0.03 + 0.07 * copy, 4) * [w, h, w, h])
                    scores.append(rng.beta(8, 2) * (0.5 if copy else 1))
        for _ in range(2):
            h = rng.uniform(20, 100)
            boxes.append([rng.uniform(0, image['width'] - h / 2), rng.uniform(0, image['height'] - h), h / 2, h])
            scores.append(rng.uniform(0.01, 0.3))
        return [{'bbox': [round(float(v), 2) for v in box], 'category_id': 1, 'image_id': image['id'],
                 'score': round(float(score), 6)} for box, score in zip(boxes, scores)]


def mask_box(mask: np.ndarray) -> list[int]:
    """x, y, width, height of the box around the true pixels of a mask that has some."""
    ys, xs = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [int(xs[0]), int(ys[0]), int(xs[-1] - xs[0] + 1), int(ys[-1] - ys[0] + 1)]


def polygons(mask: np.ndarray) -> list[list[int]]:
    """Outlines of a mask, x1 y1 x2 y2 ... each; specks too small for a polygon are left out unless nothing else is."""
    found = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    outlines = [x.ravel().tolist() for x in found if len(x) >= 3]
    x, y, w, h = mask_box(mask)
    return outlines or [[x, y, x + w, y, x + w, y + h, x, y + h]]


def run_lengths(mask: np.ndarray) -> dict[str, list[int]]:
    """COCO's uncompressed run-length code: lengths of alternating zeros and ones, column by column, zeros first."""
    flat = mask.T.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    counts = np.diff(ends, prepend=0).tolist()
    return {'counts': [0, *counts] if flat[0] else counts, 'size': list(mask.shape)}
