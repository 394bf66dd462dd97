"""Bags, scarves and held things. Lengths are fractions of stature (see wardrobe.Dresser)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from humanbench.minihuman.body import BONE
from humanbench.minihuman.primitives import BOX

if TYPE_CHECKING:
    from humanbench.minihuman.wardrobe import Dresser


def add_bag(dresser: Dresser) -> None:
    """Adds the bag of `dresser.traits`; straps over the trunk are decals of the trunk."""
    kind = dresser.traits.bag
    if kind != 'none':
        {
            'backpack': _backpack,
            'handbag': _handbag,
            'plastic_bag': _plastic_bag,
            'shoulder_bag': _shoulder_bag,
            'messenger_bag': _messenger_bag,
        }[kind](dresser)


def _backpack(d: Dresser) -> None:
    depth = d.width['chest'] * 0.70 + d.ease
    z = -depth - 0.030
    d.add(
        'chest', d.at(0.40, z=z), d.at(0.84, z=z + 0.004), 0.072, 0.064, 'bag', 'bag', scale=(1, 0.45, 0.62), folds=0.1
    )
    d.add('chest', d.at(0.38, z=z - 0.040), d.at(0.56, z=z - 0.036), 0.046, 0.044, 'bag', 'bag', scale=(1, 0.5, 0.4))


def _handbag(d: Dresser) -> None:
    x, y, z = d.rest[BONE['right_hand']] - (0, 0.05, 0)
    frame = 'right_carry'
    for s in (1, -1):
        d.add(frame, (x, y, z), (x, y - 0.075, z + s * 0.04), 0.0045, 0.0045, 'bag', 'bag')
    d.add(frame, (x, y - 0.125, z - 0.045), (x, y - 0.125, z + 0.045), 0.052, 0.052, 'bag', 'bag', scale=(0.5, 1, 1))


def _plastic_bag(d: Dresser) -> None:
    x, y, z = d.rest[BONE['right_hand']] - (0, 0.05, 0)
    d.add('right_carry', (x, y, z), (x, y - 0.075, z), 0.012, 0.045, 'bag', 'light', scale=(0.7, 1, 0.9), folds=0.35)
    d.add(
        'right_carry',
        (x, y - 0.07, z),
        (x, y - 0.145, z),
        0.050,
        0.062,
        'bag',
        'light',
        scale=(0.6, 0.8, 0.95),
        folds=0.35,
    )


def _shoulder_bag(d: Dresser) -> None:
    x = -(abs(d.rest[BONE['right_arm'], 0]) + 0.040)
    y = d.hip_y + 0.42 * d.trunk
    d.add('chest', (x, y, -0.045), (x, y, 0.035), 0.058, 0.058, 'bag', 'bag', scale=(0.55, 1, 1))
    for z in (-0.05, 0.04):
        d.add(
            'chest',
            (x, y + 0.04, z),
            (-abs(d.rest[BONE['right_arm'], 0]) + 0.01, d.rest[BONE['right_arm'], 1] + 0.035, 0),
            0.0055,
            0.0055,
            'bag',
            'bag',
        )


def _messenger_bag(d: Dresser) -> None:
    x = d.width['hips'] + d.ease + 0.030
    y = d.hip_y + 0.02 * d.trunk
    d.add('pelvis', (x, y, -0.055), (x, y, 0.05), 0.056, 0.056, 'bag', 'bag', scale=(0.5, 1.15, 1))
    for z in (-0.03, 0.035):
        d.add(
            'pelvis',
            (x, y + 0.03, z),
            (d.width['waist'] * 0.93, d.hip_y + 0.34 * d.trunk, z),
            0.007,
            0.007,
            'bag',
            'bag',
        )


def add_scarf(d: Dresser) -> None:
    """A scarf around the neck with one end hanging on the chest."""
    y = d.neck_y + 0.012
    d.add(
        'neck',
        (0, y, -0.002),
        (0, y + 0.012, -0.002),
        0.056,
        0.050,
        'scarf',
        'scarf',
        'neck',
        scale=(1, 0.5, 0.95),
        folds=0.3,
    )
    side = 1 if d.rng.integers(2) else -1
    z = d.width['chest'] * 0.70 + d.ease
    d.add(
        'chest',
        (side * 0.02, d.neck_y, z * 0.75),
        d.at(0.45, side * 0.03, z + 0.004),
        0.020,
        0.024,
        'scarf',
        'scarf',
        'upper_spine',
        scale=(1, 1, 0.45),
        folds=0.3,
    )


def add_held_object(d: Dresser) -> None:
    """A box or a ball between the hands."""
    x, y, z = 0.5 * (d.rest[BONE['left_hand']] + d.rest[BONE['right_hand']]) - (0, 0.045, 0)
    half = np.array([0.085, 0.060, 0.060]) * d.rng.uniform(0.75, 1.15, 3)
    if d.rng.integers(3):
        d.add(
            'lap',
            (x, y + 0.03, z + 0.04),
            (x, y + 0.03, z + 0.04),
            1 / d.h,
            1 / d.h,
            'held_object',
            'object',
            kind=BOX,
            scale=tuple(half * d.h),
        )
    else:
        d.add('lap', (x, y + 0.03, z + 0.05), (x, y + 0.03, z + 0.05), 0.07, 0.07, 'held_object', 'object')
