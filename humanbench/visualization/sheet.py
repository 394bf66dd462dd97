"""Many pictures on one sheet."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from humanbench.errors import UserError
from humanbench.files import replacing
from humanbench.structures import HumanSample

from .draw import ATTRIBUTE_PANEL, SURE_KEYPOINT, draw_matches, draw_parsing, draw_ranking, parsing_legend, resize
from .palette import FRAME, INK, MUTED, PAPER, WHITE
from .sample import draw_sample, names_of, person_region, shown_boxes
from .text import Label, extent, wrapped, write


@dataclass(frozen=True)
class Ranking:
    """One query with its gallery in the order of the ranking: what a prediction sheet shows for re-identification."""
    query: np.ndarray
    gallery: Sequence[np.ndarray]
    matches: Sequence[bool]


Example = tuple[np.ndarray, HumanSample]
_MASKED = ('image and joints', 'what is seen', 'what is made of it')
_PARTED = ('image and joints', 'body parts found')
_MATCHED = ('points of the image', 'where they are found in the depth')
_PART_NAMES = ('background', 'upper-clothes', 'pants', 'shoes')  # whose colours everybody knows from parsing
_HIDDEN = 128  # grey of a masked patch


def contact_sheet(images: Sequence[np.ndarray], captions: Sequence[str] | None = None, columns: int = 6,
                  cell: tuple[int, int] | None = None, title: str = '', gap: int = 10, lines: int = 1) -> np.ndarray:
    """Pictures in rows, each whole, centred on its cell, with a caption below.

    Args:
        images: RGB uint8 arrays of any size.
        captions: one per image.
        columns: pictures in a row.
        cell: (width, height) of a cell; by default 240 wide with the height that suits the images.
        title: line above all.
        gap: pixels between cells.
        lines: in which a caption may be written.

    Returns:
        RGB uint8 (H, W, 3).
    """
    assert len(images), 'a contact sheet needs an image'
    assert captions is None or len(captions) == len(images)
    columns = min(columns, len(images))
    width, height = cell or (
        240,
        round(240 * float(np.clip(np.median([x.shape[0] / x.shape[1] for x in images]), 0.4, 2.2))),
    )
    size = int(np.clip(width / 17, 10, 15))
    texts = [wrapped(x, size, width, lines) for x in captions or ()]
    line = extent('x', size)[1]
    foot = line * max(map(len, texts)) + 2 if texts else 0
    head = round(2.6 * (size + 5)) if title else gap
    rows = -(-len(images) // columns)
    sheet = np.full((head + rows * (height + foot + gap), gap + columns * (width + gap), 3), PAPER, np.uint8)
    labels = []
    for i, image in enumerate(images):
        x, y = gap + i % columns * (width + gap), head + i // columns * (height + foot + gap)
        sheet[y:y + height, x:x + width] = _in_cell(image, width, height)
        labels += [Label(text, x, y + height + 1 + n * line, MUTED) for n, text in enumerate(texts[i] if texts else ())]
    sheet = write(sheet, labels, size)
    return write(
        sheet, [Label(title, gap // 2, (head - extent(title, size + 5)[1]) // 2, INK)] if title else [], size + 5
    )


def _in_cell(image: np.ndarray, width: int, height: int) -> np.ndarray:
    factor = min(width / image.shape[1], height / image.shape[0])
    inner = max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor))
    cell = np.full((height, width, 3), FRAME if inner != (height, width) else WHITE, np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    cell[top:top + inner[0], left:left + inner[1]] = image if inner == image.shape[:2] else resize(image, inner)
    return cell


def prediction_sheet(examples: Mapping[str, Sequence[Example | Ranking]], columns: int = 2, width: int = 1240,
                     title: str = '') -> np.ndarray:
    """Ground truth beside prediction, task by task.

    Args:
        examples: task -> (image, sample) pairs, or :class:`Ranking` for re-identification. The sample holds labels and
            predictions.
        columns: pairs in a row.
        width: of the sheet, in pixels.
        title: line above all.

    Returns:
        RGB uint8 (H, W, 3).
    """
    assert any(examples.values()), 'a prediction sheet needs an example'
    bands = [_heading(title, width, 26, 2)] if title else []
    for task, found in examples.items():
        if found:
            bands += [_heading(task, width, 20, 1), _task_band(found, columns, width)]
    return np.concatenate(bands)


def _heading(text: str, width: int, size: int, lines: int) -> np.ndarray:
    band = np.full((round(size * (1.9 + 0.4 * (lines - 1))), width, 3), PAPER, np.uint8)
    return write(band, [Label(text, 4, (band.shape[0] - extent(text, size)[1]) // 2, INK)], size)


def _task_band(found: Sequence[Example | Ranking], columns: int, width: int) -> np.ndarray:
    if isinstance(found[0], Ranking):
        strips = [_fit_width(draw_ranking(x.query, x.gallery, x.matches, height=170), width, 10) for x in found]
        return np.concatenate(strips)
    gap, draw, names = 10, _pair, ()
    if 'pred_reconstruction' in found[0][1]:
        draw, names = _masked, _MASKED
    elif 'pred_parts' in found[0][1]:
        draw, names = _parted, _PARTED
    elif 'pred_matches' in found[0][1]:
        draw, names = _matched, _MATCHED
    columns = min(3 * columns if names else columns, len(found))  # a person's crop is narrow
    side_by_side = len(names) or 2
    cell = (width - gap) // (side_by_side * columns) - gap
    drawn = [draw(image, sample, cell) for image, sample in found]
    ratio = float(np.clip(np.median([x.shape[0] / x.shape[1] for group in drawn for x in group]), 0.5,
                          2.0 if names else 1.5))
    captions = [text for _, sample in found for text in names or ('ground truth', _caption(sample))]
    sheet = contact_sheet([image for group in drawn for image in group], captions, side_by_side * columns,
                          (cell, round(cell * ratio)), gap=gap)
    bands = [_fit_width(sheet, width, 0)]
    if 'gt_sem_seg' in found[0][1]:
        bands.append(_legend(found, width))
    return np.concatenate(bands)


def _caption(sample: HumanSample) -> str:
    """What is shown of a prediction: which keypoints; of boxes, how many and from which score on."""
    found = sample.get('pred_instances', ())
    if 'keypoint_scores' in found:
        return f'prediction: keypoints of score > {SURE_KEYPOINT}'
    if 'scores' not in found:
        return 'prediction'
    shown = shown_boxes(sample)
    least = f', score from {float(found.scores[shown[-1]]):.2f}' if len(shown) else ''
    return f'prediction: best {len(shown)} of {len(found.scores)}{least}'


def _pair(image: np.ndarray, sample: HumanSample, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions of one sample, drawn at the size at which they are shown: lines stay crisp."""
    region = person_region(image, sample)
    x1, y1, x2, y2 = region or (0, 0, image.shape[1], image.shape[0])
    wide, high = x2 - x1, y2 - y1
    if 'gt_attributes' in sample:
        wide += ATTRIBUTE_PANEL * high
    side = round(max(y2 - y1, x2 - x1) * min(cell / wide, 1.5 * cell / high))
    return draw_sample(image, sample, 'gt', side, region), draw_sample(image, sample, 'pred', side, region)


def _masked(image: np.ndarray, sample: HumanSample, cell: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a masked autoencoder was given, with joints; what it has seen of it; and what it makes of that."""
    image = resize(image, sample.img_shape)
    made = sample.pred_reconstruction.cpu().numpy().transpose(1, 2, 0)
    hidden = sample.pred_mask.cpu().numpy()
    patch = image.shape[0] // hidden.shape[0]
    seen = np.where(hidden.repeat(patch, 0).repeat(patch, 1)[..., None], np.uint8(_HIDDEN), image)
    size = round(cell * image.shape[0] / image.shape[1]), cell
    return draw_sample(image, sample, 'gt', max(size)), resize(seen, size), resize(made, size)


def _parted(image: np.ndarray, sample: HumanSample, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """A person with joints, and with the body parts that the tokens were told apart into."""
    image = resize(image, sample.img_shape)
    drawn = draw_parsing(image, sample.pred_parts.cpu().numpy().astype(np.uint8), _PART_NAMES)
    size = round(cell * image.shape[0] / image.shape[1]), cell
    return draw_sample(image, sample, 'gt', max(size)), resize(drawn, size)


def _matched(image: np.ndarray, sample: HumanSample, cell: int) -> tuple[np.ndarray, np.ndarray]:
    """A person as the network has it, and the depth, with the points that were found in it, if there is any."""
    seen = sample.pred_view.cpu().numpy().transpose(1, 2, 0)
    size = round(cell * seen.shape[0] / seen.shape[1]), cell
    scale = size[1] / seen.shape[1]
    depth = cv2.resize(sample.gt_depth[0].cpu().numpy(), size[::-1], interpolation=cv2.INTER_NEAREST)
    matches = sample.pred_matches if depth.any() else sample.pred_matches[:0]
    return draw_matches(resize(seen, size), depth, scale * matches.cpu().numpy())


def _legend(found: Sequence[Example], width: int) -> np.ndarray:
    maps = [np.asarray(sample.gt_sem_seg.data.cpu()) for _, sample in found]
    present = sorted({int(i) for labels in maps for i in np.unique(labels) if 0 < i < 255})
    sample = found[0][1]
    names = names_of(sample, 'classes', max(present, default=0) + 1)
    return parsing_legend(names, width, present=present)


def _fit_width(image: np.ndarray, width: int, margin: int) -> np.ndarray:
    """The image on a band of the sheet's width: cut off never, shrunk where it must."""
    room = width - 2 * margin
    if image.shape[1] > room:
        image = resize(image, (round(image.shape[0] * room / image.shape[1]), room))
    band = np.full((image.shape[0] + margin, width, 3), PAPER, np.uint8)
    band[:image.shape[0], margin:margin + image.shape[1]] = image
    return band


def picture_path(path: str | Path) -> Path:
    """The path of a picture that can be written; its suffix says the format.

    Raises:
        UserError: no picture format has this suffix.
    """
    path = Path(path)
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise UserError(f"'{path}' is no name of a picture: expected the suffix .png or .jpg.")
    return path


def save_image(image: np.ndarray, path: str | Path) -> Path:
    """Write an image file, whole or not at all; the suffix says the format (see :func:`picture_path`)."""
    path = picture_path(path)
    with replacing(path, durable=False) as temporary:
        Image.fromarray(image).save(temporary)
    return path
