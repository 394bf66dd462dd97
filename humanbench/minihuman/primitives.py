"""The table of smooth primitives that bodies, clothes and props are made of, and its placement before a camera.

A primitive is a unit shape in local coordinates and an affine map to rest coordinates (millimetres):

* ``ROUND``: the convex hull of two spheres on the y axis, radius r1 at y=0 and r2 at y=length;
* ``FRUSTUM``: a cone piece with flat ends, radius r1 at y=0 and r2 at y=length;
* ``BOX``: the cube |x|, |y|, |z| <= 1.

Scaled axes turn circles into ellipses. A half space in local coordinates may cut a piece off (hair around a face).
"""

from dataclasses import dataclass

import numpy as np

from humanbench.minihuman.compiled import kernel

ROUND, FRUSTUM, BOX = 0, 1, 2
# columns of `ints`
KIND, FRAME, GARMENT, SEG_A, SEG_M, SEG_B, SEG_SPLIT, COLOUR, COLOUR2, PATTERN, DECALS, PERSON = range(12)
NUM_INTS = 12
# columns of `floats`
R1, R2, LENGTH, T_A, T_B, CLIP_X, CLIP_Y, CLIP_Z, CLIP_D, FOLDS = range(10)
NUM_FLOATS = 10


@dataclass(frozen=True)
class Table:
    """Primitives of one person or of a scene.

    Attributes:
        rest: (P, 3, 4) float64, local coordinates to rest coordinates, mm.
        floats: (P, NUM_FLOATS) float64, see the column names above.
        ints: (P, NUM_INTS) int32.
    """

    rest: np.ndarray
    floats: np.ndarray
    ints: np.ndarray

    def __len__(self) -> int:
        return len(self.rest)


class Builder:
    """Collects primitives in rest coordinates; lengths in mm."""

    def __init__(self) -> None:
        self._places: list[tuple] = []  # start (3), end (3), scale (3), turn, cut normal (3), cut point (3)
        self._floats: list[tuple] = []
        self._ints: list[tuple] = []

    def add(
        self,
        frame: int,
        start,
        end,
        r1: float,
        r2: float,
        *,
        garment: int,
        colour: int,
        segments=(0, 0, 0),
        scale=(1.0, 1.0, 1.0),
        kind: int = ROUND,
        limits=(0.0, 1.0),
        split: int = 0,
        pattern: int = 0,
        decals: int = 0,
        colour2: int = 0,
        cut=((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        folds: float = 0.0,
        turn: float = 0.0,
    ) -> None:
        """Adds one primitive along start -> end (3,), radii in mm across before `scale` (x, y, z).

        Args:
            segments: segment ids (near start, middle, near end); `limits` are the fractions of the axis between them.
            split: 1 takes the first id on the person's left (x > 0) and the last on the right.
            cut: (normal (3,), point (3,)) in rest coordinates: what lies against the normal is cut off.
            turn: radians about the vertical through `start`, for shapes without an axis (boxes).
        """
        self._places.append((*start, *end, *scale, turn, *cut[0], *cut[1]))
        self._floats.append((r1, r2, 0.0, *limits, 0.0, 0.0, 0.0, 0.0, folds))
        self._ints.append((kind, frame, garment, *segments, split, colour, colour2, pattern, decals, 0))

    def add_box(self, frame: int, centre, half, **keys) -> None:
        """Adds a box at `centre` with half sizes `half` (3,)."""
        self.add(frame, centre, centre, 1.0, 1.0, kind=BOX, scale=half, **keys)

    def table(self) -> Table:
        """The collected primitives."""
        n = len(self._places)
        floats = np.array(self._floats, dtype=np.float64).reshape(n, NUM_FLOATS)
        rest = _local_frames(np.array(self._places, dtype=np.float64).reshape(n, 16), floats)
        return Table(rest, floats, np.array(self._ints, dtype=np.int32).reshape(n, NUM_INTS))


@kernel
def _local_frames(places, floats):
    """(n, 16) places -> (n, 3, 4) local-to-rest maps; fills the length and clip columns of `floats`."""
    out = np.empty((places.shape[0], 3, 4))
    for i in range(places.shape[0]):
        start, end, scale = places[i, 0:3], places[i, 3:6], places[i, 6:9]
        y = end - start
        length = np.sqrt((y * y).sum())
        y = y / length if length > 1e-6 else np.array([0.0, 1.0, 0.0])
        helper = np.array([1.0, 0.0, 0.0]) if abs(y[0]) < 0.9 else np.array([0.0, 0.0, 1.0])
        x = helper - y * (helper * y).sum()
        x = x / np.sqrt((x * x).sum())
        z = np.array([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]])
        c, s = np.cos(places[i, 9]), np.sin(places[i, 9])
        x, z = c * x - s * z, s * x + c * z
        floats[i, 2] = length / scale[1]
        floats[i, 8] = ((places[i, 13:16] - start) * places[i, 10:13]).sum()
        for k in range(3):
            out[i, k, 0], out[i, k, 1], out[i, k, 2], out[i, k, 3] = (
                x[k] * scale[0],
                y[k] * scale[1],
                z[k] * scale[2],
                start[k],
            )
        for k in range(3):
            floats[i, 5 + k] = (out[i, :, k] * places[i, 10:13]).sum()
    return out


def concatenate(tables: list[Table]) -> Table:
    """Joins tables; the PERSON column of table i is set to i."""
    ints = np.concatenate([t.ints for t in tables])
    ints[:, PERSON] = np.repeat(np.arange(len(tables)), [len(t) for t in tables])
    return Table(np.concatenate([t.rest for t in tables]), np.concatenate([t.floats for t in tables]), ints)


@kernel
def place(rest, frames, frame_of, turn, shift):
    """Local coordinates -> camera frame: (P, 3, 4) = [turn | shift] @ frames[frame_of] @ rest.

    Args: rest (P, 3, 4); frames (F, 3, 4); frame_of (P,); turn (3, 3); shift (3,).
    """
    out = np.empty_like(rest)
    world = np.empty_like(frames)
    for f in range(frames.shape[0]):
        world[f] = compose(turn, shift, frames[f])
    for p in range(rest.shape[0]):
        w = world[frame_of[p]]
        out[p] = compose(w[:, :3], w[:, 3], rest[p])
    return out


@kernel
def compose(linear, offset, inner):
    """(3, 4) affine: x -> linear @ (inner x) + offset."""
    out = np.empty((3, 4))
    for i in range(3):
        for j in range(4):
            out[i, j] = linear[i, 0] * inner[0, j] + linear[i, 1] * inner[1, j] + linear[i, 2] * inner[2, j]
        out[i, 3] += offset[i]
    return out


@kernel
def _conic_bounds(m, spread_y, focal, cx, cy, box):
    """Grows `box` (xyxy) by the image of the unit ball (with spread_y 0: the disc in x, z) under `m` (3, 4)."""
    q = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            q[i, j] = m[i, 0] * m[j, 0] + spread_y * m[i, 1] * m[j, 1] + m[i, 2] * m[j, 2] - m[i, 3] * m[j, 3]
    if m[2, 3] <= 1 or q[2, 2] >= 0:  # reaches behind the camera: covers everything
        box[0], box[1], box[2], box[3] = -1e9, -1e9, 1e9, 1e9
        return
    for axis, centre in ((0, cx), (1, cy)):
        mid = q[axis, 2] / q[2, 2]
        half = np.sqrt(max(mid * mid - q[axis, axis] / q[2, 2], 0.0))
        box[axis] = min(box[axis], focal * (mid - half) + centre)
        box[axis + 2] = max(box[axis + 2], focal * (mid + half) + centre)


@kernel
def bounds(camera, floats, ints, focal, cx, cy):
    """Exact image boxes of primitives (cuts ignored). Returns (P, 4) float64 xyxy in 0-based pixel coordinates."""
    n = camera.shape[0]
    out = np.empty((n, 4))
    m = np.empty((3, 4))
    for p in range(n):
        box = out[p]
        box[0], box[1], box[2], box[3] = 1e9, 1e9, -1e9, -1e9
        if ints[p, 0] == 2:
            _corner_bounds(camera[p], focal, cx, cy, box)
            continue
        spread = 1.0 if ints[p, 0] == 0 else 0.0
        for end in range(2):
            m[:, :3] = camera[p][:, :3] * floats[p, end]
            m[:, 3] = camera[p][:, 3] + camera[p][:, 1] * (floats[p, 2] * end)
            _conic_bounds(m, spread, focal, cx, cy, box)
    return out


@kernel
def _corner_bounds(m, focal, cx, cy, box):
    for i in range(8):
        a, b, c = (i & 1) * 2 - 1, (i & 2) - 1, ((i & 4) >> 1) - 1
        z = m[2, 0] * a + m[2, 1] * b + m[2, 2] * c + m[2, 3]
        if z <= 1:
            box[0], box[1], box[2], box[3] = -1e9, -1e9, 1e9, 1e9
            return
        u = focal * (m[0, 0] * a + m[0, 1] * b + m[0, 2] * c + m[0, 3]) / z + cx
        v = focal * (m[1, 0] * a + m[1, 1] * b + m[1, 2] * c + m[1, 3]) / z + cy
        box[0], box[1] = min(box[0], u), min(box[1], v)
        box[2], box[3] = max(box[2], u), max(box[3], v)
