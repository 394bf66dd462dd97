"""A picture with what was found in it: parsing, skeletons, boxes and the count; beside it who is who."""
from collections.abc import Sequence

import cv2
import numpy as np

from ..visualization import draw_attributes, draw_boxes, draw_density, draw_keypoints, draw_parsing, parsing_legend
from ..visualization.draw import resize
from ..visualization.palette import BOXES, INK, MUTED, PAPER, WHITE
from ..visualization.text import Label, extent, shortened, write
from .results import ImageResult, PersonResult

SIDES = (960, 1600)  # shortest and longest long side of a picture that is drawn on, in pixels
CARD, MOST_ATTRIBUTES = 150, 8  # height of a person's card in pixels, attributes listed on it
_PORTRAIT = 0.6  # widest portrait on a card, over its height
_GAP = 10
_SCORES, _CHIPS = 12, 40  # so many boxes have their scores, and so many a number: text would hide a crowd


def draw_result(image: np.ndarray, result: ImageResult, panel: bool = True) -> np.ndarray:
    """The picture with everything drawn on it.

    Args:
        image: RGB uint8 (H, W, 3).
        result: of this picture.
        panel: enlarge or shrink the picture for the eye, and put a card for each person with attributes and a legend of
            the parsing beside it; without, the drawing has the size of the picture.

    Returns:
        RGB uint8.
    """
    longest = max(image.shape[:2])
    zoom = float(np.clip(longest, *SIDES)) / longest if panel else 1.0
    size = max(1, round(image.shape[0] * zoom)), max(1, round(image.shape[1] * zoom))
    canvas = image.copy() if size == image.shape[:2] else resize(image, size)
    canvas = _people(canvas, result, np.array([size[1] / image.shape[1], size[0] / image.shape[0]]))
    if not panel:
        return canvas
    return _beside(_below(canvas, _legend(result, canvas.shape[1])), _cards(image, result, canvas.shape[0]))


def _people(canvas: np.ndarray, result: ImageResult, scale: np.ndarray) -> np.ndarray:
    """Parsing, skeletons, boxes, count; ``scale`` is canvas pixels per pixel of the picture, (x, y)."""
    people = result.persons
    if not people and result.density is not None:  # a crowd that is only counted
        return draw_density(canvas, result.density, result.count, alpha=0.5)
    labels = _label_map(result)
    if labels is not None:
        canvas = draw_parsing(canvas, labels, result.names.get('parsing') or _numbers(labels), alpha=0.5)
    boxes = np.array([x.box for x in people], float).reshape(-1, 4) * np.tile(scale, 2)
    texts = [_name(i, x) if len(people) <= _SCORES else f'{i + 1}' for i, x in enumerate(people)]
    letters = int(np.clip(min(canvas.shape[:2]) / 40, 9, 20))
    canvas = draw_boxes(canvas, boxes, texts if len(people) <= _CHIPS else None,
                        width=max(1, round(min(canvas.shape[:2]) / 350)), size=letters)
    posed = [x for x in people if x.keypoints is not None]
    if posed:
        names = result.names.get('pose') or _numbers(posed[0].keypoints)
        canvas = draw_keypoints(canvas, np.stack([x.keypoints for x in posed]) * scale,
                                np.stack([x.keypoint_scores for x in posed]), names)
    if result.count is not None:
        canvas = write(canvas, [Label(f'{result.count:.1f} people', 6, 6, WHITE, INK)], letters + 4)
    return canvas


def _numbers(values: np.ndarray) -> list[str]:
    """Names for what has none: of label maps so many as there are classes."""
    return [str(i) for i in range(int(values.max(initial=0)) + 1 if values.dtype == np.uint8 else len(values))]


def _name(number: int, person: PersonResult) -> str:
    return f'{number + 1}' if person.score is None else f'{number + 1}   {person.score:.2f}'


def _label_map(result: ImageResult) -> np.ndarray | None:
    """(H, W) classes of all people, the smaller ones on top; None where nobody was parsed."""
    parsed = [x for x in result.persons if x.parsing is not None]
    if not parsed:
        return None
    labels = np.zeros(result.size, np.uint8)
    for person in sorted(parsed, key=lambda x: -x.parsing.size):
        top, left, bottom, right = person.window
        part = labels[top:bottom, left:right]
        np.copyto(part, person.parsing, where=person.parsing > 0)
    return labels


def _legend(result: ImageResult, width: int) -> np.ndarray | None:
    """The colours of the classes that occur."""
    labels = _label_map(result)
    present = [] if labels is None else [int(x) for x in np.unique(labels) if x]
    if not present:
        return None
    return parsing_legend(result.names.get('parsing') or _numbers(labels), width, present=present)


def _cards(image: np.ndarray, result: ImageResult, height: int) -> np.ndarray | None:
    """A column of people with their attributes, as many as the height takes; None where nobody has any."""
    known = [(i, x) for i, x in enumerate(result.persons) if x.attributes is not None]
    if not known:
        return None
    names = result.names.get('attribute') or _numbers(known[0][1].attributes)
    rows = max(1, (height - _GAP) // (CARD + _GAP))
    shown = known if len(known) <= rows else known[:rows]
    cards = [_card(image, number, person, names) for number, person in shown]
    width = max(card.shape[1] for card in cards) + 2 * _GAP
    panel = np.full((max(height, len(cards) * (CARD + _GAP) + _GAP), width, 3), PAPER, np.uint8)
    for row, card in enumerate(cards):
        top = _GAP + row * (CARD + _GAP)
        panel[top:top + CARD, _GAP:_GAP + card.shape[1]] = card
    if len(known) > len(shown):
        text = f'{len(known) - len(shown)} more in the JSON'
        panel = write(panel, [Label(text, _GAP, panel.shape[0] - extent(text, 12)[1] - 2, MUTED)], 12)
    return panel


def _card(image: np.ndarray, number: int, person: PersonResult, names: Sequence[str]) -> np.ndarray:
    """A portrait with its number, and the attributes that the model is sure of."""
    top, left, bottom, right = person.window
    portrait = image[top:bottom, left:right]
    factor = min(CARD / portrait.shape[0], _PORTRAIT * CARD / portrait.shape[1])
    portrait = resize(portrait, tuple(max(1, round(x * factor)) for x in portrait.shape[:2]))
    cell = np.full((CARD, round(_PORTRAIT * CARD), 3), WHITE, np.uint8)
    y, x = (CARD - portrait.shape[0]) // 2, (cell.shape[1] - portrait.shape[1]) // 2
    cell[y:y + portrait.shape[0], x:x + portrait.shape[1]] = portrait
    cell = write(cell, [Label(shortened(_name(number, person), 13, cell.shape[1]), 3, 3, WHITE,
                              BOXES[number % len(BOXES)])], 13)
    return draw_attributes(cell, names, person.attributes.astype(np.float32), most=MOST_ATTRIBUTES)


def _below(above: np.ndarray, legend: np.ndarray | None) -> np.ndarray:
    return above if legend is None else np.concatenate([above, legend])


def _beside(left: np.ndarray, panel: np.ndarray | None) -> np.ndarray:
    """Two parts side by side, the lower one continued in paper."""
    if panel is None:
        return left
    height = max(left.shape[0], panel.shape[0])
    return np.concatenate([_lengthened(left, height), _lengthened(panel, height)], axis=1)


def _lengthened(image: np.ndarray, height: int) -> np.ndarray:
    return cv2.copyMakeBorder(image, 0, height - image.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=PAPER)
