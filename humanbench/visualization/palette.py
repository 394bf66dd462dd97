"""Fixed colours, RGB: the same thing has the same colour in every picture."""
import re
from collections.abc import Sequence

import numpy as np

Color = tuple[int, int, int]

INK: Color = (31, 41, 51)
MUTED: Color = (113, 128, 143)
PAPER: Color = (247, 248, 250)
FRAME: Color = (234, 237, 241)
WHITE: Color = (255, 255, 255)
RIGHT_ANSWER: Color = (34, 160, 87)
WRONG_ANSWER: Color = (214, 57, 57)
POINT: Color = (190, 255, 40)
IGNORED: Color = (150, 156, 164)

BOXES: tuple[Color, ...] = ((0, 145, 234), (240, 98, 45), (0, 168, 120), (196, 53, 158), (232, 170, 0), (106, 90, 224),
                            (0, 172, 193), (214, 57, 57), (124, 160, 30), (233, 107, 168))
"""One after the other, so that people who stand close get different ones."""

# the person's own left is warm, the right is cool, the middle is pale: twisted limbs and swapped sides show at a glance
LIMBS: dict[str, Color] = {
    'left_arm': (255, 145, 40), 'left_leg': (235, 64, 82), 'right_arm': (40, 190, 255), 'right_leg': (58, 104, 245),
    'torso': (120, 220, 110), 'face': (240, 225, 110)}

_PARTS: dict[str, Color] = {
    'hat': (255, 196, 37),
    'hair': (139, 84, 46),
    'glove': (171, 71, 188),
    'sunglass': (38, 50, 56),
    'sunglasses': (38, 50, 56),
    'upper-clothes': (229, 57, 53),
    'dress': (236, 64, 160),
    'coat': (255, 112, 67),
    'socks': (141, 230, 90),
    'pants': (30, 110, 200),
    'jumpsuits': (94, 53, 177),
    'torso-skin': (255, 183, 140),
    'scarf': (205, 220, 57),
    'skirt': (186, 104, 240),
    'face': (255, 214, 170),
    'left-arm': (255, 160, 80),
    'right-arm': (64, 196, 255),
    'left-leg': (240, 128, 128),
    'right-leg': (100, 140, 255),
    'left-shoe': (183, 28, 28),
    'right-shoe': (26, 48, 140),
    'belt': (0, 121, 107),
    'bag': (0, 168, 120),
    'head': (255, 214, 170),
    'crotch': (120, 144, 156),
    'lower-spine': (56, 142, 60),
    'upper-spine': (129, 199, 132),
    'left-hip': (255, 138, 128),
    'right-hip': (130, 177, 255),
    'left-knee': (244, 81, 108),
    'right-knee': (83, 109, 254),
    'left-foot': (183, 28, 28),
    'right-foot': (26, 48, 140),
    'left-shoulder': (255, 204, 102),
    'right-shoulder': (128, 222, 234),
    'left-elbow': (255, 171, 64),
    'right-elbow': (38, 198, 218),
    'left-hand': (230, 110, 20),
    'right-hand': (0, 145, 234),
    'left-thigh': (239, 154, 154),
    'right-thigh': (159, 168, 255),
    'left-calf': (216, 67, 99),
    'right-calf': (48, 79, 220),
    'left-forearm': (245, 124, 0),
    'right-forearm': (3, 155, 229),
}
_SPARE: tuple[Color, ...] = ((0, 150, 136), (244, 143, 177), (158, 157, 36), (121, 85, 72), (77, 182, 172),
                             (149, 117, 205), (255, 241, 118), (69, 90, 100), (197, 225, 165), (188, 170, 164),
                             (255, 87, 34), (63, 81, 181), (0, 229, 255))


def class_colors(names: Sequence[str]) -> np.ndarray:
    """One colour per parsing class, (n, 3) uint8: by the name, so that a garment looks alike in every dataset.

    Background is black, and left out by what draws. A name not known here takes the next spare colour.
    """
    spare, colors = 0, []
    for name in names:
        key = re.sub(r'[\s_]+', '-', name.strip().lower())
        if key == 'background':
            colors.append((0, 0, 0))
        elif key in _PARTS:
            colors.append(_PARTS[key])
        else:
            colors.append(_SPARE[spare % len(_SPARE)])
            spare += 1
    return np.array(colors, np.uint8).reshape(-1, 3)
