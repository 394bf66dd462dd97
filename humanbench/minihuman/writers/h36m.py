"""Human3.6M, pose and parsing: a few subjects, each filmed by four cameras in the same studio while acting."""
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..scene import Render, render_scene
from .base import Job, Writer
from .files import write_image, write_json, write_lines
from .keypoints import joint_indices, keypoints
from .label_maps import class_map

SUBJECTS = {'train': ('S1', 'S5', 'S6', 'S7', 'S8'), 'test': ('S9', 'S11')}
CAMERAS = ('54138969', '55011271', '58860488', '60457274')
ACTIONS = {'stand': 'Directions', 'walk': 'Walking', 'run': 'WalkTogether', 'sit': 'Sitting', 'reach': 'Greeting',
           'bend': 'Purchases'}  # of the poses
TRIES = 10  # pictures drawn until one holds the whole person


class Take(NamedTuple):
    """Who was filmed by which camera (an index); ``shot`` counts the images of both."""
    subject: str
    camera: int
    shot: int


class H36M(Writer):
    """Square pictures with one whole person in each."""
    side: int

    def take(self, job: Job) -> Take:
        subjects = SUBJECTS[job.split]
        i, subject = divmod(job.index, len(subjects))
        shot, camera = divmod(i, len(CAMERAS))
        return Take(subjects[subject], camera, shot)

    def picture(self, job: Job, take: Take) -> tuple[Render, str]:
        """The picture and the name of the action in it."""
        side, = self.scaled(self.side)
        for attempt in range(TRIES):
            render = render_scene(self.rng(*job, attempt), size=(side, side), num_people=1,
                                  people=[self.person(take.subject)], camera_style=50 + take.camera, min_height=0.5,
                                  max_height=0.7)
            if (render.people[0].visible > 0).all():
                break
        return render, ACTIONS[render.people[0].pose]


class H36MPose(H36M):
    """``annotation_body2d/h36m_coco_*.json`` in COCO's style, with square boxes and 3-D joints in metres."""
    side = 224

    def write(self, job: Job) -> dict[str, Any]:
        take = self.take(job)
        render, action = self.picture(job, take)
        clip = f'{take.subject}_{action}_1.{CAMERAS[take.camera]}'
        name = f'{take.subject}/{clip}/{clip}_{5 * take.shot + 1:06d}.jpg'
        write_image(self.root / 'images' / name, render.image)
        person = render.people[0]
        points, _ = keypoints(self.card, person)
        metres = np.asarray(person.joints_3d)[joint_indices(self.card)] / 1000
        height, width = render.image.shape[:2]
        x1, y1, x2, y2 = (float(x) for x in person.full_box)
        side = max(x2 - x1, y2 - y1)
        ones = np.ones((len(points), 1))
        return {'image': {'file_name': name, 'height': height, 'width': width},
                'annotation': {'bbox': [(x1 + x2 - side) / 2, (y1 + y2 - side) / 2, side, side], 'area': side * side,
                               'num_keypoints': len(points), 'keypoints': np.hstack([points, ones]).ravel().tolist(),
                               'keypoints_3d': np.hstack([metres, ones]).ravel().tolist()}}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        # The file that is in use names the legs the wrong way round; a reader must not believe this block.
        names = [x.replace('left', '*').replace('right', 'left').replace('*', 'right') if 0 < i < 7 else x
                 for i, x in enumerate(self.card.keypoints)]
        for split, rows in records.items():
            write_json(self.root / f'annotation_body2d/h36m_coco_{split}.json', {
                'categories': [{'supercategory': 'person', 'id': 1, 'name': 'person', 'keypoints': names,
                                'skeleton': []}],
                'images': [{**x['image'], 'id': i} for i, x in enumerate(rows, 1)],
                'annotations': [{'id': i, 'image_id': i, 'category_id': 1, 'iscrowd': 0, **x['annotation']}
                                for i, x in enumerate(rows, 1)]})


class H36MParsing(H36M):
    """``protocol_1/{rgb,seg}`` at two pictures a second, and the lists ``flist_2hz_*.txt``."""
    side = 176

    def write(self, job: Job) -> str:
        take = self.take(job)
        render, action = self.picture(job, take)
        name = f'{take.subject}/{action} 1.{CAMERAS[take.camera]}/{25 * take.shot:08d}.png'
        write_image(self.root / 'protocol_1/rgb' / name, render.image)
        write_image(self.root / 'protocol_1/seg' / name, class_map(self.card, render))
        return f'protocol_1/rgb/{name}'

    def finish(self, records: Mapping[str, list[str]]) -> None:
        for split, names in records.items():
            write_lines(self.root / f'flist_2hz_{"train" if split == "train" else "eval"}.txt', names)
