"""Labels and predictions drawn on images: pure functions on RGB uint8 arrays (H, W, 3)."""
from collections.abc import Sequence

import cv2
import numpy as np

from .palette import (
    BOXES,
    IGNORED,
    INK,
    LIMBS,
    MUTED,
    PAPER,
    POINT,
    RIGHT_ANSWER,
    WHITE,
    WRONG_ANSWER,
    Color,
    class_colors,
)
from .skeleton import joint_group, limbs
from .text import Label, extent, shortened, write

SURE_KEYPOINT = 0.3  # a predicted keypoint is drawn where its score is above this
ATTRIBUTE_PANEL = 0.72  # width of the list of attributes over the height of the image
_SHIFT = 4  # cv2 takes coordinates as integers with this many binary places


def stroke(image: np.ndarray) -> int:
    """Line width that suits the size of an image."""
    return max(1, round(min(image.shape[:2]) / 170))


def text_size(image: np.ndarray) -> int:
    """Letter size that suits the size of an image, in pixels."""
    return int(np.clip(min(image.shape[:2]) / 26, 9, 26))


def _fixed(xy: Sequence[float]) -> tuple[int, int]:
    return int(round(float(xy[0]) * 2**_SHIFT)), int(round(float(xy[1]) * 2**_SHIFT))


def _line(image: np.ndarray, a: Sequence[float], b: Sequence[float], color: Color, width: int) -> None:
    cv2.line(image, _fixed(a), _fixed(b), color, width, cv2.LINE_AA, _SHIFT)


def _disc(image: np.ndarray, xy: Sequence[float], radius: float, color: Color, width: int = -1) -> None:
    cv2.circle(image, _fixed(xy), int(round(radius * 2**_SHIFT)), color, width, cv2.LINE_AA, _SHIFT)


def draw_boxes(image: np.ndarray, boxes: np.ndarray, labels: Sequence[str] | None = None,
               colors: Sequence[Color] | Color | None = None, width: int | None = None,
               size: int | None = None) -> np.ndarray:
    """Boxes, each with a chip of text on its upper edge.

    Args:
        boxes: (n, 4) corners x1, y1, x2, y2 in pixels.
        labels: one text per box; an empty one draws no chip.
        colors: one colour for all, or one per box; by default people who follow each other differ.
        width: of the lines, in pixels; by default what suits the image.
        size: of the letters; likewise.
    """
    out = image.copy()
    colors = [BOXES[i % len(BOXES)] for i in range(len(boxes))] if colors is None else colors
    colors = [colors] * len(boxes) if isinstance(colors, tuple) and np.isscalar(colors[0]) else list(colors)
    width, size = width or stroke(image), size or text_size(image)
    order = np.argsort([-(b[2] - b[0]) * (b[3] - b[1]) for b in boxes], kind='stable')  # small ones on top
    for i in order:
        cv2.rectangle(out, _fixed(boxes[i][:2]), _fixed(boxes[i][2:]), colors[i], width, cv2.LINE_AA, _SHIFT)
    chips = [Label(labels[i], boxes[i][0] - width / 2, boxes[i][1] - extent(labels[i], size)[1], WHITE, colors[i])
             for i in order if labels is not None and labels[i]]
    return write(out, chips, size)


def draw_ignored(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Regions that count neither way: greyed, hatched and dashed."""
    out = image.copy()
    for x1, y1, x2, y2 in np.asarray(boxes, float):
        left, top = max(0, int(x1)), max(0, int(y1))
        region = out[top:max(top, int(np.ceil(y2))), left:max(left, int(np.ceil(x2)))]
        if not region.size:
            continue
        region[:] = region * 0.72 + 0.28 * np.array(IGNORED)
        rows, columns = np.indices(region.shape[:2])
        period = 8 * stroke(image)
        hatch = (rows + columns) % period < stroke(image)
        region[hatch] = region[hatch] * 0.6 + 0.4 * np.array(WHITE)
        cv2.rectangle(out, _fixed((x1, y1)), _fixed((x2, y2)), IGNORED, stroke(image), cv2.LINE_AA, _SHIFT)
    return out


def draw_keypoints(image: np.ndarray, keypoints: np.ndarray, visible: np.ndarray, names: Sequence[str],
                   occluded: np.ndarray | None = None, threshold: float = SURE_KEYPOINT) -> np.ndarray:
    """A skeleton per person: the person's own left in warm colours, the right in cool ones.

    Args:
        keypoints: (n, K, 2) pixels.
        visible: (n, K) annotated flags or predicted scores; a point at or below ``threshold`` is not drawn.
        names: K keypoint names; limbs follow from those that are drawn.
        occluded: (n, K) points that are annotated but hidden: drawn as rings.
        threshold: see ``visible``.
    """
    out = image.copy()
    for person, shown, hidden in zip(
        keypoints, visible > threshold, [None] * len(keypoints) if occluded is None else occluded
    ):
        if not shown.any():
            continue
        unit = _limb_width(image, person[shown])
        joined = limbs([name if there else '' for name, there in zip(names, shown)])
        for halo in (True, False):  # a dark rim first, so that limbs stand out from any clothes
            for a, b, group in joined:
                _line(out, person[a], person[b], INK if halo else LIMBS[group], 2 * unit + 2 if halo else 2 * unit)
        for k in np.flatnonzero(shown):
            color = LIMBS[joint_group(names[k])]
            _disc(out, person[k], 1.9 * unit + 1, INK)
            _disc(out, person[k], 1.9 * unit, WHITE)
            if hidden is None or not hidden[k]:
                _disc(out, person[k], 1.3 * unit, color)
    return out


def _limb_width(image: np.ndarray, points: np.ndarray) -> int:
    """Half the width of a limb: thin for people who are small in the picture."""
    size = float(np.ptp(points, axis=0).max()) if len(points) > 1 else 0
    return int(np.clip(round(max(size, 40) / 110), 1, 2 * stroke(image)))


def draw_parsing(image: np.ndarray, label_map: np.ndarray, names: Sequence[str], alpha: float = 0.62) -> np.ndarray:
    """Class colours over the image, with a fine light line where classes meet. Class 0 and 255 stay clear.

    Args:
        label_map: (h, w) class ids; brought to the size of the image by nearest neighbour where it differs.
        names: class names in order; they give the colours.
        alpha: how much the colours cover.
    """
    height, width = image.shape[:2]
    if label_map.shape != (height, width):
        label_map = cv2.resize(label_map.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    labelled = (label_map > 0) & (label_map < len(names))
    lookup = np.zeros((256, 3), np.float32)
    lookup[:len(names)] = class_colors(names)
    out = image.astype(np.float32)
    out[~labelled] = out[~labelled] * 0.55 + 0.45 * out[~labelled].mean(1, keepdims=True)  # calmer surroundings
    out[labelled] = (1 - alpha) * out[labelled] + alpha * lookup[label_map[labelled]]
    border = np.zeros((height, width), bool)
    border[:, 1:] |= label_map[:, 1:] != label_map[:, :-1]
    border[1:] |= label_map[1:] != label_map[:-1]
    out[border] = out[border] * 0.35 + 0.65 * 255
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)


def parsing_legend(
    names: Sequence[str], width: int, size: int = 13, present: Sequence[int] | None = None
) -> np.ndarray:
    """Colour patches with class names, in as many rows as ``width`` pixels ask for.

    Args:
        names: class names in order.
        width: of the legend.
        size: of the letters.
        present: class ids to show; by default all but the background.
    """
    shown = [i for i in (range(1, len(names)) if present is None else present) if 0 < i < len(names)]
    patch, gap, line = size, size // 2, int(size * 1.7)
    x, y, places = gap, gap, []
    for i in shown:
        needed = patch + extent(names[i], size)[0] + gap
        if x + needed > width and x > gap:
            x, y = gap, y + line
        places.append((i, x, y))
        x += needed
    out = np.full((y + line, width, 3), PAPER, np.uint8)
    colors = class_colors(names)
    for i, x, y in places:
        out[y + 2:y + 2 + patch, x:x + patch] = colors[i]
    return write(out, [Label(names[i], x + patch, y - 1) for i, x, y in places], size)


def draw_attributes(image: np.ndarray, names: Sequence[str], values: np.ndarray, truth: np.ndarray | None = None,
                    threshold: float = 0.5, most: int = 14) -> np.ndarray:
    """The image with a list of attributes at its right.

    Args:
        names: A attribute names.
        values: (A,) 1/0/-1 labels, or predicted probabilities (floats).
        truth: (A,) labels that a prediction is judged by: right ones get a green mark, wrong and missed ones a red one.
        threshold: a probability above it says that the attribute is there.
        most: longest list; the surest come first.
    """
    predicted = np.issubdtype(np.asarray(values).dtype, np.floating)
    said = np.asarray(values) > (threshold if predicted else 0)
    listed = said if truth is None else said | (np.asarray(truth) == 1)
    order = (
        sorted(np.flatnonzero(listed), key=lambda i: -float(values[i]))[:most]
        if predicted
        else np.flatnonzero(listed)[:most]
    )
    height = image.shape[0]
    size = int(np.clip(height / (max(len(order), 8) + 3) / 1.5, 10, 17))
    texts = [f'{float(values[i]):.2f}  {names[i]}' if predicted else names[i] for i in order]
    width = round(ATTRIBUTE_PANEL * height)  # the same for labels and predictions
    texts = [shortened(text, size, width - 2 * size) for text in texts]
    panel = np.full((height, width, 3), PAPER, np.uint8)
    labels = []
    for row, (i, text) in enumerate(zip(order, texts)):
        y = int(size * (0.8 + 1.5 * row))
        known = truth is not None and truth[i] != -1
        color = (RIGHT_ANSWER if bool(said[i]) == bool(truth[i] == 1) else WRONG_ANSWER) if known else MUTED
        _disc(panel, (size, y + 0.72 * size), 0.33 * size, color, -1 if said[i] else 2)
        labels.append(Label(text, 1.5 * size, y, INK if said[i] else MUTED))
    hidden = int(listed.sum()) - len(order)
    if hidden or not texts:
        labels.append(
            Label(f'and {hidden} more' if hidden else 'none', 1.5 * size, int(size * (0.8 + 1.5 * len(order))), MUTED)
        )
    return np.concatenate([image, write(panel, labels, size)], axis=1)


def draw_ranking(query: np.ndarray, gallery: Sequence[np.ndarray], matches: Sequence[bool], height: int = 192,
                 captions: Sequence[str] | None = None) -> np.ndarray:
    """A query and what was found for it, best first; the same person is framed green, another red.

    Args:
        query: image of the person looked for.
        gallery: images in the order of the ranking.
        matches: whether each shows the same person.
        height: of every image in the strip, in pixels.
        captions: text below each gallery image (a distance, say).
    """
    assert len(gallery) == len(matches)
    frame, size = max(3, height // 40), max(10, height // 13)
    foot = int(size * 1.7)

    def tile(image: np.ndarray, color: Color) -> np.ndarray:
        image = resize(image, (height, max(1, round(image.shape[1] * height / image.shape[0]))))
        framed = cv2.copyMakeBorder(image, frame, frame, frame, frame, cv2.BORDER_CONSTANT, value=color)
        return cv2.copyMakeBorder(framed, 0, foot, 0, 0, cv2.BORDER_CONSTANT, value=PAPER)

    def gap(width: int) -> np.ndarray:
        return np.full((height + 2 * frame + foot, width, 3), PAPER, np.uint8)

    pieces, labels, x = [tile(query, INK), gap(4 * frame)], [Label('query', 0, height + 2 * frame)], 0
    for i, (image, match) in enumerate(zip(gallery, matches)):
        x = sum(piece.shape[1] for piece in pieces)
        pieces += [tile(image, RIGHT_ANSWER if match else WRONG_ANSWER), gap(2 * frame)]
        text = f'{i + 1}' + (f'  {captions[i]}' if captions else '')
        labels.append(Label(shortened(text, size, pieces[-2].shape[1]), x, height + 2 * frame,
                            RIGHT_ANSWER if match else WRONG_ANSWER))
    return write(np.concatenate(pieces, axis=1), labels, size)


def draw_points(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Head points of a crowd, and their number in the corner.

    Args:
        points: (n, 2) pixels.
    """
    out = image.copy()
    crowding = np.sqrt(image.shape[0] * image.shape[1] / max(len(points), 1))
    radius = float(np.clip(crowding / 16, 1.5, 1.6 * stroke(image) + 1.5))
    for point in points:
        _disc(out, point, radius + 1, INK)
        _disc(out, point, radius, POINT)
    return write(out, [Label(f'{len(points)} people', 6, 6, WHITE, INK)], text_size(image) + 2)


def draw_density(image: np.ndarray, density: np.ndarray, count: float | None = None, alpha: float = 0.72) -> np.ndarray:
    """Where people are, as a heat overlay, and how many.

    Args:
        density: (h, w), non-negative, of any size.
        count: number to write; the sum of the density by default.
        alpha: how much the hottest place covers the image.
    """
    count = float(density.sum()) if count is None else float(count)
    height, width = image.shape[:2]
    heat = cv2.resize(np.clip(density, 0, None).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    heat = heat / max(float(np.percentile(heat, 99.5)), float(heat.max()) / 4, 1e-12)
    heat = np.clip(heat, 0, 1)**0.7
    colors = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    cover = (alpha * np.clip(heat * 2, 0, 1))[..., None]
    out = image.astype(np.float32) * (0.75 - 0.25 * cover) * (1 - cover) + colors * cover
    return write(
        np.clip(out, 0, 255).astype(np.uint8), [Label(f'{count:.1f} people', 6, 6, WHITE, INK)], text_size(image) + 2
    )


def depth_picture(depth: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 of depth (H, W) in metres: the nearer the brighter, black where nothing was measured."""
    measured = depth > 0
    near, far = np.percentile(depth[measured], (1, 99)) if measured.any() else (0.0, 1.0)
    share = np.clip((depth - near) / max(far - near, 0.1), 0, 1)
    return np.repeat(np.where(measured, 255 - 200 * share, 0).astype(np.uint8)[..., None], 3, 2)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image at (height, width): area filter to shrink, cubic to enlarge."""
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def draw_matches(image: np.ndarray, depth: np.ndarray, matches: np.ndarray,
                 most: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """The same colour for a point of an image and for where it is found in the depth beside it.

    A point's colour says where it is: hue from the top down, brighter to the right.

    Args:
        image: RGB (H, W, 3).
        depth: (H, W) metres, 0 where not known.
        matches: (S, 2, 2) the points, and where they are found; x and y in pixels.
        most: how many are drawn.

    Returns:
        Image and depth with points, both (H, W, 3).
    """
    drawn = [image.copy(), depth_picture(depth)]
    height, width = depth.shape
    for point, match in matches[:most]:
        hue, value = 150 * point[1] / height, 140 + 115 * point[0] / width
        color = cv2.cvtColor(np.uint8([[[hue, 255, value]]]), cv2.COLOR_HSV2RGB)[0, 0].tolist()
        for picture, place in zip(drawn, (point, match), strict=True):
            _disc(picture, place, 0.022 * max(height, width), color)
    return drawn[0], drawn[1]
