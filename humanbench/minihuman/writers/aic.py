"""AI Challenger 2017 keypoints: one JSON list per split, images beside it, people in dicts named human1, human2 ..."""
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import render_scene
from .base import Job, Writer
from .files import write_image, write_json
from .keypoints import keypoints

PLACES = {  # split -> folder, image folder in it, annotation file in it
    'train': ('ai_challenger_keypoint_train_20170902', 'keypoint_train_images_20170902',
              'keypoint_train_annotations_20170909.json'),
    'val': ('ai_challenger_keypoint_validation_20170911', 'keypoint_validation_images_20170911',
            'keypoint_validation_annotations_20170911.json'),
}
VISIBILITY = np.array([3, 2, 1])  # outside -> 3 not labelled, hidden -> 2 occluded, visible -> 1
SIZE_HW = (208, 256)


class AIC(Writer):
    """Images of one to three people; integer pixels, boxes as corners, absent joints (0, 0, 3)."""

    def write(self, job: Job) -> dict[str, Any]:
        rng = self.rng(*job)
        height, width = self.scaled(*SIZE_HW)
        n = int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
        render = render_scene(rng, size=(height, width), num_people=n, people=self.people(job, n),
                              min_height=0.45, max_height=0.95)
        image_id = hashlib.sha1(f'{self.seed} {job.split} {job.index}'.encode()).hexdigest()
        folder, images, _ = PLACES[job.split]
        write_image(self.root / folder / images / f'{image_id}.jpg', render.image)
        joints, boxes = {}, {}
        seen = [x for x in render.people if x.visible_box[2] > x.visible_box[0]]
        for i, person in enumerate(seen, 1):
            points, visible = keypoints(self.card, person)
            rows = np.column_stack([points.round() * (visible > 0)[:, None], VISIBILITY[visible]])
            joints[f'human{i}'] = rows.astype(int).ravel().tolist()
            boxes[f'human{i}'] = np.asarray(person.visible_box).round().astype(int).tolist()
        return {'url': '', 'image_id': image_id, 'keypoint_annotations': joints, 'human_annotations': boxes}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        for split, images in records.items():
            folder, _, annotations = PLACES[split]
            write_json(self.root / folder / annotations, images)
