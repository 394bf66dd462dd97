"""Heads: skull, nose, ears, hair, hats. Lengths in units of `Body.head_size` from the skull's pivot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from humanbench.minihuman import labels as lb
from humanbench.minihuman.body import BONE
from humanbench.minihuman.labels import GARMENT, HUE, SEGMENT
from humanbench.minihuman.primitives import FRUSTUM

if TYPE_CHECKING:
    from humanbench.minihuman.traits import Traits
    from humanbench.minihuman.wardrobe import Dresser

_CRANIUM = (0.0, 0.073, -0.005)
_RADII = (0.0455, 0.058, 0.0565)


class _Head:
    """Adds primitives in head units."""

    def __init__(self, dresser) -> None:
        self.builder, self.unit = dresser.b, dresser.body.head_size
        self.origin = np.array([0.0, dresser.body.rest[BONE['head'], 1], 0.0])

    def add(self, start, end, r1: float, r2: float, garment: str, colour: str, cut=None, **keys) -> None:
        start, end = (self.origin + np.asarray(p) * self.unit for p in (start, end))
        if cut is not None:
            keys['cut'] = (cut[0], self.origin + np.asarray(cut[1]) * self.unit)
        self.builder.add(
            BONE['head'],
            start,
            end,
            r1 * self.unit,
            r2 * self.unit,
            garment=GARMENT[garment],
            colour=HUE[colour],
            segments=(SEGMENT['head'],) * 3,
            **keys,
        )

    def shell(self, thickness: float, garment: str, colour: str, cut=None, lift: float = 0.0, **keys) -> None:
        """An ellipsoid around the cranium."""
        centre = (_CRANIUM[0], _CRANIUM[1] + lift, _CRANIUM[2])
        radius = 1 / self.unit  # the scale alone carries the size
        self.add(
            centre,
            centre,
            radius,
            radius,
            garment,
            colour,
            cut,
            scale=tuple((r + thickness) * self.unit for r in _RADII),
            **keys,
        )


def add_head(dresser: Dresser) -> None:
    """Adds head, hair and hat of `dresser` (a wardrobe.Dresser)."""
    t, rng = dresser.traits, dresser.rng
    head = _Head(dresser)
    face = {'garment': 'face', 'colour': 'skin', 'decals': lb.FACE}
    head.shell(0.0, **face)
    wide = 0.0385 if t.gender == 'female' else 0.041
    head.add((0, 0.044, 0.006), (0, 0.014, 0.026), wide, 0.0215 if t.gender == 'female' else 0.0255, **face)
    head.add((0, 0.066, 0.047), (0, 0.0475, 0.058), 0.0055, 0.0088, 'face', 'skin')
    for s in (1, -1):
        head.add(
            (s * 0.0465, 0.058, -0.004), (s * 0.0455, 0.047, -0.002), 0.013, 0.008, 'face', 'skin', scale=(0.4, 1, 0.8)
        )
    if t.hair != 'bald':
        _add_hair(head, t, rng)
    if t.hat:
        _add_hat(head, rng)


def _add_hair(head: _Head, t: Traits, rng: np.random.Generator) -> None:
    hair = {'garment': 'hair', 'colour': 'hair', 'pattern': lb.HAIR_STRANDS}
    full = rng.uniform(0.005, 0.011) if t.hair == 'short' else rng.uniform(0.009, 0.014)
    hairline = rng.uniform(0.103, 0.112)
    tilt = rng.uniform(0.75, 1.1)
    normal = np.array([0.0, tilt, -1.0])
    head.shell(full, cut=(normal, (0, hairline, 0.042)), lift=0.004, **hair)
    if t.hair == 'short':
        if t.gender == 'female':  # a bob around ears and nape
            head.add((0, 0.085, -0.014), (0, 0.022, -0.020), 0.054, 0.047, cut=((0, 0.2, -1), (0, 0.05, 0.012)), **hair)
        return
    style = rng.integers(3)
    if style == 0:  # tied at the back
        head.add((0, 0.085, -0.060), (0, 0.070, -0.080), 0.016, 0.018, **hair)
        head.add((0, 0.070, -0.078), (0, -0.045, -0.082), 0.019, 0.010, **hair)
        return
    length = rng.uniform(0.06, 0.14)
    head.add(
        (0, 0.080, -0.016),
        (0, 0.005 - length, -0.044),
        0.054,
        0.050,
        scale=(1, 1, 0.62),
        cut=((0, 0.1, -1), (0, 0.05, 0.014)),
        **hair,
    )
    for s in (1, -1):
        head.add((s * 0.044, 0.085, 0.006), (s * 0.047, 0.01 - length * 0.8, 0.012), 0.013, 0.015, **hair)


def _add_hat(head: _Head, rng: np.random.Generator) -> None:
    style = rng.integers(3)
    if style == 0:  # a cap with a visor
        head.shell(0.013, 'hat', 'hat', cut=((0, 1, -0.12), (0, 0.088, 0.05)), lift=0.006)
        head.add((0, 0.094, 0.046), (0, 0.090, 0.080), 0.036, 0.030, 'hat', 'hat', scale=(1, 0.9, 0.16))
    elif style == 1:  # a hat with a brim
        head.add((0, 0.098, -0.004), (0, 0.102, -0.004), 0.092, 0.086, 'hat', 'hat', kind=FRUSTUM, scale=(1, 1, 1.08))
        head.add((0, 0.100, -0.004), (0, 0.152, -0.004), 0.058, 0.048, 'hat', 'hat', kind=FRUSTUM, scale=(1, 1, 1.14))
    else:  # a knitted cap
        head.shell(0.014, 'hat', 'hat', cut=((0, 1, -0.25), (0, 0.098, 0.05)), lift=0.010, pattern=lb.KNIT)
        head.add((0, 0.150, -0.01), (0, 0.150, -0.01), 0.014, 0.014, 'hat', 'hat')
