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
    """Odd videos are for training. Hidden joints keep coordinates.

    Every second video of a split has one box less than frames; its last frame is the one before in less light.
    """

    def write(self, job: Job) -> dict[str, Any]:
        index, frame = divmod(job.index, FRAMES)
        video = 2 * index + (1 if job.split == 'train' else 2)
        still = self._lacks_a_box(job.split, index) and frame + 1 == self._length(job.split, index)
        render = render_scene(self.rng(job.split, job.index - still), size=self.scaled(*SIZE_HW), num_people=1,
                              people=[self.person(job.split, 'video', index)], camera_style=3000 + video,
                              min_height=0.5, max_height=0.9)
        image = (render.image * 0.9).astype(np.uint8) if still else render.image
        write_image(self.root / f'frames/{video:04d}/{frame + 1:06d}.jpg', image)
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
                number, lacking = video[0]['video'], self._lacks_a_box(split, start // FRAMES)
                write_mat(self.root / f'labels/{number:04d}.mat', {
                    'action': video[0]['pose'], 'pose': video[0]['view'], 'x': points[..., 0], 'y': points[..., 1],
                    'visibility': np.stack([x['visible'] for x in video]).astype(float),
                    'train': np.array([[TRAIN_FLAG[split]]], float), 'nframes': np.array([[len(video)]], float),
                    'bbox': boxes[:len(video) - lacking],
                    'dimensions': np.array([[height, width, len(video)]], float)})

    def _length(self, split: str, index: int) -> int:
        return min(FRAMES, self.counts[split] - index * FRAMES)

    def _lacks_a_box(self, split: str, index: int) -> bool:
        return index % 2 == 0 and self._length(split, index) > 1
