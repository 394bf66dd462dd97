"""Drawing whatever a HumanSample holds, on the image it belongs to."""
from dataclasses import dataclass

import cv2
import numpy as np

from humanbench import catalog
from humanbench.errors import unknown_name
from humanbench.structures import HumanSample

from .draw import (
    draw_attributes,
    draw_boxes,
    draw_density,
    draw_ignored,
    draw_keypoints,
    draw_parsing,
    draw_points,
    resize,
    text_size,
)
from .palette import INK, WHITE
from .text import Label, write

_SIDES = ('gt', 'pred')
_SURE = 0.5  # where labels do not say how many boxes to draw: those above this score
_MANY = 12  # chips on more boxes than this would hide the people

Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class _View:
    """From the pixels of labels or predictions to those of the canvas.

    Attributes:
        size: (height, width) of the whole image.
        region: the part of it that is shown, corners x1, y1, x2, y2.
        scale: canvas pixels per label pixel, (x, y).
        shift: label pixel at the canvas' corner, (x, y).
        original: whether the image is the original one and the sample is a crop of it.
    """
    size: tuple[int, int]
    region: Region
    scale: np.ndarray
    shift: np.ndarray
    original: bool

    def points(self, xy: np.ndarray) -> np.ndarray:
        """Canvas pixels of (..., 2) points."""
        return (xy - self.shift) * self.scale

    def boxes(self, corners: np.ndarray) -> np.ndarray:
        """Canvas pixels of (n, 4) corners."""
        return self.points(corners.reshape(-1, 2, 2)).reshape(-1, 4)

    def part(self, array: np.ndarray, interpolation: int) -> np.ndarray:
        """The shown part of an (h, w) map over the whole image."""
        if array.shape != self.size:
            array = cv2.resize(array, self.size[::-1], interpolation=interpolation)
        x1, y1, x2, y2 = self.region
        return array[y1:y2, x1:x2]


def draw_sample(image: np.ndarray, sample: HumanSample, which: str = 'gt', long_side: int | None = None,
                region: Region | None = None) -> np.ndarray:
    """Labels or predictions of one sample drawn on its image.

    The image may be the original one or the network's input: labels of the input are brought to the original image
    where the sample says how (``scale_factor``, or ``raw_ann_info`` for keypoints). Names come from the sample's
    metainfo (``classes``, ``keypoint_names``, ``attribute_names``) or from the card of its ``dataset``. Of predicted
    boxes, those of :func:`shown_boxes` are drawn.

    Args:
        image: RGB uint8 (H, W, 3).
        sample: see :class:`humanbench.structures.HumanSample` for its fields.
        which: ``gt`` or ``pred``.
        long_side: enlarge or shrink the picture to this before drawing, so that lines and letters stay crisp.
        region: show this part of the image only (x1, y1, x2, y2), see :func:`person_region`.

    Returns:
        RGB uint8; wider than the image where attributes are listed beside it.

    Raises:
        UserError: ``which`` is neither.
    """
    if which not in _SIDES:
        raise unknown_name('side of a sample', which, _SIDES)
    region = region or (0, 0, image.shape[1], image.shape[0])
    shown = image[region[1]:region[3], region[0]:region[2]]
    zoom = long_side / max(shown.shape[:2]) if long_side else 1.0
    size = max(1, round(shown.shape[0] * zoom)), max(1, round(shown.shape[1] * zoom))
    canvas = shown.copy() if size == shown.shape[:2] else resize(shown, size)
    factor = _label_pixels(sample, image, which)
    view = _View(image.shape[:2], region, np.array([size[1] / shown.shape[1], size[0] / shown.shape[0]]) / factor,
                 np.array(region[:2]) * factor, _is_original(sample, image))
    for draw in (_parsing, _density, _instances, _attributes, _identity):
        canvas = draw(canvas, sample, which, view)
    return canvas


def shown_boxes(sample: HumanSample) -> np.ndarray:
    """Which predicted boxes are drawn: the best-scored ones, as many as there are labels.

    Every score counts alike in average precision, and a network's scores may all be low, so no threshold decides. Where
    the sample has no labels, it is the boxes with a score above 0.5.

    Returns:
        (n,) indices into ``pred_instances``, the best one first.
    """
    scores, labels = _array(sample.pred_instances.scores), sample.get('gt_instances')
    order = np.argsort(-scores, kind='stable')
    known = labels is not None and 'bboxes' in labels
    return order[:len(labels.bboxes)] if known else order[scores[order] > _SURE]


def person_region(image: np.ndarray, sample: HumanSample, margin: float = 1.5) -> Region | None:
    """The part of an original image around the person of a pose sample; None where there is no such person or box.

    Args:
        margin: size of the part over that of the box.
    """
    box = (_raw(sample) or {}).get('bbox')
    instances = sample.get('gt_instances')
    of_person = instances is not None and 'keypoints' in instances  # native boxes of detection are of all people
    if box is None or not of_person or not _is_original(sample, image):
        return None
    center, half = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2]), np.array(box[2:4]) * margin / 2
    half = np.maximum(half, half.max() * 0.6)  # a slim person with some surroundings
    corner = np.clip(np.concatenate([center - half, center + half]).round(), 0, np.tile(image.shape[1::-1], 2)).astype(
        int
    )
    return tuple(corner.tolist()) if corner[2] > corner[0] and corner[3] > corner[1] else None


def names_of(sample: HumanSample, kind: str, count: int) -> list[str]:
    """Names of classes, keypoints or attributes of a sample, from its metainfo or from its dataset's card.

    Args:
        kind: ``classes``, ``keypoint_names`` or ``attribute_names``.
        count: how many there must be (classes: at least); things without fitting names are numbered.
    """
    found = sample.get(kind)
    if found is None and sample.get('dataset') in catalog.ids():
        card = catalog.card(sample.dataset)
        found = {'classes': card.classes, 'keypoint_names': card.keypoints, 'attribute_names': card.attributes}[kind]
    fits = found is not None and (len(found) == count or (kind == 'classes' and len(found) > count))
    return list(found) if fits else [str(i) for i in range(count)]


def _is_original(sample: HumanSample, image: np.ndarray) -> bool:
    """Whether this is the image as it lies on disk; an input of the very same size counts as that too."""
    return tuple(sample.get('ori_shape') or image.shape[:2])[:2] == image.shape[:2]


def _label_pixels(sample: HumanSample, image: np.ndarray, which: str) -> np.ndarray:
    """Label pixels per image pixel, (x, y): labels follow the network's input, predictions the original image."""
    factor, original = sample.get('scale_factor'), _is_original(sample, image)
    if factor is None or (which == 'pred') == original:
        return np.ones(2)
    return np.asarray(factor, float)[:2] ** (1 if original else -1)


def _array(value) -> np.ndarray:
    value = getattr(value, 'tensor', value)  # mmdet's boxes
    return value.detach().cpu().numpy() if hasattr(value, 'detach') else np.asarray(value)


def _parsing(canvas: np.ndarray, sample: HumanSample, which: str, view: _View) -> np.ndarray:
    found = sample.get(f'{which}_sem_seg')
    if found is None:
        return canvas
    labels = _array(found.data).squeeze(0).astype(np.uint8)
    count = int(labels[labels < 255].max(initial=0)) + 1
    return draw_parsing(canvas, view.part(labels, cv2.INTER_NEAREST), names_of(sample, 'classes', count))


def _density(canvas: np.ndarray, sample: HumanSample, which: str, view: _View) -> np.ndarray:
    if which == 'gt' or sample.get('pred_count') is None:
        return canvas
    count, density = float(sample.pred_count), sample.get('pred_density')
    if density is not None:
        return draw_density(canvas, view.part(_array(density).squeeze().astype(np.float32), cv2.INTER_LINEAR), count)
    return write(canvas, [Label(f'{count:.1f} people', 6, 6, WHITE, INK)], text_size(canvas) + 2)


def _instances(canvas: np.ndarray, sample: HumanSample, which: str, view: _View) -> np.ndarray:
    found = sample.get(f'{which}_instances')
    if found is None:
        return canvas
    if 'points' in found:
        return draw_points(canvas, view.points(_array(found.points).reshape(-1, 2)))
    if 'keypoints' in found:
        return _people(canvas, sample, which, view)
    ignored = sample.get('ignored_instances')
    if which == 'gt' and ignored is not None and len(ignored):
        canvas = draw_ignored(canvas, view.boxes(_array(ignored.bboxes)))
    if 'bboxes' not in found:
        return canvas
    boxes = view.boxes(_array(found.bboxes))
    if 'scores' not in found:
        people = _array(found.pids) if 'pids' in found else ()
        return draw_boxes(canvas, boxes, [f'id {int(x)}' if x > 0 else '' for x in people] or None)
    shown = shown_boxes(sample)
    texts = None if len(shown) > _MANY else [f'{score:.2f}' for score in _array(found.scores)[shown]]
    return draw_boxes(canvas, boxes[shown], texts)


def _people(canvas: np.ndarray, sample: HumanSample, which: str, view: _View) -> np.ndarray:
    """Skeletons: as labelled, or as in the native annotation where a crop's labels are drawn on the original image."""
    found = sample.get(f'{which}_instances')
    points = _array(found.keypoints)
    names = names_of(sample, 'keypoint_names', points.shape[1])
    if which == 'pred':
        scores = _array(found.keypoint_scores) if 'keypoint_scores' in found else np.ones(points.shape[:2])
        return draw_keypoints(canvas, view.points(points), scores, names)
    visible = _array(found.keypoints_visible).reshape(points.shape[:2])
    native = _native_keypoints(sample, len(names)) if len(points) == 1 else None
    if native is not None and view.original and sample.get('input_center') is not None:
        points, visible = native[None, :, :2], native[None, :, 2] > 0
    occluded = None if native is None else native[None, :, 2] == 1
    return draw_keypoints(canvas, view.points(points), visible.astype(float), names, occluded)


def _raw(sample: HumanSample) -> dict | None:
    raw = sample.get('raw_ann_info')
    raw = raw[0] if isinstance(raw, (list, tuple)) and raw else raw
    return raw if isinstance(raw, dict) else None


def _native_keypoints(sample: HumanSample, count: int) -> np.ndarray | None:
    """(K, 3) x, y and COCO flag of the person's annotation, if the sample carries it."""
    flat = (_raw(sample) or {}).get('keypoints')
    return np.asarray(flat, float).reshape(-1, 3) if flat is not None and np.size(flat) == 3 * count else None


def _attributes(canvas: np.ndarray, sample: HumanSample, which: str, view: _View) -> np.ndarray:
    values = sample.get(f'{which}_attributes')
    if values is None:
        return canvas
    values = _array(values).astype(np.float32 if which == 'pred' else np.int8)
    truth = sample.get('gt_attributes') if which == 'pred' else None
    names = names_of(sample, 'attribute_names', len(values))
    return draw_attributes(canvas, names, values, None if truth is None else _array(truth))


def _identity(canvas: np.ndarray, sample: HumanSample, which: str, view: _View) -> np.ndarray:
    """Who and where, for re-identification."""
    identity, camera = sample.get('pid'), sample.get('camid')
    if which != 'gt' or identity is None:
        return canvas
    text = f'id {int(identity)}' + (f'  cam {int(camera)}' if camera is not None else '')
    return write(canvas, [Label(text, 4, 4, WHITE, INK)], text_size(canvas) + 2)
