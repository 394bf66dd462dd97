"""AIST++: dancers filmed by nine cameras; 3-D joints, the cameras, and what a detector saw in each view."""
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from .base import Job, Writer
from .files import write_image, write_json, write_lines, write_pickle
from .keypoints import middles
from .studio import film, studio_camera, studio_extrinsics, studio_pose

VIEWS = tuple(f'c{i:02d}' for i in range(1, 10))
FRAMES = 2   # extracted of a sequence, STRIDE apart
STRIDE = 10
SIZE_HW = (208, 240)
SETTING = 'setting1'
FIRST = {'train': 0, 'val': 100, 'test': 200}
IGNORED = 'gBR_sBM_cAll_d99_mBR9_ch99'  # annotated, on the list of what is to be left out, and without frames


class AIST(Writer):
    """Images in multiples of nine. Between the extracted frames joints are interpolated; lengths are in centimetres."""

    def write(self, job: Job) -> dict[str, Any]:
        take, view = divmod(job.index, len(VIEWS))
        sequence, frame = divmod(take, FRAMES)
        number = FIRST[job.split] + sequence
        name = f'gBR_sBM_cAll_d{number % 30:02d}_mBR{number % 6}_ch{number:02d}'
        size = self.scaled(*SIZE_HW)
        moment = studio_pose(self.rng(job.split, 'moment', take))
        render = film(self.person(job.split, 'dancer', sequence), moment, view, len(VIEWS), size, 6000 + view,
                      self.rng(*job))
        video = name.replace('cAll', VIEWS[view])
        write_image(self.root / f'images/{video}/{STRIDE * frame:06d}.jpg', render.image)
        person = render.people[0]
        rotation, shift = studio_extrinsics(view, len(VIEWS), size)
        return {'sequence': name, 'points': middles(self.card, person.joints),
                'places': (middles(self.card, person.joints_3d) - shift) @ rotation / 10, 'size': size}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        names: list[str] = []
        for split, rows in records.items():
            assert len(rows) % len(VIEWS) == 0, 'every moment is filmed by every camera'
            own = list(dict.fromkeys(x['sequence'] for x in rows))
            for name in own:
                self._sequence(name, [x for x in rows if x['sequence'] == name])
            write_lines(self.root / f'splits/pose_{split}.txt', own)
            names += own
        first = [x for x in records['train'] if x['sequence'] == names[0]]
        self._sequence(IGNORED, first)
        write_lines(self.root / 'ignore_list.txt', [IGNORED])
        write_lines(self.root / 'cameras/mapping.txt', [f'{x} {SETTING}' for x in [*names, IGNORED]])
        write_json(self.root / f'cameras/{SETTING}.json',
                   [self._camera(i, first[0]['size']) for i in range(len(VIEWS))])

    def _sequence(self, name: str, rows: list[dict[str, Any]]) -> None:
        rng = self.rng('detector', name)
        places = _between(np.stack([x['places'] for x in rows[::len(VIEWS)]]))
        views = [_between(np.stack([x['points'] for x in rows[i::len(VIEWS)]])) for i in range(len(VIEWS))]
        detected = np.stack(views) + rng.normal(0, 0.7, np.shape(views))
        scores = rng.uniform(0.5, 1, detected.shape[:-1])
        write_pickle(self.root / f'keypoints3d/{name}.pkl', {
            'keypoints3d': places + rng.normal(0, 1.0, places.shape), 'keypoints3d_optim': places})
        write_pickle(self.root / f'keypoints2d/{name}.pkl', {
            'keypoints2d': np.concatenate([detected, scores[..., None]], -1), 'det_scores': scores.mean(-1),
            'timestamps': np.arange(len(places)) * 1e6 / 60})

    @staticmethod
    def _camera(index: int, size: tuple[int, int]) -> dict[str, Any]:
        camera = studio_camera(index, size)
        rotation, shift = studio_extrinsics(index, len(VIEWS), size)
        matrix = [[camera.focal, 0, camera.centre[0]], [0, camera.focal, camera.centre[1]], [0, 0, 1]]
        return {'name': VIEWS[index], 'size': [size[1], size[0]], 'matrix': matrix,
                'rotation': cv2.Rodrigues(rotation)[0].ravel(), 'translation': shift / 10, 'distortions': [0.0] * 5}


def _between(values: np.ndarray) -> np.ndarray:
    """What was seen every STRIDE frames, for every frame."""
    times = np.arange(STRIDE * (len(values) - 1) + 1) / STRIDE
    low = np.minimum(times.astype(int), max(len(values) - 2, 0))
    share = (times - low).reshape(-1, *[1] * (values.ndim - 1))
    return values[low] * (1 - share) + values[np.minimum(low + 1, len(values) - 1)] * share
