"""From traits to primitives: the naked body's parts, each replaced or covered by what is worn over it.

All lengths are fractions of stature unless said otherwise; `Dresser.h` turns them into millimetres.
"""
import numpy as np

from humanbench.minihuman import labels as lb
from humanbench.minihuman.body import BONE, Body
from humanbench.minihuman.carried import add_bag, add_held_object, add_scarf
from humanbench.minihuman.headgear import add_head
from humanbench.minihuman.labels import GARMENT, HUE, SEGMENT
from humanbench.minihuman.primitives import FRUSTUM, Builder, Table
from humanbench.minihuman.traits import OUTERWEAR, Traits

SIDES = (('left', 1), ('right', -1))


def trunk_widths(body: Body) -> dict[str, float]:
    """Half widths (fractions of stature) of chest, waist and hips."""
    g = body.girth - 1
    if body.female:
        return dict(chest=0.083 * (1 + 0.8 * g), waist=0.068 * (1 + 1.5 * g), hips=0.094 * (1 + 0.9 * g))
    return dict(chest=0.094 * (1 + 0.8 * g), waist=0.080 * (1 + 1.5 * g), hips=0.088 * (1 + 0.9 * g))


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

    def add(self, frame: str, start, end, r1: float, r2: float, garment: str, colour: str, segments='background', **keys):
        """`Builder.add` in fractions of stature, with names for numbers."""
        names = (segments,) * 3 if isinstance(segments, str) else segments
        self.b.add(BONE[frame], np.asarray(start) * self.h, np.asarray(end) * self.h, r1 * self.h, r2 * self.h,
                   garment=GARMENT[garment], colour=HUE[colour], segments=tuple(SEGMENT[n] for n in names), **keys)

    def at(self, t: float, x: float = 0.0, z: float = 0.0) -> tuple:
        """A point of the trunk: t from 0 (hips) to 1 (neck)."""
        return x, self.hip_y + t * self.trunk, z

    def build(self) -> Table:
        """Everything on this person."""
        self.trunk_parts()
        for side, s in SIDES:
            self.arm(side, s)
            self.leg(side, s)
            self.foot(side)
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
        straps = {'backpack': lb.STRAPS, 'messenger_bag': lb.CROSS_STRAP, 'shoulder_bag': lb.SIDE_STRAP}.get(t.bag, 0)
        if t.coat:
            return dict(garment='coat', colour='coat', decals=straps | lb.OPENING, folds=0.10)
        pattern = {'stripes': lb.STRIPES, 'plaid': lb.PLAID, 'splice': lb.SPLICE}.get(t.upper_pattern, lb.PLAIN)
        if pattern == lb.PLAIN:
            pattern = {'sweater': lb.KNIT, 'cotton': lb.QUILT}.get(t.upper, lb.PLAIN)
        decals = straps | (lb.LOGO if t.upper_pattern == 'logo' else 0) | (lb.V_NECK if t.v_neck else 0)
        if t.upper in OUTERWEAR:
            decals |= lb.OPENING | (lb.TIE if t.upper == 'suit' and t.gender == 'male' else 0)
        elif t.upper == 'shirt':
            decals |= lb.PLACKET | lb.COLLAR
        garment = 'coat' if self.outer else t.upper if self.long_upper else 'upper'
        return dict(garment=garment, colour='upper', colour2=HUE['upper2'], pattern=pattern, decals=decals, folds=0.12)

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
        return dict(garment=garment, colour='lower', colour2=HUE['lower2'], pattern=pattern, folds=0.12)

    def trunk_parts(self) -> None:
        w, e, style = self.width, self.ease, self.upper_style()
        flat = (1.0, 0.55, 0.70)
        up, low = 'upper_spine', 'lower_spine'
        self.add('chest', self.at(0.52), self.at(0.80, z=-0.004), w['waist'] * 1.06 + e, w['chest'] + e, segments=up,
                 scale=flat, **style)
        self.add('spine', self.at(0.16), self.at(0.52), w['hips'] * 0.93 + e, w['waist'] * 1.04 + e, segments=low,
                 scale=(1.0, 0.5, 0.72), **style)
        for side, s in SIDES:
            x, y, _ = self.rest[BONE[f'{side}_arm']]
            self.add('chest', self.at(0.955, s * 0.020, -0.008), (s * (abs(x) - 0.010), y - 0.003, -0.004), 0.033 + e * 0.7,
                     0.0275 + e * 0.7, segments=(up, up, f'{side}_shoulder'), limits=(0, 0.62), **style)
        self.add('chest', self.at(0.80, z=-0.006), self.at(0.955, z=-0.008), w['chest'] * 0.86 + e, 0.040 + e * 0.7, segments=up,
                 scale=(1.0, 0.5, 0.66), **style)
        if self.body.female and self.traits.age > 13:
            for s in (1, -1):
                self.add('chest', self.at(0.70, s * 0.037, 0.038), self.at(0.70, s * 0.037, 0.038), 0.033 + e, 0.033 + e,
                         segments=up, scale=(1.0, 0.95, 0.85), **style)
        if self.body.girth > 1.12:
            self.add('spine', self.at(0.32, z=0.02), self.at(0.32, z=0.02), w['waist'] * 1.02 + e, w['waist'] * 1.02 + e,
                     segments=low, scale=(1.0, 0.95, 0.82), **style)
        self.hips(style)
        self.add('neck', (0, self.neck_y - 0.03, -0.008), (0, self.neck_y + 0.055, -0.004), 0.036, 0.031, 'skin', 'skin',
                 'neck', scale=(1.0, 1.0, 0.95))

    def hips(self, style: dict) -> None:
        """Pelvis in the lower garment, the upper's hem (or tucked waist) over it, and a belt between."""
        w, e, t = self.width, self.ease, self.traits
        parts = ('crotch', 'lower_spine', 'lower_spine')
        self.add('pelvis', self.at(0.02), self.at(0.2), w['hips'] + 0.004, w['waist'] * 1.04 + 0.004, segments=parts,
                 limits=(0.35, 1.0), scale=(1.0, 0.62, 0.76), **self.lower_style())
        if not self.long_upper and not t.belt:
            bottom = -0.02 if self.outer else 0.06
            self.add('pelvis', self.at(bottom), self.at(0.36), self.hip_width + 0.007 + e, w['waist'] * 1.03 + e + 0.004,
                     segments=parts, limits=(0.3, 1.0), scale=(1.0, 1.0, 0.77), kind=FRUSTUM, **style)
        if t.belt:
            top = 0.36 if t.lower in ('dress', 'jumpsuit') else 0.24
            r = np.interp(top, (0.16, 0.52), (w['hips'] * 0.93, w['waist'] * 1.04)) + e + 0.005
            self.add('spine', self.at(top - 0.045), self.at(top + 0.045), r + 0.002, r, 'belt', 'belt', 'lower_spine',
                     scale=(1.0, 1.0, 0.745), kind=FRUSTUM)

    def arm(self, side: str, s: int) -> None:
        t, g, e = self.traits, self.body.girth, self.ease
        shoulder, elbow, wrist = (self.rest[BONE[f'{side}_{part}']] for part in ('arm', 'forearm', 'hand'))
        r0, r1, r2, r3 = 0.0285 * g, 0.0250 * g, 0.0245 * g, 0.0165 * (0.5 + 0.5 * g)
        up_seg = (f'{side}_shoulder', f'{side}_arm', f'{side}_elbow')
        low_seg = (f'{side}_elbow', f'{side}_forearm', f'{side}_hand')
        style = {k: v for k, v in self.upper_style().items() if k != 'decals'}
        if t.upper_pattern == 'splice' and not t.coat:
            style.update(colour='upper2', pattern=lb.PLAIN)
        sleeve = 'long' if t.coat else t.sleeve
        bare = dict(garment='skin', colour='skin')
        loose = 0.7 * e + (0.003 if sleeve == 'short' else 0.001)
        if sleeve == 'long':
            self.add(f'{side}_arm', shoulder, elbow, r0 + loose, r1 + loose, segments=up_seg, limits=(0.18, 0.84), **style)
            self.add(f'{side}_forearm', elbow, wrist + (0, 0.006, 0), r2 + loose, r3 + loose, segments=low_seg,
                     limits=(0.16, 0.99), **style)
        else:
            self.add(f'{side}_arm', shoulder, elbow, r0, r1, segments=up_seg, limits=(0.18, 0.84), **bare)
            self.add(f'{side}_forearm', elbow, wrist, r2, r3, segments=low_seg, limits=(0.16, 0.99), **bare)
            if sleeve == 'short':
                hem = shoulder + (elbow - shoulder) * 0.55
                self.add(f'{side}_arm', hem, shoulder + (0, 0.004, 0), r1 + 0.008 + loose, r0 + loose, kind=FRUSTUM,
                         segments=(f'{side}_arm', f'{side}_arm', f'{side}_shoulder'), limits=(0, 0.7), **style)
                self.add(f'{side}_arm', shoulder, shoulder, r0 + loose, r0 + loose, segments=f'{side}_shoulder', **style)
        cover = dict(garment='glove', colour='glove') if t.gloves else bare
        size = 0.0135 + 0.003 * t.gloves
        tip = wrist - (0, 0.052, -0.004)
        self.add(f'{side}_hand', wrist, wrist - (0, 0.034, 0), size, size * 1.55, segments=f'{side}_hand',
                 scale=(0.75, 1, 1), **cover)
        self.add(f'{side}_hand', wrist - (0, 0.036, 0), tip - (0, 0.020, 0), size * 1.4, size * 0.75,
                 segments=f'{side}_hand', scale=(0.62, 1, 1), decals=lb.FINGERS, **cover)
        self.add(f'{side}_hand', wrist - (0, 0.02, -0.012), wrist - (s * 0.006, 0.047, -0.028), size * 0.6, size * 0.5,
                 segments=f'{side}_hand', **cover)

    def leg(self, side: str, s: int) -> None:
        t, g = self.traits, self.body.girth
        hip, knee, ankle = (self.rest[BONE[f'{side}_{part}']] for part in ('thigh', 'shin', 'foot'))
        r0 = (0.058 if self.body.female else 0.055) * (0.4 + 0.6 * g)
        r1, r2, r3 = 0.0345 * (0.5 + 0.5 * g), 0.031 * (0.5 + 0.5 * g), 0.0205
        thigh = (f'{side}_hip', f'{side}_thigh', f'{side}_knee')
        calf = (f'{side}_knee', f'{side}_calf', f'{side}_foot')
        hip = hip - (0, 0.012, 0)
        shin_top = knee + (0, 0.0, -0.002)
        if t.bare_legs:
            bare = dict(garment='skin', colour='skin')
            top = hip if t.lower == 'shorts' else hip - (0, 0.03, 0)  # deep inside a skirt
            self.add(f'{side}_thigh', top, knee, r0 - 0.004, r1, segments=thigh, limits=(0.2, 0.86), **bare)
            self.add(f'{side}_shin', shin_top, ankle, r2, r3, segments=calf, limits=(0.14, 0.95), **bare)
            bulge = knee + (ankle - knee) * 0.3 - (0, 0, 0.012)
            self.add(f'{side}_shin', bulge, bulge, 0.031, 0.031, segments=f'{side}_calf', scale=(0.9, 2.0, 0.9), **bare)
        else:
            style = self.lower_style()
            ease = {'tight_trousers': 0.001, 'jeans': 0.005}.get(t.lower, 0.009)
            flare = 0.004 if t.shoes == 'boots' else {'tight_trousers': 0.001, 'jeans': 0.009}.get(t.lower, 0.017)
            self.add(f'{side}_thigh', hip, knee, r0 + ease * 0.7, r1 + ease, segments=thigh, limits=(0.22, 0.86), **style)
            self.add(f'{side}_shin', shin_top, ankle + (0, 0.008, 0), r2 + ease + 0.002, r3 + flare, segments=calf,
                     limits=(0.14, 0.97), **style)
        if t.lower == 'shorts':
            style = self.lower_style()
            hem = hip + (knee - hip) * 0.80
            self.add(f'{side}_thigh', hem, hip, r1 + 0.019, r0 + 0.008, kind=FRUSTUM,
                     segments=(f'{side}_thigh', f'{side}_thigh', f'{side}_hip'), limits=(0, 0.75), **style)
            self.add(f'{side}_thigh', hip, hip, r0 + 0.008, r0 + 0.008, segments=f'{side}_hip', **style)

    def foot(self, side: str) -> None:
        t = self.traits
        ankle = self.rest[BONE[f'{side}_foot']]
        x, seg = ankle[0], f'{side}_foot'
        shoe = dict(garment='shoes', colour='shoe', segments=seg)
        skin = dict(garment='skin', colour='skin', segments=seg)
        cover = skin if t.shoes == 'sandals' else dict(shoe, decals=lb.SOLE)
        big = 0.0 if t.shoes == 'sandals' else 0.003
        heel, ball, toe = (x, 0.019, ankle[2] - 0.020), (x, 0.018, ankle[2] + 0.068), (x, 0.015, ankle[2] + 0.096)
        self.add(f'{side}_foot', heel, ball, 0.019 + big, 0.020 + big, scale=(1, 1, 0.95), **cover)
        self.add(f'{side}_foot', ball, toe, 0.0205 + big, 0.0150 + big, scale=(1.05, 1, 0.75), **cover)
        self.add(f'{side}_foot', (x, 0.040, ankle[2] + 0.002), ball, 0.021 + big * 0.5, 0.014 + big, **cover)
        shin = ankle + (self.rest[BONE[f'{side}_shin']] - ankle)
        if t.shoes == 'boots':
            top = ankle + (shin - ankle) * 0.55
            self.add(f'{side}_shin', ankle, top, 0.0285, 0.0375 if t.bare_legs else 0.0435, kind=FRUSTUM,
                     garment='shoes', colour='shoe', segments=(seg, f'{side}_calf', f'{side}_calf'), limits=(0.12, 1))
        elif t.shoes == 'sandals':
            self.add(f'{side}_foot', (x, 0.004, ankle[2] - 0.03), (x, 0.004, ankle[2] + 0.1), 0.021, 0.022,
                     scale=(1, 1, 0.25), **shoe)
            self.add(f'{side}_foot', (x, 0.024, ankle[2] + 0.052), (x, 0.020, ankle[2] + 0.064), 0.0215, 0.0215, **shoe)
        if t.socks:
            top = ankle + (shin - ankle) * 0.42
            self.add(f'{side}_shin', ankle, top, 0.0235, 0.0335, garment='socks', colour='sock', kind=FRUSTUM,
                     segments=(seg, f'{side}_calf', f'{side}_calf'), limits=(0.1, 1))

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
        self.add('skirt', (0, self.hip_y - drop, 0), (0, self.hip_y + 0.01, 0), hem, hips, kind=FRUSTUM, segments=low,
                 split=1, scale=flat, **{**bare, 'decals': style.get('decals', 0) & lb.OPENING})
        self.add('pelvis', (0, self.hip_y, 0), self.at(0.34), hips, waist, kind=FRUSTUM,
                 segments=('crotch', 'lower_spine', 'lower_spine'), limits=(0.3, 1), scale=flat, **style)
        self.add('pelvis', (0, self.hip_y, 0), (0, self.hip_y, 0), hips, hips, segments='crotch', scale=(1, 0.7, 0.8),
                 **bare)
        for side, s in SIDES:
            hip, knee = self.rest[BONE[f'{side}_thigh']], self.rest[BONE[f'{side}_shin']]
            end = hip + (knee - hip) * min(reach, 0.97)
            self.add(f'{side}_thigh', end, hip - (0, 0.01, 0), 0.045 + ease, 0.060 + ease, kind=FRUSTUM,
                     segments=(f'{side}_thigh', f'{side}_thigh', f'{side}_hip'), limits=(0, 0.75), **bare)
