"""Things that are not people: poles, boxes, cars, benches, trees; in front of people they are occluders."""

import numpy as np

from humanbench.minihuman.labels import GARMENT
from humanbench.minihuman.primitives import FRUSTUM, Builder

_PROP = {'garment': GARMENT['occluder']}
# colours of props by row
_PAINT, _PAINT2, _METAL, _WOOD, _LEAF, _TYRE, _GLASS, _STONE = range(8)


def prop_palette(rng: np.random.Generator) -> np.ndarray:
    """(8, 3) sRGB colours for one scene's props."""
    paints = np.array(
        [(168, 40, 42), (44, 74, 140), (220, 220, 218), (48, 50, 54), (120, 124, 128), (204, 172, 70), (64, 110, 84)],
        dtype=np.float64,
    )
    first, second = rng.choice(len(paints), 2, replace=False)
    fixed = np.array([(112, 116, 122), (124, 88, 58), (70, 106, 48), (30, 30, 32), (70, 84, 96), (168, 162, 152)])
    return np.concatenate([paints[[first, second]], fixed * rng.uniform(0.85, 1.15, (6, 1))])


def add_pole(b: Builder, rng: np.random.Generator, x: float, z: float) -> None:
    """A lamp post."""
    radius = rng.uniform(45, 95)
    b.add(0, (x, 0, z), (x, 5200, z), radius, radius * 0.8, kind=FRUSTUM, colour=_METAL, **_PROP)
    b.add(0, (x, 0, z), (x, 320, z), radius * 1.7, radius * 1.5, kind=FRUSTUM, colour=_METAL, **_PROP)


def add_box(b: Builder, rng: np.random.Generator, x: float, z: float, height: float | None = None) -> None:
    """A crate, bin or cabinet."""
    half = np.array([rng.uniform(200, 420), 0.5 * (height or rng.uniform(500, 1250)), rng.uniform(200, 400)])
    colour = int(rng.choice((_PAINT, _PAINT2, _WOOD, _STONE)))
    turn = rng.uniform(-0.6, 0.6)
    b.add_box(0, (x, half[1], z), half, turn=turn, colour=colour, **_PROP)
    b.add_box(0, (x, 2 * half[1], z), half * (1.05, 0.05, 1.05), turn=turn, colour=_METAL, **_PROP)


def add_car(b: Builder, rng: np.random.Generator, x: float, z: float) -> None:
    """A car seen from the side: body, bonnet and boot, cabin, wheels, lamps."""
    paint = int(rng.choice((_PAINT, _PAINT2)))
    nose = int(rng.choice((-1, 1)))
    b.add(0, (x - 1750, 560, z), (x + 1750, 560, z), 300, 300, scale=(1, 0.6, 2.7), colour=paint, **_PROP)
    b.add(0, (x - 1650, 760, z), (x + 1650, 760, z), 190, 190, scale=(1, 1.4, 4.1), colour=paint, **_PROP)
    b.add(
        0,
        (x + nose * -1150, 1020, z),
        (x + nose * 450, 1020, z),
        380,
        380,
        scale=(1, 1.1, 1.75),
        colour=_GLASS,
        **_PROP,
    )
    b.add(
        0, (x + nose * -900, 1330, z), (x + nose * 250, 1330, z), 120, 110, scale=(1, 1.6, 5.0), colour=paint, **_PROP
    )
    for post in (-1.0, -0.35, 0.35):
        b.add_box(0, (x + nose * (post * 900 - 250), 1090, z), (35, 270, 640), colour=paint, **_PROP)
    b.add_box(0, (x, 545, z), (1900, 40, 815), colour=_TYRE, **_PROP)
    for dx in (-1200, 1250):
        for dz in (-700, 700):
            b.add(
                0,
                (x + dx, 320, z + dz - 110),
                (x + dx, 320, z + dz + 110),
                320,
                320,
                kind=FRUSTUM,
                colour=_TYRE,
                **_PROP,
            )
            b.add(
                0,
                (x + dx, 320, z + dz - 120),
                (x + dx, 320, z + dz + 120),
                190,
                190,
                kind=FRUSTUM,
                colour=_METAL,
                **_PROP,
            )


def add_tree(b: Builder, rng: np.random.Generator, x: float, z: float) -> None:
    """A trunk with a crown."""
    height = rng.uniform(2200, 3400)
    b.add(0, (x, 0, z), (x, height, z), rng.uniform(120, 220), 100, kind=FRUSTUM, colour=_WOOD, folds=0.3, **_PROP)
    for _ in range(5):
        dx, dy, dz = rng.normal(0, (600, 350, 500))
        r = rng.uniform(600, 1000)
        b.add(
            0,
            (x + dx, height + 700 + dy, z + dz),
            (x + dx, height + 700 + dy, z + dz),
            r,
            r,
            colour=_LEAF,
            folds=0.5,
            **_PROP,
        )


def add_seat(b: Builder, x: float, z: float, yaw: float, height: float) -> None:
    """A block to sit on, its front edge under the knees; `height` of its top, mm."""
    b.add_box(
        0,
        (x - 60 * np.sin(yaw), 0.5 * height, z - 60 * np.cos(yaw)),
        (260, 0.5 * height, 200),
        turn=yaw,
        colour=_WOOD,
        **_PROP,
    )


def add_background_props(b: Builder, rng: np.random.Generator, behind: float, spread: float) -> None:
    """Zero to three things `behind` mm or more behind the origin, within +- `spread` mm."""
    makers = (add_pole, add_box, add_car, add_tree, add_box)
    for _ in range(int(rng.integers(0, 4))):
        make = makers[int(rng.integers(len(makers)))]
        far = behind + rng.uniform(0, 6000) + (2500 if make is add_car else 0)
        make(b, rng, rng.uniform(-spread, spread), -far)
