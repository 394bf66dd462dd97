"""One identity: body, traits, primitives, colours. A pure function of its seed."""

from dataclasses import dataclass, replace

import numpy as np

from humanbench.minihuman import labels as lb
from humanbench.minihuman.body import BONE, Body, make_body
from humanbench.minihuman.labels import HUE, PALETTE
from humanbench.minihuman.primitives import Table
from humanbench.minihuman.traits import COLOURS, HAIR_COLOURS, SKIN_TONES, Traits, random_traits
from humanbench.minihuman.wardrobe import Dresser

_GIRTH = {'thin': (0.84, 0.93), 'normal': (0.95, 1.08), 'fat': (1.18, 1.36)}

_CLOTHES = ('hat', 'scarf', 'gloves', 'socks', 'belt', 'upper', 'sleeve', 'v_neck', 'upper_pattern', 'upper_colour',
            'lower', 'lower_pattern', 'lower_colour', 'coat', 'coat_colour', 'shoes', 'shoe_colour', 'bag',
            'holds_object')
_SOLES = {'leather': ('black',), 'boots': ('black', 'brown'), 'sports': ('white',), 'cloth': ('white',)}


@dataclass(frozen=True, eq=False)
class Person:
    """A synthetic person.

    Attributes:
        seed: what everything below was drawn from.
        traits: facts for attribute lists.
        body: measures.
        table: primitives in rest coordinates.
        palette: (len(PALETTE), 3) float64, sRGB 0 to 255, before any camera's tint.
        params: (NUM_PARAMS,) float64, see labels.
    """

    seed: int
    traits: Traits
    body: Body
    table: Table
    palette: np.ndarray
    params: np.ndarray


def make_person(seed: int, outfit: int | None = None) -> Person:
    """Draws a person from `seed` alone, in the clothes that belong to it or in another outfit."""
    rng = np.random.default_rng([2, seed])
    traits = random_traits(rng)
    if outfit is not None:
        traits = _changed(traits, np.random.default_rng([3, outfit]))
    girth = float(rng.uniform(*_GIRTH[traits.build]))
    body = make_body(traits.height, girth, traits.gender == 'female', traits.age)
    palette = _palette(traits, rng)
    table = Dresser(body, traits, rng).build()
    return Person(seed, traits, body, table, palette, _params(traits, body, rng))


def _changed(traits: Traits, rng: np.random.Generator) -> Traits:
    """The same person in the clothes of somebody of that gender."""
    other = random_traits(rng)
    while other.gender != traits.gender:
        other = random_traits(rng)
    return replace(traits, **{name: getattr(other, name) for name in _CLOTHES})


def dye(person: Person, thing: str) -> str:
    """The named colour that is nearest to that of a thing, a name in PALETTE."""
    distance = np.abs(np.array(list(COLOURS.values())) - person.palette[HUE[thing]]).sum(1)
    return list(COLOURS)[int(distance.argmin())]


def _near(rng: np.random.Generator, colour: tuple, spread: float = 10) -> np.ndarray:
    """A dye close to a named colour."""
    return np.clip(np.asarray(colour) * rng.uniform(0.88, 1.12) + rng.normal(0, spread * 0.4, 3), 8, 245)


def _contrast(rng: np.random.Generator, base: np.ndarray) -> np.ndarray:
    """A second dye that stands out from `base`."""
    options = np.array(list(COLOURS.values()), dtype=np.float64)
    distance = np.abs(options - base).sum(1)
    return options[rng.choice(np.flatnonzero(distance > 150))]


def _palette(t: Traits, rng: np.random.Generator) -> np.ndarray:
    skin = np.asarray(SKIN_TONES[t.skin]) * rng.uniform(0.95, 1.04)
    hair = np.asarray(HAIR_COLOURS[t.hair_colour], dtype=np.float64) * rng.uniform(0.85, 1.15)
    upper = _near(rng, COLOURS[t.upper_colour])
    lower = (
        upper
        if t.lower_colour == t.upper_colour and (t.lower in ('dress', 'jumpsuit') or t.upper == 'suit')
        else _near(rng, COLOURS[t.lower_colour])
    )
    if t.lower == 'jeans':
        lower = 0.8 * lower + 0.2 * np.array((70, 90, 130))
    names = list(COLOURS)

    def any_of(*choices: str) -> np.ndarray:
        return _near(rng, COLOURS[(choices or names)[rng.integers(len(choices or names))]])

    colours = {
        'skin': skin,
        'hair': hair,
        'upper': upper,
        'upper2': _contrast(rng, upper),
        'lower': lower,
        'lower2': _contrast(rng, lower),
        'shoe': _near(rng, COLOURS[t.shoe_colour]),
        'sole': any_of(*_SOLES.get(t.shoes, ('white', 'brown', 'grey'))),
        'inner': any_of('white', 'white', 'grey', 'black', 'blue', 'pink'),
        'coat': _near(rng, COLOURS[t.coat_colour or 'black']),
        'bag': any_of(),
        'scarf': any_of(),
        'hat': any_of(),
        'belt': any_of('black', 'brown', 'brown', 'white'),
        'sock': any_of('white', 'black', 'grey', 'red', 'blue'),
        'glove': any_of('black', 'brown', 'red', 'grey', 'green'),
        'object': any_of('beige', 'brown', 'red', 'white', 'blue'),
        'lip': skin * (0.82, 0.52, 0.54) if t.gender == 'female' else skin * (0.82, 0.64, 0.62),
        'brow': hair * 0.6 + skin * 0.12,
        'eye': any_of('brown', 'brown', 'blue', 'green') * 0.5,
        'tie': any_of('red', 'navy', 'black', 'purple'),
        'dark': np.array((22, 20, 22)),
        'light': np.array((226, 224, 222)),
    }
    if t.coat and t.upper not in ('dress', 'jumpsuit'):
        colours['inner'] = upper
    return np.array([colours[name] for name in PALETTE], dtype=np.float64)


def _params(t: Traits, body: Body, rng: np.random.Generator) -> np.ndarray:
    out = np.zeros(lb.NUM_PARAMS)
    out[lb.STATURE], out[lb.HEAD_SIZE] = body.height, body.head_size
    out[lb.HEAD_Y], out[lb.HIP_Y] = body.rest[BONE['head'], 1], body.rest[BONE['pelvis'], 1]
    out[lb.NECK_Y] = body.rest[BONE['neck'], 1]
    out[lb.GLASSES] = 2 if t.sunglasses else 1 if t.glasses else 0
    out[lb.PERIOD] = rng.uniform(52, 110)
    out[lb.OPEN_WIDTH] = rng.uniform(0.018, 0.045) if t.upper != 'suit' else 0.028
    out[lb.SEED] = rng.integers(1000)
    out[lb.BEARD] = t.gender == 'male' and t.age > 20 and rng.random() < 0.28
    out[lb.SMILE] = rng.uniform(-0.001, 0.006)
    out[lb.BALD] = t.hair == 'bald'
    return out
