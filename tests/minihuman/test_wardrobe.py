"""Traits, and that clothes drawn are the clothes named."""

import numpy as np
import pytest

from humanbench.minihuman import (
    BAGS,
    COLOURS,
    GARMENTS,
    LOWERS,
    POSES,
    SEGMENTS,
    SHOES,
    UPPERS,
    make_person,
    render_person,
)
from humanbench.minihuman import primitives as pr
from humanbench.minihuman.labels import HUE, PALETTE
from humanbench.minihuman.traits import OUTERWEAR

PEOPLE = [make_person(seed) for seed in range(150)]


def worn(person):
    """Garments among a person's primitives."""
    return {GARMENTS[g] for g in np.unique(person.table.ints[:, pr.GARMENT])}


def test_same_seed_same_person_other_seed_other_person():
    a, b = make_person(5), make_person(5)
    assert a.traits == b.traits and np.array_equal(a.palette, b.palette)
    for name in ('rest', 'floats', 'ints'):
        np.testing.assert_array_equal(getattr(a.table, name), getattr(b.table, name))
    assert len({p.traits for p in PEOPLE}) == len(PEOPLE)


def test_every_kind_of_everything_occurs_with_both_values():
    t = [p.traits for p in PEOPLE]
    assert {x.upper for x in t} == set(UPPERS) and {x.lower for x in t} == set(LOWERS)
    assert {x.shoes for x in t} == set(SHOES) and {x.bag for x in t} == set(BAGS)
    assert {x.hair for x in t} == {'bald', 'short', 'long'} and {x.build for x in t} == {'thin', 'normal', 'fat'}
    for flag in ('hat', 'glasses', 'sunglasses', 'coat', 'scarf', 'gloves', 'socks', 'belt', 'holds_object', 'v_neck'):
        assert 0 < np.mean([getattr(x, flag) for x in t]) < 0.6, flag
    assert min(x.age for x in t) < 12 and max(x.age for x in t) > 65


@pytest.mark.parametrize('person', PEOPLE[:60], ids=lambda p: str(p.seed))
def test_primitives_agree_with_traits(person):
    t, seen = person.traits, worn(person)
    assert ('hat' in seen) == t.hat and ('scarf' in seen) == t.scarf and ('glove' in seen) == t.gloves
    assert ('socks' in seen) == t.socks and ('belt' in seen) == t.belt and ('held_object' in seen) == t.holds_object
    assert ('bag' in seen) == (t.bag != 'none') and ('hair' in seen) == (t.hair != 'bald')
    assert ('coat' in seen) == (t.coat or t.upper in OUTERWEAR)
    assert ('dress' in seen) == (t.lower == 'dress') and ('jumpsuit' in seen) == (t.lower == 'jumpsuit')
    assert ('skirt' in seen) == (t.lower in ('skirt', 'short_skirt'))
    assert ('trousers' in seen) == (t.lower in ('trousers', 'jeans', 'tight_trousers', 'shorts'))
    assert 'shoes' in seen and 'face' in seen
    assert person.table.ints[:, [pr.SEG_A, pr.SEG_M, pr.SEG_B]].max() < len(SEGMENTS)
    assert person.table.ints[:, [pr.COLOUR, pr.COLOUR2]].max() < len(PALETTE)


def test_traits_are_consistent():
    for t in (p.traits for p in PEOPLE):
        assert not (t.glasses and t.sunglasses)
        assert (t.coat_colour is not None) == t.coat
        assert (t.lower == 'dress') == (t.upper == 'dress') and (t.lower == 'jumpsuit') == (t.upper == 'jumpsuit')
        assert not t.socks or t.bare_legs
        assert t.sleeve == 'long' or t.upper not in OUTERWEAR


def test_named_colours_are_what_is_drawn():
    """The palette entry is nearer to the named colour than to most others."""
    names = list(COLOURS)
    table = np.array([COLOURS[n] for n in names], dtype=float)
    ranks = []
    for p in PEOPLE:
        distance = np.abs(table - p.palette[HUE['upper']]).sum(1)
        ranks.append(np.argsort(distance).tolist().index(names.index(p.traits.upper_colour)))
    assert np.mean(np.array(ranks) == 0) > 0.9 and max(ranks) <= 2


def _mean_colour(person, garment, style, seed):
    r = render_person(person, np.random.default_rng(seed), (160, 80), style, pose='stand', view='front')
    return r.image[(r.garment == GARMENTS.index(garment)) & (r.person_map == 0)].mean(0)


def test_clothes_keep_their_colour_over_cameras():
    """Over six cameras, the hue order of two differently dressed people never swaps."""
    plain = [
        p for p in PEOPLE if p.traits.upper == 'tshirt' and p.traits.upper_pattern == 'plain' and not p.traits.coat
    ]
    red = next(p for p in plain if p.traits.upper_colour in ('red', 'pink', 'orange', 'yellow'))
    blue = next(p for p in plain if p.traits.upper_colour in ('blue', 'navy', 'purple', 'green'))
    for style in range(6):
        a, b = _mean_colour(red, 'upper', style, style), _mean_colour(blue, 'upper', style, style)
        assert a[0] / a.sum() > b[0] / b.sum() + 0.05


def test_worn_things_are_seen_from_the_front():
    """What the traits name appears in label maps of unoccluded frontal pictures (in nearly all of them)."""
    checks = {
        'hat': lambda t: t.hat,
        'glasses': lambda t: t.glasses or t.sunglasses,
        'scarf': lambda t: t.scarf,
        'skirt': lambda t: t.lower in ('skirt', 'short_skirt') and not t.coat,
        'shoes': lambda t: True,
        'socks': lambda t: t.socks,
        'belt': lambda t: t.belt and not t.holds_object,
    }
    hits = {name: [] for name in checks}
    for p in PEOPLE[:50]:
        r = render_person(p, np.random.default_rng(p.seed), (192, 96), 1, pose=POSES[0], view='front')
        for name, expected in checks.items():
            if expected(p.traits):
                hits[name].append((r.garment == GARMENTS.index(name)).sum() > 0)
    for name, values in hits.items():
        assert np.mean(values) > 0.85, (name, values)


def test_face_only_from_the_front():
    face = GARMENTS.index('face')
    people = [p for p in PEOPLE if p.traits.hair != 'bald' and not p.traits.hat][:10]
    for p in people:
        front, back = (render_person(p, np.random.default_rng(1), (192, 96), 2, 'stand', v) for v in ('front', 'back'))
        assert (front.garment == face).sum() > 4 * (back.garment == face).sum() + 10
        assert front.people[0].view == 'front' and back.people[0].view == 'back'
