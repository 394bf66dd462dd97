"""Who a person is and what they wear, as facts: every attribute list is derived from these."""

from dataclasses import dataclass

import numpy as np

COLOURS = {
    'black': (30, 30, 33),
    'white': (228, 227, 222),
    'grey': (128, 129, 132),
    'red': (180, 36, 40),
    'green': (48, 120, 66),
    'blue': (44, 86, 168),
    'navy': (30, 40, 82),
    'yellow': (222, 186, 52),
    'orange': (218, 112, 40),
    'brown': (98, 66, 44),
    'beige': (196, 174, 140),
    'pink': (222, 140, 164),
    'purple': (108, 60, 130),
}  # sRGB, 0 to 255
HAIR_COLOURS = {
    'black': (24, 21, 20),
    'brown': (66, 42, 28),
    'blond': (176, 136, 80),
    'red': (122, 58, 30),
    'grey': (142, 140, 138),
}
SKIN_TONES = ((236, 196, 170), (224, 178, 148), (205, 155, 122), (172, 122, 90), (128, 86, 62), (88, 58, 44))
UPPERS = ('tshirt', 'shirt', 'sweater', 'vest', 'tight', 'jacket', 'cotton', 'suit', 'dress', 'jumpsuit')
LOWERS = ('trousers', 'jeans', 'tight_trousers', 'shorts', 'skirt', 'short_skirt', 'dress', 'jumpsuit')
SHOES = ('leather', 'sports', 'boots', 'cloth', 'casual', 'sandals')
BAGS = ('none', 'backpack', 'handbag', 'shoulder_bag', 'messenger_bag', 'plastic_bag')
UPPER_PATTERNS = ('plain', 'stripes', 'plaid', 'logo', 'splice')
LOWER_PATTERNS = ('plain', 'stripe', 'print')
OUTERWEAR = ('jacket', 'cotton', 'suit')  # uppers that open over an inner shirt and are labelled `coat` in maps

_ANY_SHOE_COLOUR = {'black': 3, 'white': 2, 'brown': 3, 'grey': 3, 'red': 1, 'blue': 2, 'beige': 2}
_SHOE_COLOURS = {
    'leather': {'black': 3, 'brown': 2},
    'sports': {'white': 4, 'grey': 1, 'red': 1, 'blue': 1, 'green': 1, 'black': 1},
    'boots': {'black': 3, 'brown': 3, 'beige': 1, 'grey': 1},
}


@dataclass(frozen=True)
class Traits:
    """Facts about one person.

    Attributes:
        gender: 'female' or 'male'.
        age: years.
        height: stature, mm.
        build: 'thin', 'normal' or 'fat'.
        skin: index into SKIN_TONES.
        hair: 'bald', 'short' or 'long' ('long' reaches at least the neck or is tied); hair_colour names HAIR_COLOURS.
        hat, glasses, sunglasses, scarf, gloves, socks, belt: worn and to be seen (socks only where legs are bare).
        upper: one of UPPERS (what closes over the chest; under a coat it shows only in the coat's opening).
        sleeve: 'short', 'long' or 'none', of the outermost garment but the coat.
        v_neck: the upper has a V neck.
        upper_pattern, lower_pattern: one of UPPER_PATTERNS, LOWER_PATTERNS.
        upper_colour, lower_colour, shoe_colour, coat_colour: names in COLOURS (coat_colour is None without a coat).
        lower: one of LOWERS; 'dress' and 'jumpsuit' are then `upper` too.
        coat: a long coat over everything.
        shoes: one of SHOES.
        bag: one of BAGS.
        holds_object: holds something before the body with both hands.
    """

    gender: str
    age: int
    height: float
    build: str
    skin: int
    hair: str
    hair_colour: str
    hat: bool
    glasses: bool
    sunglasses: bool
    upper: str
    sleeve: str
    v_neck: bool
    upper_pattern: str
    upper_colour: str
    lower: str
    lower_pattern: str
    lower_colour: str
    coat: bool
    coat_colour: str | None
    scarf: bool
    gloves: bool
    socks: bool
    belt: bool
    shoes: str
    shoe_colour: str
    bag: str
    holds_object: bool

    @property
    def bare_legs(self) -> bool:
        """Whether the shins are bare (shorts, skirts, dresses)."""
        return self.lower in ('shorts', 'skirt', 'short_skirt', 'dress')


def _pick(rng: np.random.Generator, weights: dict[str, float]) -> str:
    names = list(weights)
    p = np.array([weights[n] for n in names])
    return names[int(np.searchsorted(np.cumsum(p) / p.sum(), rng.random(), side='right'))]


def _garment_colour(rng: np.random.Generator, dark: float = 1.0) -> str:
    weights = dict.fromkeys(COLOURS, 1.0)
    for name in ('black', 'navy', 'grey'):
        weights[name] *= 1 + dark
    return _pick(rng, weights)


def _wear_upper(rng: np.random.Generator, female: bool, lower: str) -> tuple[str, str]:
    """(upper, sleeve)"""
    if lower in ('dress', 'jumpsuit'):
        return lower, _pick(rng, {'short': 4, 'long': 4, 'none': 2})
    upper = _pick(
        rng,
        {
            'tshirt': 6,
            'shirt': 4,
            'sweater': 4,
            'vest': 1.5,
            'tight': 1.5 if female else 0.5,
            'jacket': 5,
            'cotton': 2,
            'suit': 2,
        },
    )
    if upper in ('sweater', *OUTERWEAR):
        return upper, 'long'
    if upper == 'vest':
        return upper, 'none'
    return upper, _pick(
        rng,
        {'tshirt': {'short': 9, 'long': 1}, 'shirt': {'short': 4, 'long': 6}, 'tight': {'short': 4, 'long': 6}}[upper],
    )


def _wear_lower(rng: np.random.Generator, female: bool) -> str:
    weights = {'trousers': 5, 'jeans': 5, 'shorts': 2.2, 'tight_trousers': 0.6, 'jumpsuit': 0.5}
    if female:
        weights.update(tight_trousers=2.5, skirt=1.8, short_skirt=1.8, dress=2.5, jumpsuit=0.8)
    return _pick(rng, weights)


def _stature(rng: np.random.Generator, female: bool, age: int) -> float:
    """Height in mm: adults by gender, children by a growth line of about 55 mm a year."""
    adult = rng.normal(1635 if female else 1765, 55)
    if age >= 17:
        return float(np.clip(adult, 1480, 1980))
    return float(adult * np.interp(age, (4, 10, 14, 17), (0.60, 0.80, 0.94, 1.0)))


def _wear_shoes(rng: np.random.Generator, female: bool, upper: str, bare_legs: bool) -> str:
    weights = {
        'leather': 2.0,
        'sports': 4.0,
        'boots': 2.0 if female else 1.0,
        'cloth': 1.5,
        'casual': 2.5,
        'sandals': 0.4,
    }
    if upper == 'suit':
        weights.update(leather=10, sports=0.3)
    if bare_legs:
        weights.update(sandals=2.5, leather=1.0)
    return _pick(rng, weights)


def random_traits(rng: np.random.Generator) -> Traits:
    """Draws a consistent person (no shorts under a suit's coat, no glasses under sunglasses, no belt on a dress)."""
    female = bool(rng.random() < 0.5)
    age = int(_pick_age(rng))
    lower = _wear_lower(rng, female)
    upper, sleeve = _wear_upper(rng, female, lower)
    if upper == 'suit' and lower in ('shorts', 'jeans', 'tight_trousers'):
        lower = 'trousers'
    coat = bool(upper not in OUTERWEAR and lower != 'shorts' and rng.random() < 0.16)
    lower_colour = (
        _pick(rng, {'blue': 5, 'navy': 4, 'black': 2, 'grey': 1}) if lower == 'jeans' else _garment_colour(rng, 2.5)
    )
    bare = lower in ('shorts', 'skirt', 'short_skirt', 'dress')
    sunglasses = bool(rng.random() < 0.12)
    shoes = _wear_shoes(rng, female, upper, bare)
    plain_upper = upper in ('suit', 'cotton') or coat
    upper_colour = (
        _pick(rng, {'black': 3, 'navy': 3, 'grey': 3, 'brown': 1}) if upper == 'suit' else _garment_colour(rng)
    )
    holds = bool(rng.random() < 0.13)
    bag = _pick(
        rng,
        {
            'none': 4,
            'backpack': 2,
            'shoulder_bag': 1.2,
            'messenger_bag': 1,
            'handbag': 1.6 if female else 0.5,
            'plastic_bag': 0.9,
        },
    )
    if holds and bag in ('handbag', 'plastic_bag'):
        bag = 'none'
    return Traits(
        gender='female' if female else 'male',
        age=age,
        height=_stature(rng, female, age),
        build=_pick(rng, {'thin': 2.5, 'normal': 5, 'fat': 2}),
        skin=int(rng.choice(6, p=(0.2, 0.3, 0.2, 0.12, 0.1, 0.08))),
        hair=_pick(
            rng, {'long': 8, 'short': 3} if female else {'short': 8, 'long': 0.7, 'bald': 1.2 if age > 35 else 0.4}
        ),
        hair_colour='grey' if age > 62 else _pick(rng, {'black': 5, 'brown': 4, 'blond': 2, 'red': 0.7}),
        hat=bool(rng.random() < 0.16),
        sunglasses=sunglasses,
        glasses=bool(not sunglasses and rng.random() < 0.2),
        upper=upper,
        sleeve=sleeve,
        v_neck=bool(upper in ('tshirt', 'sweater', 'tight', 'dress') and rng.random() < 0.3),
        upper_pattern='plain'
        if plain_upper
        else _pick(rng, {'plain': 5, 'stripes': 1.6, 'plaid': 1.3, 'logo': 1.6, 'splice': 1.3}),
        upper_colour=upper_colour,
        lower=lower,
        lower_pattern='plain' if upper == 'suit' else _pick(rng, {'plain': 6, 'stripe': 1, 'print': 1}),
        lower_colour=upper_colour if lower in ('dress', 'jumpsuit') or upper == 'suit' else lower_colour,
        coat=coat,
        coat_colour=_garment_colour(rng, 2) if coat else None,
        scarf=bool(rng.random() < (0.3 if coat or upper == 'cotton' else 0.07)),
        gloves=bool(rng.random() < (0.2 if coat or upper == 'cotton' else 0.02)),
        socks=bool(bare and shoes not in ('boots', 'sandals') and rng.random() < 0.6),
        belt=bool(
            not coat and upper not in OUTERWEAR and rng.random() < (0.15 if upper in ('dress', 'jumpsuit') else 0.35)
        ),
        shoes=shoes,
        shoe_colour=_pick(rng, _SHOE_COLOURS.get(shoes, _ANY_SHOE_COLOUR)),
        bag=bag,
        holds_object=holds,
    )


def _pick_age(rng: np.random.Generator) -> float:
    """Years: 12 % children and youths, 12 % above sixty, the rest between."""
    u = rng.random()
    if u < 0.12:
        return rng.uniform(5, 17)
    return rng.uniform(61, 82) if u > 0.88 else rng.uniform(18, 60)
