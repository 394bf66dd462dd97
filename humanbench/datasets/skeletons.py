"""Skeleton files of NTU RGB+D: text, the joints of every body in every frame, in both views of a Kinect.

Line by line: the number of frames; for each frame the number of bodies; for each body a line of ten numbers, the number
of joints, and a line of twelve numbers for each joint: x, y, z (metres, in the frame of the depth camera), x, y in the
depth image, x, y in the colour image (pixels), four of the orientation, and how well it was tracked.
"""
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .base import reading
from .pose import LARGEST

JOINTS = 25
NUMBERS = 12  # of a joint
_EXPECTED = 'a skeleton file: numbers of frames, bodies and joints, and 12 numbers for each joint'
_FARTHEST = 100.0  # metres; nothing that a Kinect sees is farther away


class Skeleton(NamedTuple):
    """The joints of one body in one frame.

    Attributes:
        places: (25, 3) float32 metres, in the frame of the depth camera.
        depth: (25, 2) float32 x, y in pixels of the depth image.
        colour: (25, 2) float32 x, y in pixels of the colour image.
        known: (25,) which were tracked, or inferred, and have numbers in all three. All zeros for the others.
    """
    places: np.ndarray
    depth: np.ndarray
    colour: np.ndarray
    known: np.ndarray


class SkeletonFile:
    """The skeletons of one clip; lines are parsed when they are asked for.

    Args:
        path: of the file.

    Raises:
        DataError: it cannot be read, or its numbers of bodies and joints do not fit its lines.
    """

    def __init__(self, path: Path):
        self.path = path
        with reading(path, _EXPECTED):
            self._lines = path.read_text(encoding='ascii').splitlines()
            self._starts = list(_first_bodies(self._lines))

    def __len__(self) -> int:
        return len(self._starts)

    def has_body(self, frame: int) -> bool:
        """Whether a body with 25 joints is in a frame, counted from 0; none is after the last frame."""
        return 0 <= frame < len(self) and self._starts[frame] is not None

    def body(self, frame: int) -> Skeleton:
        """The first body with 25 joints in a frame that has one.

        Raises:
            DataError: its lines are no joints.
        """
        start = self._starts[frame]
        with reading(self.path, _EXPECTED):
            rows = np.array([x.split() for x in self._lines[start:start + JOINTS]], np.float64)
            if rows.shape != (JOINTS, NUMBERS):
                raise ValueError(f'frame {frame} has joints of {rows.shape[1:]} numbers')
        with np.errstate(invalid='ignore'):
            known = ((np.abs(rows[:, :3]) <= _FARTHEST).all(1) & (np.abs(rows[:, 3:7]) <= LARGEST).all(1)
                     & (rows[:, 11] > 0))
        rows = np.where(known[:, None], rows, 0).astype(np.float32)
        return Skeleton(rows[:, :3], rows[:, 3:5], rows[:, 5:7], known)


def _first_bodies(lines: Sequence[str]) -> Iterator[int | None]:
    """For every frame the line at which the joints of its first whole body begin."""
    at = 1
    for _ in range(int(lines[0])):
        bodies, first = int(lines[at]), None
        at += 1
        for _ in range(bodies):
            joints = int(lines[at + 1])
            if joints < 0:
                raise ValueError(f'line {at + 2} has {joints} joints')
            if joints == JOINTS and first is None:
                first = at + 2
            at += 2 + joints
            if at > len(lines):
                raise ValueError('it ends within a body')
        yield first
