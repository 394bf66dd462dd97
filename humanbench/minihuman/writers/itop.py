"""ITOP, side view: depth of rooms with one person in each, in metres, and the person's joints in pixels and metres."""
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..camera import Camera, look
from ..poses import random_pose
from ..scene import Render, render_staged
from .base import Job, Writer
from .files import write_h5, write_mat
from .keypoints import keypoints, middles

SIZE_HW = (240, 320)  # in every edition: the camera is known by it
FOCAL, CENTRE = 1 / 0.0035, (160.0, 120.0)
NEAREST, FARTHEST = 2400.0, 3400.0  # mm at which people stand
WALL = (3800.0, 4600.0)             # mm at which it stands behind them
POSES = ('stand', 'walk', 'reach', 'bend')
INVALID_EVERY = 7  # so often joints are those of a tracker that has lost the person
BOX_MARGIN = 8     # pixels


class Frame(NamedTuple):
    """One frame: packed float16 metres, (15, 2) pixels, (15, 3) metres with y upwards, whether they are right, and the
    box x1, y1, x2, y2 of the person."""
    depth: bytes
    points: np.ndarray
    places: np.ndarray
    valid: bool
    box: np.ndarray


class ITOP(Writer):
    """A person in each frame. A detector's boxes of the test frames lie beside, as A2J has them."""

    def write(self, job: Job) -> Frame:
        rng = self.rng(*job, 'scene')
        camera = look((0.0, rng.uniform(900, 1400), 0.0), rng.uniform(-0.02, 0.1), FOCAL, CENTRE)
        pose = POSES[rng.integers(len(POSES))]
        spot = rng.uniform(-400, 400), -rng.uniform(NEAREST, FARTHEST)
        render = render_staged(self.person(*job), self.rng(*job), SIZE_HW, camera, 9000, pose, random_pose(rng, pose),
                               rng.uniform(-1.2, 1.2), spot)
        metres = np.where(render.depth_mm > 0, render.depth_mm, self._room(camera, rng.uniform(*WALL))) / 1000
        points, _ = keypoints(self.card, render.people[0])
        places = middles(self.card, render.people[0].joints_3d) * (1, -1, 1) / 1000
        valid = job.index % INVALID_EVERY != INVALID_EVERY - 1
        if not valid:
            points, places = points[::-1], places + rng.normal(0, 0.4, places.shape)
        return Frame(zlib.compress(metres.astype(np.float16).tobytes(), 1), points.astype(np.float32),
                     places.astype(np.float32), valid, self._box(render))

    @staticmethod
    def _room(camera: Camera, wall: float) -> np.ndarray:
        """(H, W) mm to the floor or to the wall, whichever is nearer."""
        rows = (np.arange(SIZE_HW[0]) - camera.centre[1]) / camera.focal
        rays = np.stack([np.zeros_like(rows), rows, np.ones_like(rows)], -1) @ camera.rotation  # in the world
        with np.errstate(divide='ignore'):
            floor = np.where(rays[:, 1] < 0, camera.position[1] / -rays[:, 1], np.inf)
            ahead = np.where(rays[:, 2] < 0, wall / -rays[:, 2], np.inf)
        return np.broadcast_to(np.minimum(floor, ahead)[:, None], SIZE_HW)

    @staticmethod
    def _box(render: Render) -> np.ndarray:
        height, width = SIZE_HW
        low, high = np.split(np.asarray(render.people[0].visible_box, float), 2)
        return np.concatenate([low - BOX_MARGIN, high + BOX_MARGIN]).clip(0, [width - 1, height - 1] * 2)

    def finish(self, records: Mapping[str, list[Frame]]) -> None:
        for split, frames in records.items():
            depth = np.stack([np.frombuffer(zlib.decompress(x.depth), np.float16).reshape(SIZE_HW) for x in frames])
            names = np.array([f'{i % 4:02d}_{i:05d}' for i in range(len(frames))], 'S8')
            write_h5(self.root / f'ITOP_side_{split}_depth_map.h5', {'id': names, 'data': depth})
            write_h5(self.root / f'ITOP_side_{split}_labels.h5', {
                'id': names, 'is_valid': np.array([x.valid for x in frames], np.uint8),
                'image_coordinates': np.stack([x.points for x in frames]).round().astype(np.int16),
                'real_world_coordinates': np.stack([x.places for x in frames])})
        write_mat(self.root / 'itop_side_bndbox_test.mat',
                  {'FRbndbox_test': np.stack([x.box for x in records['test'] if x.valid])})
