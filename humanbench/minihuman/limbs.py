"""Arms, hands, legs and feet, bare or in sleeves, trousers, socks and shoes; `d` is a wardrobe.Dresser.

Lengths are fractions of stature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from humanbench.minihuman import labels as lb
from humanbench.minihuman.body import BONE
from humanbench.minihuman.primitives import FRUSTUM

if TYPE_CHECKING:
    import numpy as np

    from humanbench.minihuman.wardrobe import Dresser


def add_arm(d: Dresser, side: str, s: int) -> None:
    """Arm and hand of `side`; `s` is +1 on the left, -1 on the right."""
    t, g, e = d.traits, d.body.girth, d.ease
    shoulder, elbow, wrist = (d.rest[BONE[f'{side}_{part}']] for part in ('arm', 'forearm', 'hand'))
    r0, r1, r2, r3 = 0.0285 * g, 0.0250 * g, 0.0245 * g, 0.0165 * (0.5 + 0.5 * g)
    up_seg = (f'{side}_shoulder', f'{side}_arm', f'{side}_elbow')
    low_seg = (f'{side}_elbow', f'{side}_forearm', f'{side}_hand')
    style = {k: v for k, v in d.upper_style().items() if k != 'decals'}
    if t.upper_pattern == 'splice' and not t.coat:
        style.update(colour='upper2', pattern=lb.PLAIN)
    sleeve = 'long' if t.coat else t.sleeve
    bare = {'garment': 'skin', 'colour': 'skin'}
    loose = 0.7 * e + (0.003 if sleeve == 'short' else 0.001)
    if sleeve == 'long':
        d.add(f'{side}_arm', shoulder, elbow, r0 + loose, r1 + loose, segments=up_seg, limits=(0.18, 0.84), **style)
        d.add(
            f'{side}_forearm',
            elbow,
            wrist + (0, 0.006, 0),
            r2 + loose,
            r3 + loose,
            segments=low_seg,
            limits=(0.16, 0.99),
            **style,
        )
    else:
        d.add(f'{side}_arm', shoulder, elbow, r0, r1, segments=up_seg, limits=(0.18, 0.84), **bare)
        d.add(f'{side}_forearm', elbow, wrist, r2, r3, segments=low_seg, limits=(0.16, 0.99), **bare)
        if sleeve == 'short':
            hem = shoulder + (elbow - shoulder) * 0.55
            d.add(
                f'{side}_arm',
                hem,
                shoulder + (0, 0.004, 0),
                r1 + 0.008 + loose,
                r0 + loose,
                kind=FRUSTUM,
                segments=(f'{side}_arm', f'{side}_arm', f'{side}_shoulder'),
                limits=(0, 0.7),
                **style,
            )
            d.add(f'{side}_arm', shoulder, shoulder, r0 + loose, r0 + loose, segments=f'{side}_shoulder', **style)
    _add_hand(d, side, s, wrist)


def _add_hand(d: Dresser, side: str, s: int, wrist: np.ndarray) -> None:
    t = d.traits
    name = 'glove' if t.gloves else 'skin'
    cover = {'garment': name, 'colour': name}
    size = 0.0135 + 0.003 * t.gloves
    tip = wrist - (0, 0.052, -0.004)
    d.add(
        f'{side}_hand',
        wrist,
        wrist - (0, 0.034, 0),
        size,
        size * 1.55,
        segments=f'{side}_hand',
        scale=(0.75, 1, 1),
        **cover,
    )
    d.add(
        f'{side}_hand',
        wrist - (0, 0.036, 0),
        tip - (0, 0.020, 0),
        size * 1.4,
        size * 0.75,
        segments=f'{side}_hand',
        scale=(0.62, 1, 1),
        decals=lb.FINGERS,
        **cover,
    )
    d.add(
        f'{side}_hand',
        wrist - (0, 0.02, -0.012),
        wrist - (s * 0.006, 0.047, -0.028),
        size * 0.6,
        size * 0.5,
        segments=f'{side}_hand',
        **cover,
    )


def add_leg(d: Dresser, side: str) -> None:
    """Thigh and shin, bare or in trousers, or bare below shorts."""
    t, g = d.traits, d.body.girth
    hip, knee, ankle = (d.rest[BONE[f'{side}_{part}']] for part in ('thigh', 'shin', 'foot'))
    r0 = (0.058 if d.body.female else 0.055) * (0.4 + 0.6 * g)
    r1, r2, r3 = 0.0345 * (0.5 + 0.5 * g), 0.031 * (0.5 + 0.5 * g), 0.0205
    thigh = (f'{side}_hip', f'{side}_thigh', f'{side}_knee')
    calf = (f'{side}_knee', f'{side}_calf', f'{side}_foot')
    hip = hip - (0, 0.012, 0)
    shin_top = knee + (0, 0.0, -0.002)
    if t.bare_legs:
        bare = {'garment': 'skin', 'colour': 'skin'}
        top = hip if t.lower == 'shorts' else hip - (0, 0.03, 0)  # deep inside a skirt
        d.add(f'{side}_thigh', top, knee, r0 - 0.004, r1, segments=thigh, limits=(0.2, 0.86), **bare)
        d.add(f'{side}_shin', shin_top, ankle, r2, r3, segments=calf, limits=(0.14, 0.95), **bare)
        bulge = knee + (ankle - knee) * 0.3 - (0, 0, 0.012)
        d.add(f'{side}_shin', bulge, bulge, 0.031, 0.031, segments=f'{side}_calf', scale=(0.9, 2.0, 0.9), **bare)
    else:
        style = d.lower_style()
        ease = {'tight_trousers': 0.001, 'jeans': 0.005}.get(t.lower, 0.009)
        flare = 0.004 if t.shoes == 'boots' else {'tight_trousers': 0.001, 'jeans': 0.009}.get(t.lower, 0.017)
        d.add(f'{side}_thigh', hip, knee, r0 + ease * 0.7, r1 + ease, segments=thigh, limits=(0.22, 0.86), **style)
        d.add(
            f'{side}_shin',
            shin_top,
            ankle + (0, 0.008, 0),
            r2 + ease + 0.002,
            r3 + flare,
            segments=calf,
            limits=(0.14, 0.97),
            **style,
        )
    if t.lower == 'shorts':
        style = d.lower_style()
        hem = hip + (knee - hip) * 0.80
        d.add(
            f'{side}_thigh',
            hem,
            hip,
            r1 + 0.019,
            r0 + 0.008,
            kind=FRUSTUM,
            segments=(f'{side}_thigh', f'{side}_thigh', f'{side}_hip'),
            limits=(0, 0.75),
            **style,
        )
        d.add(f'{side}_thigh', hip, hip, r0 + 0.008, r0 + 0.008, segments=f'{side}_hip', **style)


def add_foot(d: Dresser, side: str) -> None:
    """Foot with its shoe, boot or sandal, and the sock."""
    t = d.traits
    ankle = d.rest[BONE[f'{side}_foot']]
    x, seg = ankle[0], f'{side}_foot'
    shoe = {'garment': 'shoes', 'colour': 'shoe', 'segments': seg}
    skin = {'garment': 'skin', 'colour': 'skin', 'segments': seg}
    sole = lb.SOLE | (lb.THICK_SOLE if t.shoes == 'sports' else 0)
    cover = skin if t.shoes == 'sandals' else {**shoe, 'decals': sole}
    big = 0.0 if t.shoes == 'sandals' else 0.003
    heel, ball, toe = (x, 0.019, ankle[2] - 0.020), (x, 0.018, ankle[2] + 0.068), (x, 0.015, ankle[2] + 0.096)
    d.add(f'{side}_foot', heel, ball, 0.019 + big, 0.020 + big, scale=(1, 1, 0.95), **cover)
    d.add(f'{side}_foot', ball, toe, 0.0205 + big, 0.0150 + big, scale=(1.05, 1, 0.75), **cover)
    d.add(f'{side}_foot', (x, 0.040, ankle[2] + 0.002), ball, 0.021 + big * 0.5, 0.014 + big, **cover)
    knee = d.rest[BONE[f'{side}_shin']]
    if t.shoes == 'boots':
        top = ankle + (knee - ankle) * 0.55
        d.add(
            f'{side}_shin',
            ankle,
            top,
            0.0285,
            0.0375 if t.bare_legs else 0.0435,
            kind=FRUSTUM,
            garment='shoes',
            colour='shoe',
            segments=(seg, f'{side}_calf', f'{side}_calf'),
            limits=(0.12, 1),
        )
    elif t.shoes == 'sandals':
        d.add(
            f'{side}_foot',
            (x, 0.004, ankle[2] - 0.03),
            (x, 0.004, ankle[2] + 0.1),
            0.021,
            0.022,
            scale=(1, 1, 0.25),
            **shoe,
        )
        d.add(f'{side}_foot', (x, 0.024, ankle[2] + 0.052), (x, 0.020, ankle[2] + 0.064), 0.0215, 0.0215, **shoe)
    if t.socks:
        top = ankle + (knee - ankle) * 0.42
        d.add(
            f'{side}_shin',
            ankle,
            top,
            0.0235,
            0.0335,
            garment='socks',
            colour='sock',
            kind=FRUSTUM,
            segments=(seg, f'{side}_calf', f'{side}_calf'),
            limits=(0.1, 1),
        )
