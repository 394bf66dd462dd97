"""Penn Action: short videos of one person, frames in folders and one MATLAB file for each video."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import render_scene
from .base import Job, Writer
from .files import write_image, write_mat
from .keypoints import keypoints

FRAMES = 6  # of a video
SIZE_HW = (192, 256)
TRAIN_FLAG = {'train': 1, 'test': 0}


class PennAction(Writer):
    """Odd videos are for training. Every second one has fewer boxes than frames; hidden joints keep coordinates."""

    def write(self, job: Job) -> dict[str, Any]:
        index, frame = divmod(job.index, FRAMES)
        video = 2 * index + (1 if job.split == 'train' else 2)
        render = render_scene(self.rng(*job), size=self.scaled(*SIZE_HW), num_people=1,
                              people=[self.person(job.split, 'video', index)], camera_style=3000 + video,
                              min_height=0.5, max_height=0.9)
        write_image(self.root / f'frames/{video:04d}/{frame + 1:06d}.jpg', render.image)
        person = render.people[0]
        points, visible = keypoints(self.card, person)
        return {'video': video, 'points': points, 'visible': visible > 1, 'pose': person.pose, 'view': person.view,
                'box': np.asarray(person.full_box, float), 'size': render.image.shape[:2]}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        for split, frames in records.items():
            for start in range(0, len(frames), FRAMES):
                video = frames[start:start + FRAMES]
                points = np.stack([x['points'] for x in video]).astype(float)
                height, width = video[0]['size']
                boxes = np.stack([x['box'] for x in video]).clip(0, [width, height, width, height])
                number = video[0]['video']
                write_mat(self.root / f'labels/{number:04d}.mat', {
                    'action': video[0]['pose'], 'pose': video[0]['view'], 'x': points[..., 0], 'y': points[..., 1],
                    'visibility': np.stack([x['visible'] for x in video]).astype(float),
                    'train': np.array([[TRAIN_FLAG[split]]], float), 'nframes': np.array([[len(video)]], float),
                    'bbox': boxes[:max(1, len(video) - (number // 2) % 2)],
                    'dimensions': np.array([[height, width, len(video)]], float)})
