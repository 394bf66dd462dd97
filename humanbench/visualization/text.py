"""Text on arrays, in the scalable font that Pillow carries."""
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .palette import INK, WHITE, Color


@dataclass(frozen=True)
class Label:
    """One line of text.

    Attributes:
        text: what it says.
        x, y: left and top, in pixels.
        color: of the letters.
        background: of a rounded chip behind them, or None.
    """
    text: str
    x: float
    y: float
    color: Color = INK
    background: Color | None = None


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font in one size (pixels)."""
    return ImageFont.load_default(max(size, 6))


def padding(size: int) -> int:
    """Room between letters and the edge of their chip."""
    return max(2, size // 4)


def extent(text: str, size: int) -> tuple[int, int]:
    """Width and height of a chip with this text."""
    ascent, descent = font(size).getmetrics()
    pad = padding(size)
    return int(np.ceil(font(size).getlength(text))) + 2 * pad, ascent + descent + pad


def shortened(text: str, size: int, width: int) -> str:
    """The text, cut with dots where it is wider than ``width`` pixels."""
    if extent(text, size)[0] <= width:
        return text
    while text and extent(text + '...', size)[0] > width:
        text = text[:-1]
    return text + '...'


def wrapped(text: str, size: int, width: int, most: int) -> list[str]:
    """The text in lines of at most ``width`` pixels, broken between words and where it breaks itself.

    Args:
        most: lines; what is left is cut from the last one.
    """
    lines: list[str] = []
    for paragraph in text.split('\n'):
        words = paragraph.split(' ')
        while words and len(lines) < most:
            fits = 1
            while fits < len(words) and extent(' '.join(words[:fits + 1]), size)[0] <= width:
                fits += 1
            line, words = ' '.join(words if len(lines) == most - 1 else words[:fits]), words[fits:]
            lines.append(shortened(line, size, width))
    return lines


def text_card(text: str, size: int, height: int, width: int) -> np.ndarray:
    """A picture of a text, RGB uint8 (height, width, 3); what has no room is cut from its last line."""
    line = extent('x', size)[1]
    lines = wrapped(text, size, width - 2 * line, max(1, height // line - 1))
    top = (height - line * len(lines)) // 2
    return write(np.full((height, width, 3), WHITE, np.uint8),
                 [Label(x, line, top + i * line) for i, x in enumerate(lines)], size)


def write(image: np.ndarray, labels: Sequence[Label], size: int) -> np.ndarray:
    """Write lines of text on a copy of the image; chips are kept inside it."""
    if not labels:
        return image.copy()
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    pad = padding(size)
    for label in labels:
        width, height = extent(label.text, size)
        x = max(0, min(label.x, image.shape[1] - width))
        y = max(0, min(label.y, image.shape[0] - height))
        if label.background is not None:
            pen.rounded_rectangle((x, y, x + width - 1, y + height - 1), radius=pad, fill=label.background)
        pen.text((x + pad, y + pad // 2), label.text, fill=label.color, font=font(size))
    return np.array(canvas)
