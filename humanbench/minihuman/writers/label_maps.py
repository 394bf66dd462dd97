"""Parsing conventions: the class of a pixel, from what is worn there (garment) and which body part it is (segment)."""
from collections.abc import Mapping
from functools import cache

import numpy as np

from ... import catalog
from ...catalog import DatasetCard
from ..scene import GARMENTS, SEGMENTS, Render

_TRUNK = ('upper_spine', 'lower_spine', 'crotch')
_ARM = ('shoulder', 'arm', 'elbow', 'forearm', 'hand')
_LEG = ('hip', 'thigh', 'knee', 'calf', 'foot')
# Body parts as the clothes datasets see them. A side is the person's own left or right.
PARTS = {'head': ('head',), 'neck': ('neck',), 'trunk': _TRUNK,
         **{f'{side}_{limb}': tuple(f'{side}_{x}' for x in segments)
            for side in ('left', 'right') for limb, segments in (('arm', _ARM), ('leg', _LEG))}}

Classes = str | Mapping[str, str]  # one class, or one for each body part

_LIMBS = {'left_arm': 'Left-arm', 'right_arm': 'Right-arm', 'left_leg': 'Left-leg', 'right_leg': 'Right-leg'}
_SHOES = {'left_leg': 'Left-shoe', 'right_leg': 'Right-shoe'}
# What is in no table (bags, things held, occluders) is background. Neither dataset has a class for belts.
LIP: dict[str, Classes] = {
    'hat': 'Hat', 'hair': 'Hair', 'glove': 'Glove', 'glasses': 'Sunglasses', 'upper': 'Upper-clothes', 'dress': 'Dress',
    'coat': 'Coat', 'socks': 'Socks', 'trousers': 'Pants', 'jumpsuit': 'Jumpsuits', 'scarf': 'Scarf', 'skirt': 'Skirt',
    'face': 'Face', 'skin': {'head': 'Face', 'neck': 'Face', 'trunk': 'Face', **_LIMBS}, 'belt': 'Upper-clothes',
    'shoes': _SHOES,
}
CIHP: dict[str, Classes] = {
    **LIP, 'skin': {'head': 'Face', 'neck': 'Torso-skin', 'trunk': 'Torso-skin', **_LIMBS},
    'jumpsuit': {**dict.fromkeys(('head', 'neck', 'trunk', 'left_arm', 'right_arm'), 'Upper-clothes'),
                 **dict.fromkeys(('left_leg', 'right_leg'), 'Pants')},
}
_ATR_LIMBS = {part: name.lower() for part, name in _LIMBS.items()}
ATR: dict[str, Classes] = {
    'hat': 'hat', 'hair': 'hair', 'glove': _ATR_LIMBS, 'glasses': 'sunglass', 'upper': 'upper-clothes',
    'dress': 'dress', 'coat': 'upper-clothes', 'socks': _ATR_LIMBS, 'trousers': 'pants',
    'jumpsuit': {part: name.lower() for part, name in CIHP['jumpsuit'].items()}, 'scarf': 'scarf', 'skirt': 'skirt',
    'face': 'face', 'skin': {'head': 'face', 'neck': 'face', 'trunk': 'face', **_ATR_LIMBS}, 'belt': 'belt',
    'shoes': {part: name.lower() for part, name in _SHOES.items()}, 'bag': 'bag',
}
TABLES = {'lip': LIP, 'cihp': CIHP, 'vip': CIHP, 'paper_doll': CIHP, 'atr': ATR}

# These label parts of the body, whatever is worn on them, with the ids of Human3.6M. It has no class for the neck.
BODY_PARTS = ('h36m_parsing', 'nturgbd_parsing')
H36M_OTHER_NAMES = {'neck': 'upper spine'}


def class_map(card: DatasetCard, render: Render) -> np.ndarray:
    """(H, W) uint8 label map of a picture with the ids that the dataset's own files hold."""
    return _lookup(card.id)[render.garment, render.segment]


@cache
def _lookup(dataset: str) -> np.ndarray:
    """(garments, segments) uint8: the id in the dataset's files."""
    card = catalog.card(dataset)
    table = np.zeros((len(GARMENTS), len(SEGMENTS)), np.uint8)
    if dataset in BODY_PARTS:
        for i, segment in enumerate(SEGMENTS):
            name = H36M_OTHER_NAMES.get(segment, segment.replace('_', ' '))
            table[:, i] = card.label_ids[card.classes.index(name)]
        return table
    for garment, classes in TABLES[dataset].items():
        row = table[GARMENTS.index(garment)]
        if isinstance(classes, str):
            row[:] = card.classes.index(classes)  # also on what is no body part: bags, loose ends of a scarf
        else:
            for part, name in classes.items():
                row[[SEGMENTS.index(x) for x in PARTS[part]]] = card.classes.index(name)
    return table


def person_masks(render: Render) -> list[np.ndarray]:
    """(H, W) bool per person of ``render.people``: where this one is seen."""
    return [render.person_map == i for i in range(len(render.people))]
