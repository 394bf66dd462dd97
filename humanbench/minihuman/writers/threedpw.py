"""3DPW: sequences of frames, and for each a pickle of what was detected and measured in it."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import PersonView, render_scene
from .base import Job, Writer
from .files import write_image, write_pickle
from .keypoints import keypoints

FRAMES = 6   # of a sequence
INVALID = 3  # the frame of every sequence whose camera pose is not valid
SIZE_HW = (256, 208)
FOLDERS = {'train': 'train', 'val': 'validation', 'test': 'test'}


class ThreeDPW(Writer):
    """One or two actors. Joints are detections with confidences; fewer than six in a frame are none at all.

    The fields of the body model (poses, trans, betas, jointPositions) and of the camera are not written.
    """

    def write(self, job: Job) -> dict[str, Any]:
        index, frame = divmod(job.index, FRAMES)
        people = [self.person(job.split, 'sequence', index, i) for i in range(1 + index % 2)]
        render = render_scene(self.rng(*job), size=self.scaled(*SIZE_HW), num_people=len(people), people=people,
                              camera_style=4000 + index, min_height=0.5, max_height=0.9)
        name = f'mini{FOLDERS[job.split].capitalize()}_walking_{index:02d}'
        write_image(self.root / f'imageFiles/{name}/image_{frame:05d}.jpg', render.image)
        rng = self.rng(*job, 'detector')
        return {'sequence': name, 'joints': [self._detected(x, rng) for x in render.people],
                'genders': [x.traits.gender[0] for x in people]}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        for split, frames in records.items():
            for start in range(0, len(frames), FRAMES):
                sequence = frames[start:start + FRAMES]
                valid = (np.arange(len(sequence)) != INVALID).astype(int)
                actors = range(len(sequence[0]['joints']))
                joints = [np.stack([x['joints'][actor] for x in sequence]) for actor in actors]
                for x in joints:
                    x[valid == 0] = x[valid == 0][..., ::-1]  # where the camera is lost nothing is right
                name = sequence[0]['sequence']
                write_pickle(self.root / f'sequenceFiles/{FOLDERS[split]}/{name}.pkl', {
                    'sequence': name, 'poses2d': joints, 'campose_valid': [valid.copy() for _ in actors],
                    'genders': sequence[0]['genders'], 'img_frame_ids': 2 * np.arange(len(sequence))})

    def _detected(self, person: PersonView, rng: np.random.Generator) -> np.ndarray:
        """(3, 18) x, y, confidence."""
        points, visible = keypoints(self.card, person)
        score = np.where(visible == 2, rng.uniform(0.6, 0.95, len(visible)), rng.uniform(0.05, 0.25, len(visible)))
        rows = np.column_stack([points + rng.normal(0, 0.5, points.shape), score]) * (visible > 0)[:, None]
        return rows.T * ((visible == 2).sum() >= 6)
