"""MPI-INF-3DHP: two sequences of eight subjects, each filmed by cameras all around; frames already extracted."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import JOINTS
from .base import Job, Writer
from .files import cells, write_image, write_mat
from .studio import film, studio_pose

CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)  # of the 14 that film
SEQUENCES = tuple(f'S{s}/Seq{q}' for s in range(1, 9) for q in (1, 2))
SIDE = 224
HEAD = ('left_ear', 'right_ear')
BODY = (  # the 28 annotated joints; where the body has none of the name, one that is near
    'thorax', 'neck', 'spine', 'spine', 'pelvis', 'neck', HEAD, 'head_top',
    'thorax', 'left_shoulder', 'left_elbow', 'left_wrist', 'left_hand',
    'thorax', 'right_shoulder', 'right_elbow', 'right_wrist', 'right_hand',
    'left_hip', 'left_knee', 'left_ankle', 'left_foot', 'left_foot',
    'right_hip', 'right_knee', 'right_ankle', 'right_foot', 'right_foot')


class MPIInf3DHP(Writer):
    """Images in multiples of eight, one from each camera that is used. Cameras that are not used have zeros."""

    def write(self, job: Job) -> dict[str, Any]:
        take, index = divmod(job.index, len(CAMERAS))
        frame, number = divmod(take, len(SEQUENCES))
        sequence = SEQUENCES[number]
        person = self.person(job.split, sequence.split('/')[0])
        render = film(person, studio_pose(self.rng(job.split, 'moment', take)), index, len(CAMERAS),
                      self.scaled(SIDE, SIDE), 5000 + index, self.rng(*job))
        write_image(self.root / f'{sequence}/video_{CAMERAS[index]}/frame_{frame + 1:06d}.jpg', render.image)
        view = render.people[0]
        return {'sequence': sequence, 'points': _body(view.joints).ravel(), 'places': _body(view.joints_3d).ravel()}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        rows = records['train']
        assert len(rows) % len(CAMERAS) == 0, 'every moment is filmed by every camera'
        for sequence in dict.fromkeys(x['sequence'] for x in rows):
            here = [x for x in rows if x['sequence'] == sequence]
            values = {}
            for name, key in (('annot2', 'points'), ('annot3', 'places')):
                filmed = [np.stack([x[key] for x in here[i::len(CAMERAS)]]).astype(float) for i in range(len(CAMERAS))]
                values[name] = cells(filmed[CAMERAS.index(camera)] if camera in CAMERAS else np.zeros_like(filmed[0])
                                     for camera in range(14))
            write_mat(self.root / sequence / 'annot.mat', {
                **values, 'cameras': np.arange(14.0)[None], 'frames': np.arange(len(here) / len(CAMERAS))[:, None]})


def _body(joints: np.ndarray) -> np.ndarray:
    """(28, ...) annotated joints from (NUM_JOINTS, ...)."""
    return np.stack([np.asarray(joints)[[JOINTS.index(x) for x in ((name,) if isinstance(name, str) else name)]].mean(0)
                     for name in BODY])
