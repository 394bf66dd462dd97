"""MPII: the converted lists ``annotations/mpii_*.json`` and the ground truth of PCKh, ``mpii_gt_val.mat``."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import PersonView, render_scene
from .base import Job, Writer
from .files import cells, write_image, write_json, write_mat
from .keypoints import keypoints

# dataset_joints of mpii_gt_val.mat, in the order of the card's keypoints.
SHORT_NAMES = ('rank', 'rkne', 'rhip', 'lhip', 'lkne', 'lank', 'pelv', 'thor', 'neck', 'head', 'rwri', 'relb', 'rsho',
               'lsho', 'lelb', 'lwri')
SIZE_HW = (224, 256)


class MPII(Writer):
    """One record per person. Everything is in 1-based pixels; joints outside the image are (-1, -1) with visibility 0.

    ``scale`` is the person's height in units of 200 pixels and ``center`` lies above the middle of the body, such that
    the usual crop (15 x scale further down, 1.25 times as large) holds the body with a margin.
    """

    def write(self, job: Job) -> list[dict[str, Any]]:
        rng = self.rng(*job)
        height, width = self.scaled(*SIZE_HW)
        n = int(rng.choice([1, 2], p=[0.7, 0.3]))
        render = render_scene(rng, size=(height, width), num_people=n, people=self.people(job, n),
                              min_height=0.5, max_height=0.9)
        name = f'{1 + (job.split == "val")}{job.index:08d}.jpg'
        write_image(self.root / 'images' / name, render.image)
        return [self._record(person, name) for person in render.people if person.visible_box[2] > person.visible_box[0]]

    def finish(self, records: Mapping[str, list[list[dict[str, Any]]]]) -> None:
        people = {split: [x for image in images for x in image] for split, images in records.items()}
        people['trainval'] = people['train'] + people['val']
        heads = np.stack([x['head_box'] for x in people['val']], axis=-1)
        for split, rows in people.items():
            write_json(self.root / f'annotations/mpii_{split}.json',
                       [{k: v for k, v in x.items() if k != 'head_box'} for x in rows])
        joints = np.stack([x['joints'] for x in people['val']], axis=-1)
        missing = 1 - np.stack([x['joints_vis'] for x in people['val']], axis=-1)
        write_mat(self.root / 'annotations/mpii_gt_val.mat', {
            'dataset_joints': cells(SHORT_NAMES, (1, -1)), 'jnt_missing': missing.astype(np.uint8),
            'pos_gt_src': joints, 'headboxes_src': heads})

    def _record(self, person: PersonView, name: str) -> dict[str, Any]:
        points, visible = keypoints(self.card, person)
        joints = np.where(visible[:, None] > 0, points.round(2) + 1.0, -1.0)
        x1, y1, x2, y2 = (float(x) for x in person.full_box)
        scale = max(y2 - y1, 4 / 3 * (x2 - x1)) / 200
        center = [round((x1 + x2) / 2 + 1, 1), round((y1 + y2) / 2 - 15 * scale + 1, 1)]
        return {'joints_vis': (visible > 0).astype(int).tolist(), 'joints': joints.tolist(), 'image': name,
                'scale': round(scale, 6), 'center': center,
                'head_box': np.asarray(person.head_box, float).reshape(2, 2) + 1}
