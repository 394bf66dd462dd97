"""JRDB-Pose: a robot's 360-degree panoramas, poses and boxes in files of their own."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import PersonView, Render, render_scene
from .base import Job, Writer
from .files import write_image, write_json
from .keypoints import keypoints

VIEWS = 5      # cameras that are stitched
FRAMES = 4     # of a scene
PLACES = ('bytes-cafe', 'clark-center', 'packard-poster-session', 'tressider')
SIZE_HW = (128, 160)  # of one view
PART = 'train_dataset_with_activity'


class JRDB(Writer):
    """One or two people in each view. The panorama is turned, so that its seam may cut somebody: who then has no box.

    Every sixth person has no box either, and one box belongs to nobody with a pose. The width in the pose file is a
    fifth of the image's.
    """

    def write(self, job: Job) -> dict[str, Any]:
        scene, frame = divmod(job.index, FRAMES)
        height, width = self.scaled(*SIZE_HW)
        renders = [self._view(job, scene, view, (height, width)) for view in range(VIEWS)]
        turn = int(self.rng(*job, 'turn').integers(VIEWS * width))
        image = np.roll(np.hstack([x.image for x in renders]), turn, axis=1)
        name = f'{PLACES[scene % len(PLACES)]}-2024-01-{1 + scene // len(PLACES):02d}_0'
        write_image(self.root / PART / f'images/image_stitched/{name}/{frame:06d}.jpg', image)
        people, boxes = [], []
        for view, render in enumerate(renders):
            for i, person in enumerate(render.people):
                if person.visible_box[2] > person.visible_box[0]:
                    self._add(people, boxes, person, 2 * view + i, view * width + turn, image.shape[1])
        boxes.append({'label_id': 'pedestrian:99', 'box': [3, 3, 10, 20]})
        return {'scene': name, 'people': people, 'boxes': boxes, 'size': [height, image.shape[1] // 5]}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        frames = records['train']
        for start in range(0, len(frames), FRAMES):
            scene = frames[start:start + FRAMES]
            images, annotations = [], []
            for id, record in enumerate(scene, 1):
                height, width = record['size']
                images.append({'id': id, 'file_name': f'{record["scene"]}/{id - 1:06d}.jpg', 'width': width,
                               'height': height})
                for person in record['people']:
                    annotations.append({'id': len(annotations) + 1, 'image_id': id, 'category_id': 1, **person})
            labels, name = self.root / PART / 'labels', scene[0]['scene']
            write_json(labels / f'labels_2d_pose_stitched_coco/{name}.json', {
                'images': images, 'annotations': annotations,
                'categories': [{'id': 1, 'name': 'person', 'keypoints': list(self.card.keypoints), 'skeleton': []}]})
            write_json(labels / f'labels_2d_stitched/{name}.json', {'labels': {
                f'{i:06d}.jpg': [{**x, 'attributes': {}, 'file_id': f'{i:06d}.jpg'} for x in record['boxes']]
                for i, record in enumerate(scene)}})

    def _view(self, job: Job, scene: int, view: int, size: tuple[int, int]) -> Render:
        people = [self.person(job.split, 'scene', scene, view, i) for i in range(1 + (scene + view) % 2)]
        return render_scene(self.rng(*job, view), size=size, num_people=len(people), people=people,
                            camera_style=2000 + scene, min_height=0.45, max_height=0.9)

    def _add(self, people: list[dict], boxes: list[dict], person: PersonView, track: int, shift: int,
             width: int) -> None:
        points, visible = keypoints(self.card, person)
        rows = np.column_stack([(points[:, 0] + shift) % width, points[:, 1]]) * (visible > 0)[:, None]
        people.append({'track_id': track, 'num_keypoints': int((visible > 0).sum()),
                       'keypoints': np.column_stack([rows.round(1), visible]).ravel().tolist()})
        x1, y1, x2, y2 = (float(x) for x in person.visible_box)
        left = (x1 + shift) % width
        if left + x2 - x1 < width and track % 6 != 5:
            boxes.append({'label_id': f'pedestrian:{track}', 'box': [left, y1, x2 - x1, y2 - y1]})
