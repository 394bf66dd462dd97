"""LV-MHP and Halpe: COCO's files with other keypoints."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import JOINTS, PersonView, render_scene
from .base import Job, Writer
from .files import write_image, write_json
from .keypoints import keypoints

SIZES_HW = ((208, 256), (256, 208))


class COCOStyle(Writer):
    """Images of one to ``most`` people, with COCO's visibility and boxes."""
    most: int
    annotations: str  # file of a split

    def image_name(self, job: Job) -> str:
        """Below the root."""
        raise NotImplementedError

    def rows(self, person: PersonView) -> tuple[np.ndarray, int]:
        """(n, 3) x, y, visibility of a person, and what the file gives as ``num_keypoints``."""
        points, visible = keypoints(self.card, person)
        return np.column_stack([points.round(), visible]) * (visible > 0)[:, None], int((visible > 0).sum())

    def write(self, job: Job) -> dict[str, Any]:
        rng = self.rng(*job)
        height, width = self.scaled(*SIZES_HW[job.index % len(SIZES_HW)])
        n = int(rng.integers(1, self.most + 1))
        render = render_scene(rng, size=(height, width), num_people=n, people=self.people(job, n),
                              min_height=0.45, max_height=0.95)
        name = self.image_name(job)
        write_image(self.root / name, render.image)
        people = []
        for person in render.people:
            x1, y1, x2, y2 = (float(x) for x in person.visible_box)
            if x2 > x1:
                rows, count = self.rows(person)
                people.append({'bbox': [x1, y1, x2 - x1 + 1, y2 - y1 + 1], 'area': (x2 - x1) * (y2 - y1), 'iscrowd': 0,
                               'category_id': 1, 'num_keypoints': count,
                               'keypoints': rows.astype(int).ravel().tolist()})
        return {'image': {'file_name': name.rsplit('/', 1)[1], 'height': height, 'width': width,
                          'id': job.index + (1 if job.split == 'train' else 100001)}, 'people': people}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        for split, images in records.items():
            rows = [{**person, 'image_id': x['image']['id']} for x in images for person in x['people']]
            write_json(self.root / self.annotations.format(split), {
                'images': [x['image'] for x in images],
                'annotations': [{**row, 'id': i} for i, row in enumerate(rows, 1)],
                'categories': [{'supercategory': 'person', 'id': 1, 'name': 'person', 'keypoints': [],
                                'skeleton': []}]})


class MHP(COCOStyle):
    """The list as converted for MMPose; two to four people make most images."""
    most = 4
    annotations = 'annotations/mhp_{}.json'

    def image_name(self, job: Job) -> str:
        return f'{job.split}/images/{job.index + 1}.jpg'


class Halpe(COCOStyle):
    """136 keypoints: 26 of the body, then face and hands, which nobody has labelled here.

    As in a real sample, ``num_keypoints`` counts COCO's 17 alone, and some people have neither neck nor hip.
    """
    most = 2
    annotations = 'annotations/halpe_{}_v1.json'
    FEET = ('left_foot', 'right_foot', 'left_foot', 'right_foot', 'left_ankle', 'right_ankle')

    def image_name(self, job: Job) -> str:
        if job.split == 'val':
            return f'val2017/{139 + 7 * job.index:012d}.jpg'
        return f'hico_20160224_det/images/train2015/HICO_train2015_{job.index + 1:08d}.jpg'

    def rows(self, person: PersonView) -> tuple[np.ndarray, int]:
        body, _ = super().rows(person)
        if person.person.seed % 3 == 0:
            body[18:] = 0
        feet = [JOINTS.index(x) for x in self.FEET]
        visible = np.asarray(person.visible)[feet]
        feet = np.column_stack([np.asarray(person.joints)[feet].round(), visible]) * (visible > 0)[:, None]
        return np.concatenate([body, feet, np.zeros((110, 3))]), int((body[:17, 2] > 0).sum())
