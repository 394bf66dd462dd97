"""PoseTrack18: videos of a few frames, one annotation file for each."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import PersonView, render_scene
from .base import Job, Writer
from .files import write_image, write_json
from .keypoints import keypoints

FRAMES = 5           # of a video
UNLABELLED = 2       # the frame of every video that nobody has labelled
SIZE_HW = (208, 256)
FIRST_VIDEO = {'train': 1, 'val': 342}
EARS = ('left_ear', 'right_ear')  # have a place in the files and are never labelled


class PoseTrack(Writer):
    """The same one to three people in every frame of a video; every fifth person has no box."""

    def write(self, job: Job) -> dict[str, Any]:
        video, frame = divmod(job.index, FRAMES)
        number = f'{FIRST_VIDEO[job.split] + video:06d}'
        people = [self.person(job.split, 'video', video, i) for i in range(1 + video % 3)]
        render = render_scene(self.rng(*job), size=self.scaled(*SIZE_HW), num_people=len(people), people=people,
                              camera_style=1000 + video, min_height=0.45, max_height=0.95)
        name = f'images/{job.split}/{number}_mini_{job.split}/{frame:06d}.jpg'
        write_image(self.root / name, render.image)
        id = int(f'1{number}{frame:04d}')
        labelled = frame != UNLABELLED
        rows = [self._person(x, track, id) for track, x in enumerate(render.people)
                if labelled and x.visible_box[2] > x.visible_box[0]]
        return {'image': {'has_no_densepose': True, 'is_labeled': labelled, 'file_name': name, 'frame_id': id, 'id': id,
                          'vid_id': number, 'mask_file': '', 'ignore_regions_x': [], 'ignore_regions_y': []},
                'annotations': rows}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        names = list(self.card.keypoints)
        names[3:3] = EARS
        for split, frames in records.items():
            for start in range(0, len(frames), FRAMES):
                video = frames[start:start + FRAMES]
                name = video[0]['image']['file_name'].split('/')[2]
                write_json(self.root / f'annotations/{split}/{name}.json', {
                    'images': [{**x['image'], 'nframes': len(video)} for x in video],
                    'annotations': [row for x in video for row in x['annotations']],
                    'categories': [{'supercategory': 'person', 'id': 1, 'name': 'person', 'keypoints': names,
                                    'skeleton': []}]})

    def _person(self, person: PersonView, track: int, image: int) -> dict[str, Any]:
        points, visible = keypoints(self.card, person)
        rows = np.column_stack([points.round(1), visible > 1]) * (visible > 1)[:, None]
        rows = np.insert(rows, [3, 3], 0, axis=0)
        box = {} if (image + track) % 5 == 4 else {'bbox': _xywh(person.visible_box)}
        return {'bbox_head': _xywh(person.head_box), 'keypoints': rows.ravel().tolist(), 'track_id': track,
                'image_id': image, 'scores': [], 'category_id': 1, 'id': 100 * image + track, **box}


def _xywh(box: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = (float(x) for x in box)
    return [x1, y1, x2 - x1, y2 - y1]
