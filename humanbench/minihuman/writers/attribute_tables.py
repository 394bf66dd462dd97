"""Attribute lists: for every attribute of a dataset the rule that reads it off a person and the view.

A label says what is to be seen: sleeves under a long coat are long, a face seen from behind wears no glasses.
``not_shown`` marks what MiniHuman cannot show; these columns are 0 in every image.
"""
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..scene import PersonView

Rule = Callable[[PersonView], bool]


def not_shown(view: PersonView) -> bool:
    """The rule of an attribute that no rendered person has."""
    return False


def labels(table: Mapping[str, Rule], view: PersonView) -> np.ndarray:
    """(A,) uint8 in {0, 1}, in the order of the table."""
    return np.array([rule(view) for rule in table.values()], np.uint8)


def _has(name: str) -> Rule:
    return lambda v: getattr(v.person.traits, name)


def _is(name: str, *values: str) -> Rule:
    return lambda v: getattr(v.person.traits, name) in values


def _age(first: int, last: int = 200) -> Rule:
    return lambda v: first <= v.person.traits.age <= last


def _upper(*kinds: str) -> Rule:
    """An upper garment that no coat hides."""
    return lambda v: v.person.traits.upper in kinds and not v.person.traits.coat


def _sleeve(*kinds: str) -> Rule:
    return lambda v: ('long' if v.person.traits.coat else v.person.traits.sleeve) in kinds


def _pattern(kind: str) -> Rule:
    return lambda v: v.person.traits.upper_pattern == kind and not v.person.traits.coat


def _seen_from(*views: str) -> Rule:
    return lambda v: v.view in views


def _both(*rules: Rule) -> Rule:
    return lambda v: all(rule(v) for rule in rules)


def _any(*rules: Rule) -> Rule:
    return lambda v: any(rule(v) for rule in rules)


def _no(rule: Rule) -> Rule:
    return lambda v: not rule(v)


_face = _seen_from('front', 'side')
_logo = _both(_pattern('logo'), _face)
_bald = _both(_is('hair', 'bald'), _no(_has('hat')))
_sunglasses = _both(_has('sunglasses'), _face)
_any_glasses = _both(_any(_has('glasses'), _has('sunglasses')), _face)
_shoulder_bag = _is('bag', 'shoulder_bag', 'messenger_bag')
_long_trousers = ('trousers', 'jeans', 'tight_trousers')

PA100K: dict[str, Rule] = {
    'Female': _is('gender', 'female'),
    'AgeOver60': _age(61), 'Age18-60': _age(18, 60), 'AgeLess18': _age(0, 17),
    'Front': _seen_from('front'), 'Side': _seen_from('side'), 'Back': _seen_from('back'),
    'Hat': _has('hat'), 'Glasses': _any_glasses,
    'HandBag': _is('bag', 'handbag', 'plastic_bag'), 'ShoulderBag': _shoulder_bag, 'Backpack': _is('bag', 'backpack'),
    'HoldObjectsInFront': _has('holds_object'),
    'ShortSleeve': _sleeve('short', 'none'), 'LongSleeve': _sleeve('long'),
    'UpperStride': _pattern('stripes'), 'UpperLogo': _logo, 'UpperPlaid': _pattern('plaid'),
    'UpperSplice': _pattern('splice'),
    'LowerStripe': _is('lower_pattern', 'stripe'), 'LowerPattern': _is('lower_pattern', 'print'),
    'LongCoat': _has('coat'),
    'Trousers': _is('lower', *_long_trousers, 'jumpsuit'), 'Shorts': _is('lower', 'shorts'),
    'Skirt&Dress': _is('lower', 'skirt', 'short_skirt', 'dress'), 'boots': _is('shoes', 'boots'),
}

_formal_upper = _any(_upper('suit'), _both(_upper('shirt'), _sleeve('long')))
_formal_lower = _both(_is('lower', 'trousers', 'skirt'), _is('shoes', 'leather'))
_PETA_HEAD: dict[str, Rule] = {  # the 35 that are evaluated
    'personalLess30': _age(16, 30), 'personalLess45': _age(31, 45), 'personalLess60': _age(46, 60),
    'personalLarger60': _age(61),
    'carryingBackpack': _is('bag', 'backpack'), 'carryingOther': _any(_is('bag', 'handbag'), _has('holds_object')),
    'lowerBodyCasual': _no(_formal_lower), 'upperBodyCasual': _no(_formal_upper),
    'lowerBodyFormal': _formal_lower, 'upperBodyFormal': _formal_upper,
    'accessoryHat': _has('hat'), 'upperBodyJacket': _any(_upper('jacket', 'cotton'), _has('coat')),
    'lowerBodyJeans': _is('lower', 'jeans'), 'footwearLeatherShoes': _is('shoes', 'leather'), 'upperBodyLogo': _logo,
    'hairLong': _is('hair', 'long'), 'personalMale': _is('gender', 'male'), 'carryingMessengerBag': _shoulder_bag,
    'accessoryMuffler': _has('scarf'),
    'accessoryNothing': _no(_any(_has('hat'), _has('scarf'), _sunglasses)),
    'carryingNothing': _both(_is('bag', 'none'), _no(_has('holds_object'))),
    'upperBodyPlaid': _pattern('plaid'), 'carryingPlasticBags': _is('bag', 'plastic_bag'),
    'footwearSandals': _is('shoes', 'sandals'), 'footwearShoes': _is('shoes', 'cloth', 'casual'),
    'lowerBodyShorts': _is('lower', 'shorts'), 'upperBodyShortSleeve': _sleeve('short'),
    'lowerBodyShortSkirt': _is('lower', 'short_skirt'), 'footwearSneaker': _is('shoes', 'sports'),
    'upperBodyThinStripes': _pattern('stripes'), 'accessorySunglasses': _sunglasses,
    'lowerBodyTrousers': _is('lower', 'trousers', 'tight_trousers', 'jumpsuit'), 'upperBodyTshirt': _upper('tshirt'),
    'upperBodyOther': _upper('sweater', 'vest', 'tight', 'dress', 'jumpsuit'),
    'upperBodyVNeck': _both(_has('v_neck'), _seen_from('front'), _no(_has('coat')), _no(_has('scarf'))),
}
_PETA_TAIL: dict[str, Rule] = {  # the 26 that follow the colours
    'accessoryHeadphone': not_shown, 'personalLess15': _age(0, 15), 'carryingBabyBuggy': not_shown, 'hairBald': _bald,
    'footwearBoots': _is('shoes', 'boots'), 'lowerBodyCapri': not_shown, 'carryingShoppingTro': not_shown,
    'carryingUmbrella': not_shown, 'personalFemale': _is('gender', 'female'), 'carryingFolder': not_shown,
    'accessoryHairBand': not_shown, 'lowerBodyHotPants': not_shown, 'accessoryKerchief': not_shown,
    'lowerBodyLongSkirt': _is('lower', 'skirt'), 'upperBodyLongSleeve': _sleeve('long'), 'lowerBodyPlaid': not_shown,
    'lowerBodyThinStripes': _is('lower_pattern', 'stripe'), 'carryingLuggageCase': not_shown,
    'upperBodyNoSleeve': _sleeve('none'), 'hairShort': _is('hair', 'short'), 'footwearStocking': _has('socks'),
    'upperBodySuit': _upper('suit'), 'carryingSuitcase': not_shown, 'lowerBodySuits': _is('upper', 'suit'),
    'upperBodySweater': _upper('sweater'), 'upperBodyThickStripes': not_shown,
}

# What the data sets call the colours of traits.py; a colour they lack is not there.
_COMMON = {'Black': ('black',), 'White': ('white',), 'Red': ('red',), 'Green': ('green',), 'Blue': ('blue', 'navy'),
           'Yellow': ('yellow',), 'Brown': ('brown',), 'Purple': ('purple',), 'Pink': ('pink',), 'Orange': ('orange',)}
PETA_COLOURS = {**_COMMON, 'Grey': ('grey',), 'Brown': ('brown', 'beige')}
PETA_HAIR_COLOURS = {'Black': ('black',), 'Brown': ('brown',), 'Grey': ('grey',), 'Red': ('red',), 'Yellow': ('blond',)}
RAP_COLOURS = {**_COMMON, 'Gray': ('grey',), 'Other': ('beige',)}
RAP_COLOUR_ORDER = ('Black', 'White', 'Gray', 'Red', 'Green', 'Blue', 'Silver', 'Yellow', 'Brown', 'Purple', 'Pink',
                    'Orange', 'Mixture', 'Other')


def _upper_colour(*colours: str) -> Rule:
    return lambda v: (v.person.traits.coat_colour if v.person.traits.coat else v.person.traits.upper_colour) in colours


def _hair_colour(*colours: str) -> Rule:
    return _both(_is('hair_colour', *colours), _no(_is('hair', 'bald')))


def _peta_colours(prefix: str, rule: Callable[..., Rule], names: Mapping[str, tuple[str, ...]]) -> dict[str, Rule]:
    order = ('Black', 'Blue', 'Brown', 'Green', 'Grey', 'Orange', 'Pink', 'Purple', 'Red', 'White', 'Yellow')
    return {prefix + x: rule(*names[x]) if x in names else not_shown for x in order}


PETA: dict[str, Rule] = {
    **_PETA_HEAD,
    **_peta_colours('upperBody', _upper_colour, PETA_COLOURS),
    **_peta_colours('lowerBody', lambda *x: _is('lower_colour', *x), PETA_COLOURS),
    **_peta_colours('hair', _hair_colour, PETA_HAIR_COLOURS),
    **_peta_colours('footwear', lambda *x: _is('shoe_colour', *x), PETA_COLOURS),
    **_PETA_TAIL,
}

_RAP_BODY: dict[str, Rule] = {
    'Female': _is('gender', 'female'), 'AgeLess16': _age(0, 16), 'Age17-30': _age(17, 30), 'Age31-45': _age(31, 45),
    'Age46-60': _age(46, 60), 'BodyFat': _is('build', 'fat'), 'BodyNormal': _is('build', 'normal'),
    'BodyThin': _is('build', 'thin'), 'Customer': not_shown, 'Employee': not_shown, 'hs-BaldHead': _bald,
    'hs-LongHair': _is('hair', 'long'), 'hs-BlackHair': _hair_colour('black'), 'hs-Hat': _has('hat'),
    'hs-Glasses': _any_glasses,
}
_RAP_UPPER: dict[str, Rule] = {
    'ub-Shirt': _upper('shirt'), 'ub-Sweater': _upper('sweater'), 'ub-Vest': _upper('vest'),
    'ub-TShirt': _upper('tshirt'), 'ub-Cotton': _upper('cotton'), 'ub-Jacket': _upper('jacket'),
    'ub-SuitUp': _upper('suit'), 'ub-Tight': _upper('tight'), 'ub-ShortSleeve': _sleeve('short'),
    'ub-Others': _any(_has('coat'), _is('upper', 'dress', 'jumpsuit')),
}
_RAP_LOWER: dict[str, Rule] = {
    'lb-LongTrousers': _is('lower', 'trousers', 'jumpsuit'), 'lb-Skirt': _is('lower', 'skirt'),
    'lb-ShortSkirt': _is('lower', 'short_skirt'), 'lb-Dress': _is('lower', 'dress'), 'lb-Jeans': _is('lower', 'jeans'),
    'lb-TightTrousers': _is('lower', 'tight_trousers'),
}
_RAP_SHOES: dict[str, Rule] = {
    'shoes-Leather': _is('shoes', 'leather'), 'shoes-Sports': _is('shoes', 'sports'),
    'shoes-Boots': _is('shoes', 'boots'), 'shoes-Cloth': _is('shoes', 'cloth'),
    'shoes-Casual': _is('shoes', 'casual'), 'shoes-Other': _is('shoes', 'sandals'),
}
_RAP_DOING: dict[str, Rule] = {
    'attachment-Backpack': _is('bag', 'backpack'), 'attachment-ShoulderBag': _shoulder_bag,
    'attachment-HandBag': _is('bag', 'handbag'), 'attachment-Box': _has('holds_object'),
    'attachment-PlasticBag': _is('bag', 'plastic_bag'), 'attachment-PaperBag': not_shown,
    'attachment-HandTrunk': not_shown, 'attachment-Other': not_shown,
    'action-Calling': not_shown, 'action-Talking': not_shown, 'action-Gathering': not_shown,
    'action-Holding': _has('holds_object'), 'action-Pushing': not_shown, 'action-Pulling': not_shown,
    'action-CarryingByArm': _is('bag', 'handbag', 'shoulder_bag'),
    'action-CarryingByHand': _is('bag', 'handbag', 'plastic_bag'),
    'action-Other': lambda v: v.pose not in ('stand', 'walk'),
}


def _rap_colours(part: str, mixed: Rule, rule: Callable[..., Rule]) -> dict[str, Rule]:
    """The 14 colour columns of one body part; several colours are 'Mixture' and no colour of their own."""
    table = {x: _both(rule(*RAP_COLOURS[x]), _no(mixed)) if x in RAP_COLOURS else not_shown for x in RAP_COLOUR_ORDER}
    return {f'{part}-Color{x}': y for x, y in {**table, 'Mixture': mixed}.items()}


def _unused(first: int, end: int) -> dict[str, Rule]:
    """Columns of the real matrix whose names are not public."""
    return {f'unused-{i}': not_shown for i in range(first, end)}


# The real file's colour columns are 31-44, 53-66 and 74-87 (from 0); where its other columns lie is not public, so the
# 54 evaluated ones stand here in the order of the card with the rest filled up.
RAPV2: dict[str, Rule] = {
    **_RAP_BODY, **_RAP_UPPER, **_unused(25, 31),
    **_rap_colours('ub', _any(_pattern('stripes'), _pattern('plaid'), _pattern('splice')), _upper_colour),
    **_RAP_LOWER, **_unused(51, 53),
    **_rap_colours('lb', _is('lower_pattern', 'stripe', 'print'), lambda *x: _is('lower_colour', *x)),
    **_RAP_SHOES, **_unused(73, 74),
    **_rap_colours('shoes', not_shown, lambda *x: _is('shoe_colour', *x)),
    **_RAP_DOING, **_unused(105, 152),
}

_RAP_NAMES = {'Employee': 'Clerk', 'shoes-Sports': 'shoes-Sport', 'attachment-ShoulderBag': 'attach-SingleShoulderBag',
              'action-Pushing': 'action-Pusing', 'action-CarryingByArm': 'action-CarrybyArm',
              'action-CarryingByHand': 'action-CarrybyHand'}  # where version 1 says something else


def _rap_v1(*parts: Mapping[str, Rule], without: Sequence[str]) -> dict[str, Rule]:
    """What both versions have, by the names of the first."""
    return {_RAP_NAMES.get(name, name.replace('attachment-', 'attach-')): rule
            for part in parts for name, rule in part.items() if name not in without}


def _colours_v1(part: str, names: Sequence[str], mixed: Rule, rule: Callable[..., Rule]) -> dict[str, Rule]:
    """Some of the colour columns of one body part, without the word."""
    table = _rap_colours(part, mixed, rule)
    return {f'{part}-{x}': table[f'{part}-Color{x}'] for x in names}


# The first 51 are evaluated. How many columns each block after them has is public, what the colours are called is not.
RAP_V1: dict[str, Rule] = {
    **_rap_v1(_RAP_BODY, without=('Age46-60', )), 'hs-Muffler': _has('scarf'),
    **_rap_v1(_RAP_UPPER, _RAP_LOWER, _RAP_SHOES, _RAP_DOING, without=('ub-Others', 'shoes-Other', 'action-Other')),
    'faceFront': _seen_from('front'), 'faceBack': _seen_from('back'), 'faceLeft': _seen_from('side'),
    'faceRight': not_shown,
    **{f'occlusion-{i}': not_shown for i in range(8)},
    **_colours_v1('up', [x for x in RAP_COLOUR_ORDER if x not in ('Silver', 'Other')],
                  _any(_pattern('stripes'), _pattern('plaid'), _pattern('splice')), _upper_colour),
    **_colours_v1('low', ('Black', 'White', 'Gray', 'Red', 'Green', 'Blue', 'Yellow', 'Mixture'),
                  _is('lower_pattern', 'stripe', 'print'), lambda *x: _is('lower_colour', *x)),
    **_colours_v1('shoes', ('Black', 'White', 'Gray', 'Red', 'Green', 'Blue', 'Yellow', 'Brown', 'Mixture'),
                  not_shown, lambda *x: _is('shoe_colour', *x)),
}

HARDHC: dict[str, Rule] = {
    'male': _is('gender', 'male'), 'longHair': _is('hair', 'long'), 'sunglass': _sunglasses, 'hat': _has('hat'),
    'tShirt': _upper('tshirt'), 'longSleeve': _sleeve('long'), 'formal': _formal_upper,
    'shorts': _is('lower', 'shorts'), 'jeans': _is('lower', 'jeans'),
    'longPants': _is('lower', *_long_trousers, 'jumpsuit'), 'skirt': _is('lower', 'skirt', 'short_skirt', 'dress'),
    'faceMask': not_shown, 'logo': _logo, 'stripe': _pattern('stripes'),
}

MARKET_AGES = {'young': _age(0, 11), 'teenager': _age(12, 17), 'adult': _age(18, 60), 'old': _age(61)}
_MARKET_UPPER = {'black': ('black',), 'white': ('white',), 'red': ('red',), 'purple': ('purple',),
                 'yellow': ('yellow', 'orange'), 'gray': ('grey',), 'blue': ('blue', 'navy'), 'green': ('green',)}
_MARKET_LOWER = {'black': ('black',), 'white': ('white',), 'pink': ('pink',), 'purple': ('purple',),
                 'yellow': ('yellow', 'orange'), 'gray': ('grey',), 'blue': ('blue', 'navy'), 'green': ('green',),
                 'brown': ('brown', 'beige')}
MARKET1501: dict[str, Rule] = {  # all fields but the age; present is 2 in the file, absent 1
    'gender': _is('gender', 'female'), 'hair': _is('hair', 'long'), 'up': _sleeve('short', 'none'),
    'down': _is('lower', 'shorts', 'skirt', 'short_skirt', 'dress'),
    'clothes': _is('lower', *_long_trousers, 'jumpsuit', 'shorts'), 'hat': _has('hat'),
    'backpack': _is('bag', 'backpack'), 'bag': _any(_shoulder_bag, _is('bag', 'plastic_bag')),
    'handbag': _is('bag', 'handbag'),
    **{f'up{x}': _upper_colour(*y) for x, y in _MARKET_UPPER.items()},
    **{f'down{x}': _is('lower_colour', *y) for x, y in _MARKET_LOWER.items()},
}
