"""From traits to primitives: the naked body's parts, each replaced or covered by what is worn over it.

All lengths are fractions of stature unless said otherwise; `Dresser.h` turns them into millimetres.
"""

import numpy as np

from humanbench.minihuman import labels as lb
from humanbench.minihuman.body import BONE, Body
from humanbench.minihuman.carried import add_bag, add_held_object, add_scarf
from humanbench.minihuman.headgear import add_head
from humanbench.minihuman.labels import GARMENT, HUE, SEGMENT
from humanbench.minihuman.limbs import add_arm, add_foot, add_leg
from humanbench.minihuman.primitives import FRUSTUM, Builder, Table
from humanbench.minihuman.traits import OUTERWEAR, Traits

SIDES = (('left', 1), ('right', -1))


def trunk_widths(body: Body) -> dict[str, float]:
    """Half widths (fractions of stature) of chest, waist and hips."""
    g = body.girth - 1
    if body.female:
        return {'chest': 0.083 * (1 + 0.8 * g), 'waist': 0.068 * (1 + 1.5 * g), 'hips': 0.094 * (1 + 0.9 * g)}
    return {'chest': 0.094 * (1 + 0.8 * g), 'waist': 0.080 * (1 + 1.5 * g), 'hips': 0.088 * (1 + 0.9 * g)}


class Dresser:
    """Builds one person's primitives."""

    def __init__(self, body: Body, traits: Traits, rng: np.random.Generator) -> None:
        self.body, self.traits, self.rng = body, traits, rng
        self.b = Builder()
        self.h = body.height
        self.rest = body.rest / body.height
        self.hip_y, self.neck_y = self.rest[BONE['pelvis'], 1], self.rest[BONE['neck'], 1]
        self.trunk = self.neck_y - self.hip_y
        self.width = trunk_widths(body)
        skirted = traits.coat or traits.lower in ('skirt', 'short_skirt', 'dress')
        self.hip_width = max(self.width['hips'], self.rest[BONE['left_shin'], 0] + 0.051 * skirted)
        self.outer = traits.coat or traits.upper in OUTERWEAR
        self.long_upper = traits.upper in ('dress', 'jumpsuit')
        self.ease = 0.004 + 0.004 * (traits.upper in ('sweater', 'jacket', 'suit')) + 0.011 * (traits.upper == 'cotton')
        self.ease += 0.010 * traits.coat - 0.003 * (traits.upper == 'tight')

    def add(
        self, frame: str, start, end, r1: float, r2: float, garment: str, colour: str, segments='background', **keys
    ):
        """`Builder.add` in fractions of stature, with names for numbers."""
        names = (segments,) * 3 if isinstance(segments, str) else segments
        self.b.add(
            BONE[frame],
            np.asarray(start) * self.h,
            np.asarray(end) * self.h,
            r1 * self.h,
            r2 * self.h,
            garment=GARMENT[garment],
            colour=HUE[colour],
            segments=tuple(SEGMENT[n] for n in names),
            **keys,
        )

    def at(self, t: float, x: float = 0.0, z: float = 0.0) -> tuple:
        """A point of the trunk: t from 0 (hips) to 1 (neck)."""
        return x, self.hip_y + t * self.trunk, z

    def build(self) -> Table:
        """Everything on this person."""
        self.trunk_parts()
        for side, s in SIDES:
            add_arm(self, side, s)
            add_leg(self, side)
            add_foot(self, side)
        self.skirts()
        add_head(self)
        add_bag(self)
        if self.traits.scarf:
            add_scarf(self)
        if self.traits.holds_object:
            add_held_object(self)
        return self.b.table()

    def upper_style(self) -> dict:
        """Garment, colour, pattern and decals of the trunk's outermost layer."""
        t = self.traits
        straps = {'backpack': lb.STRAPS, 'messenger_bag': lb.CROSS_STRAP}.get(t.bag, 0)
        if t.coat:
            return {'garment': 'coat', 'colour': 'coat', 'decals': straps | lb.OPENING, 'folds': 0.10}
        pattern = {'stripes': lb.STRIPES, 'plaid': lb.PLAID, 'splice': lb.SPLICE}.get(t.upper_pattern, lb.PLAIN)
        if pattern == lb.PLAIN:
            pattern = {'sweater': lb.KNIT, 'cotton': lb.QUILT}.get(t.upper, lb.PLAIN)
        decals = straps | (lb.LOGO if t.upper_pattern == 'logo' else 0) | (lb.V_NECK if t.v_neck else 0)
        if t.upper in OUTERWEAR:
            decals |= lb.OPENING | (lb.TIE if t.upper == 'suit' and t.gender == 'male' else 0)
        elif t.upper == 'shirt':
            decals |= lb.PLACKET | lb.COLLAR
        garment = 'coat' if self.outer else t.upper if self.long_upper else 'upper'
        return {
            'garment': garment,
            'colour': 'upper',
            'colour2': HUE['upper2'],
            'pattern': pattern,
            'decals': decals,
            'folds': 0.12,
        }

    def lower_style(self) -> dict:
        """Garment, colour and pattern of what covers the legs (trousers' legs or a skirt)."""
        t = self.traits
        if self.long_upper:
            style = {k: v for k, v in self.upper_style().items() if k != 'decals'}
            pattern = lb.STRIPES if t.upper_pattern == 'stripes' else style.pop('pattern', lb.PLAIN)
            style['pattern'] = lb.PLAIN if pattern == lb.SPLICE else pattern
            return {**style, 'garment': t.lower, 'colour': 'lower'}
        pattern = {'stripe': lb.SIDE_STRIPE, 'print': lb.PRINT}.get(t.lower_pattern, lb.PLAIN)
        if pattern == lb.PLAIN and t.lower == 'jeans':
            pattern = lb.DENIM
        garment = 'skirt' if t.lower in ('skirt', 'short_skirt') else 'trousers'
        return {'garment': garment, 'colour': 'lower', 'colour2': HUE['lower2'], 'pattern': pattern, 'folds': 0.12}

    def trunk_parts(self) -> None:
        w, e, style = self.width, self.ease, self.upper_style()
        flat = (1.0, 0.55, 0.70)
        up, low = 'upper_spine', 'lower_spine'
        self.add(
            'chest',
            self.at(0.52),
            self.at(0.80, z=-0.004),
            w['waist'] * 1.06 + e,
            w['chest'] + e,
            segments=up,
            scale=flat,
            **style,
        )
        self.add(
            'spine',
            self.at(0.16),
            self.at(0.52),
            w['hips'] * 0.93 + e,
            w['waist'] * 1.04 + e,
            segments=low,
            scale=(1.0, 0.5, 0.72),
            **style,
        )
        for side, s in SIDES:
            x, y, _ = self.rest[BONE[f'{side}_arm']]
            self.add(
                'chest',
                self.at(0.955, s * 0.020, -0.008),
                (s * (abs(x) - 0.010), y - 0.003, -0.004),
                0.033 + e * 0.7,
                0.0275 + e * 0.7,
                segments=(up, up, f'{side}_shoulder'),
                limits=(0, 0.62),
                **style,
            )
        self.add(
            'chest',
            self.at(0.80, z=-0.006),
            self.at(0.955, z=-0.008),
            w['chest'] * 0.86 + e,
            0.040 + e * 0.7,
            segments=up,
            scale=(1.0, 0.5, 0.66),
            **style,
        )
        if self.body.female and self.traits.age > 13:
            for s in (1, -1):
                self.add(
                    'chest',
                    self.at(0.70, s * 0.037, 0.038),
                    self.at(0.70, s * 0.037, 0.038),
                    0.033 + e,
                    0.033 + e,
                    segments=up,
                    scale=(1.0, 0.95, 0.85),
                    **style,
                )
        if self.body.girth > 1.12:
            self.add(
                'spine',
                self.at(0.32, z=0.02),
                self.at(0.32, z=0.02),
                w['waist'] * 1.02 + e,
                w['waist'] * 1.02 + e,
                segments=low,
                scale=(1.0, 0.95, 0.82),
                **style,
            )
        self.hips(style)
        self.add(
            'neck',
            (0, self.neck_y - 0.03, -0.008),
            (0, self.neck_y + 0.055, -0.004),
            0.036,
            0.031,
            'skin',
            'skin',
            'neck',
            scale=(1.0, 1.0, 0.95),
        )

    def hips(self, style: dict) -> None:
        """Pelvis in the lower garment, the upper's hem (or tucked waist) over it, and a belt between."""
        w, e, t = self.width, self.ease, self.traits
        parts = ('crotch', 'lower_spine', 'lower_spine')
        self.add(
            'pelvis',
            self.at(0.02),
            self.at(0.2),
            w['hips'] + 0.004,
            w['waist'] * 1.04 + 0.004,
            segments=parts,
            limits=(0.35, 1.0),
            scale=(1.0, 0.62, 0.76),
            **self.lower_style(),
        )
        if not self.long_upper and not t.belt:
            bottom = -0.02 if self.outer else 0.06
            self.add(
                'pelvis',
                self.at(bottom),
                self.at(0.36),
                self.hip_width + 0.007 + e,
                w['waist'] * 1.03 + e + 0.004,
                segments=parts,
                limits=(0.3, 1.0),
                scale=(1.0, 1.0, 0.77),
                kind=FRUSTUM,
                **style,
            )
        if t.belt:
            top = 0.36 if t.lower in ('dress', 'jumpsuit') else 0.24
            r = np.interp(top, (0.16, 0.52), (w['hips'] * 0.93, w['waist'] * 1.04)) + e + 0.005
            self.add(
                'spine',
                self.at(top - 0.045),
                self.at(top + 0.045),
                r + 0.002,
                r,
                'belt',
                'belt',
                'lower_spine',
                scale=(1.0, 1.0, 0.745),
                kind=FRUSTUM,
            )

    def skirts(self) -> None:
        """Skirt, dress skirt and coat skirt: a cone from the waist, and cloth that follows each thigh."""
        t = self.traits
        reach = {'short_skirt': 0.62, 'skirt': 1.02, 'dress': 0.92}.get(t.lower)
        if reach is not None:
            self.one_skirt(reach, 0.0, self.lower_style())
        if t.coat:
            self.one_skirt(0.88, 0.008, self.upper_style())

    def one_skirt(self, reach: float, ease: float, style: dict) -> None:
        """`reach`: 1 ends at the knee."""
        w = self.width
        knee = self.rest[BONE['left_shin']]
        drop = (self.hip_y - knee[1]) * reach
        hips, waist = self.hip_width + 0.006 + ease, w['waist'] * 1.02 + 0.008 + ease
        hem = hips + 0.030 * reach
        low = ('left_thigh', 'crotch', 'right_thigh')
        flat = (1.0, 1.0, 0.80)
        bare = {k: v for k, v in style.items() if k != 'decals'}
        self.add(
            'skirt',
            (0, self.hip_y - drop, 0),
            (0, self.hip_y + 0.01, 0),
            hem,
            hips,
            kind=FRUSTUM,
            segments=low,
            split=1,
            scale=flat,
            **{**bare, 'decals': style.get('decals', 0) & lb.OPENING},
        )
        self.add(
            'pelvis',
            (0, self.hip_y, 0),
            self.at(0.34),
            hips,
            waist,
            kind=FRUSTUM,
            segments=('crotch', 'lower_spine', 'lower_spine'),
            limits=(0.3, 1),
            scale=flat,
            **style,
        )
        self.add(
            'pelvis', (0, self.hip_y, 0), (0, self.hip_y, 0), hips, hips, segments='crotch', scale=(1, 0.7, 0.8), **bare
        )
        for side, _ in SIDES:
            hip, knee = self.rest[BONE[f'{side}_thigh']], self.rest[BONE[f'{side}_shin']]
            end = hip + (knee - hip) * min(reach, 0.97)
            self.add(
                f'{side}_thigh',
                end,
                hip - (0, 0.01, 0),
                0.045 + ease,
                0.060 + ease,
                kind=FRUSTUM,
                segments=(f'{side}_thigh', f'{side}_thigh', f'{side}_hip'),
                limits=(0, 0.75),
                **bare,
            )
