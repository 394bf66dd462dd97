"""Drawing whatever a HumanSample holds, on the image it belongs to."""
import numpy as np

from humanbench import catalog
from humanbench.errors import unknown_name
from humanbench.structures import HumanSample

from .draw import (draw_attributes, draw_boxes, draw_density, draw_ignored, draw_keypoints, draw_parsing, draw_points, resize,
                   text_size)
from .palette import INK, WHITE
from .text import Label, write

_SIDES = ('gt', 'pred')


def draw_sample(image: np.ndarray, sample: HumanSample, which: str = 'gt', long_side: int | None = None) -> np.ndarray:
    """Labels or predictions of one sample drawn on its image.

    The image may be the original one or the network's input: labels of the input are brought to the original image where
    the sample says how (``scale_factor``, or ``raw_ann_info`` for keypoints). Names come from the sample's metainfo
    (``classes``, ``keypoint_names``, ``attribute_names``) or from the card of its ``dataset``.

    Args:
        image: RGB uint8 (H, W, 3).
        sample: see :class:`humanbench.structures.HumanSample` for its fields.
        which: ``gt`` or ``pred``.
        long_side: enlarge or shrink the image to this before drawing, so that lines and letters stay crisp.

    Returns:
        RGB uint8; wider than the image where attributes are listed beside it.

    Raises:
        UserError: ``which`` is neither.
    """
    if which not in _SIDES:
        raise unknown_name('side of a sample', which, _SIDES)
    zoom = long_side / max(image.shape[:2]) if long_side else 1.0
    size = max(1, round(image.shape[0] * zoom)), max(1, round(image.shape[1] * zoom))
    canvas = image.copy() if size == image.shape[:2] else resize(image, size)
    scale = _to_image(sample, image, which) * (canvas.shape[1] / image.shape[1], canvas.shape[0] / image.shape[0])
    for draw in (_parsing, _density, _instances, _attributes, _identity):
        canvas = draw(canvas, sample, which, scale)
    return canvas


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


def _to_image(sample: HumanSample, image: np.ndarray, which: str) -> np.ndarray:
    """Factors (x, y) from the sample's pixels to the image's."""
    original, factor = sample.get('ori_shape'), sample.get('scale_factor')
    on_original = original is not None and tuple(original[:2]) == image.shape[:2] != tuple(sample.get('img_shape', original)[:2])
    if which == 'gt' and on_original and factor is not None:
        return 1 / np.asarray(factor, float)[:2]
    return np.ones(2)


def _array(value) -> np.ndarray:
    value = getattr(value, 'tensor', value)  # mmdet's boxes
    return value.detach().cpu().numpy() if hasattr(value, 'detach') else np.asarray(value)


def _label_map(sample: HumanSample, which: str) -> np.ndarray | None:
    found = sample.get(f'{which}_sem_seg')
    return None if found is None else _array(found.data).squeeze(0)


def _parsing(image: np.ndarray, sample: HumanSample, which: str, scale: np.ndarray) -> np.ndarray:
    labels = _label_map(sample, which)
    if labels is None:
        return image
    count = int(labels[labels < 255].max(initial=0)) + 1
    return draw_parsing(image, labels, names_of(sample, 'classes', count))


def _density(image: np.ndarray, sample: HumanSample, which: str, scale: np.ndarray) -> np.ndarray:
    density = sample.get('pred_density') if which == 'pred' else None
    count = sample.get('pred_count') if which == 'pred' else None
    if density is not None:
        return draw_density(image, _array(density).squeeze(), None if count is None else float(count))
    return image if count is None else write(image, [Label(f'{float(count):.1f} people', 6, 6, WHITE, INK)], text_size(image) + 2)


def _instances(image: np.ndarray, sample: HumanSample, which: str, scale: np.ndarray) -> np.ndarray:
    found = sample.get(f'{which}_instances')
    if found is None:
        return image
    if 'points' in found:
        return draw_points(image, _array(found.points).reshape(-1, 2) * scale)
    if 'keypoints' in found:
        return _people(image, sample, which, scale)
    ignored = sample.get('ignored_instances')
    if which == 'gt' and ignored is not None and len(ignored):
        image = draw_ignored(image, _array(ignored.bboxes) * np.tile(scale, 2))
    if 'bboxes' not in found:
        return image
    boxes = _array(found.bboxes) * np.tile(scale, 2)
    if 'scores' not in found:
        return draw_boxes(image, boxes)
    scores = _array(found.scores)
    sure = scores > 0.5
    crowded = sure.sum() > 12  # chips would hide the people
    return draw_boxes(image, boxes[sure], None if crowded else [f'{score:.2f}' for score in scores[sure]])


def _people(image: np.ndarray, sample: HumanSample, which: str, scale: np.ndarray) -> np.ndarray:
    """Skeletons: as labelled, or as in the original annotation where the image is the original one."""
    found = sample.get(f'{which}_instances')
    if which == 'pred':
        scores = _array(found.keypoint_scores if 'keypoint_scores' in found else np.ones(found.keypoints.shape[:2]))
        return draw_keypoints(image, _array(found.keypoints) * scale, scores, names_of(sample, 'keypoint_names', scores.shape[1]))
    points = _array(found.keypoints).copy()
    visible = _array(found.keypoints_visible)[..., :points.shape[1]].reshape(points.shape[:2])
    flags = _raw_keypoints(sample, points.shape[1])
    if flags is not None and _was_cropped(sample):
        if image.shape[0] * sample.img_shape[1] != image.shape[1] * sample.img_shape[0]:  # the original, not the crop
            points, visible = flags[None, :, :2], (flags[None, :, 2] > 0).astype(float)
    occluded = flags[None, :, 2] == 1 if flags is not None and len(points) == 1 else None
    return draw_keypoints(image, points * scale, visible, names_of(sample, 'keypoint_names', points.shape[1]), occluded)


def _was_cropped(sample: HumanSample) -> bool:
    return sample.get('input_center') is not None


def _raw_keypoints(sample: HumanSample, count: int) -> np.ndarray | None:
    """(K, 3) x, y and COCO flag of the original annotation, if the sample carries it."""
    raw = sample.get('raw_ann_info')
    raw = raw[0] if isinstance(raw, (list, tuple)) and raw else raw
    flat = raw.get('keypoints') if isinstance(raw, dict) else None
    return np.asarray(flat, float).reshape(-1, 3) if flat is not None and np.size(flat) == 3 * count else None


def _attributes(image: np.ndarray, sample: HumanSample, which: str, scale: np.ndarray) -> np.ndarray:
    values = sample.get(f'{which}_attributes')
    if values is None:
        return image
    values = _array(values)
    truth = sample.get('gt_attributes') if which == 'pred' else None
    values = values.astype(np.float32) if which == 'pred' else values.astype(np.int8)
    return draw_attributes(image, names_of(sample, 'attribute_names', len(values)), values, None if truth is None else _array(truth))


def _identity(image: np.ndarray, sample: HumanSample, which: str, scale: np.ndarray) -> np.ndarray:
    """Who and where, for re-identification."""
    identity = sample.get('pid')
    if which != 'gt' or identity is None:
        return image
    camera = sample.get('camid')
    text = f'id {int(identity)}' + (f'  cam {int(camera)}' if camera is not None else '')
    return write(image, [Label(text, 4, image.shape[0], WHITE, INK)], text_size(image) + 2)
