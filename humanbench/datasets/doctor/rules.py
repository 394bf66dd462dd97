"""What a record of each task must be like: what can be said of it before its image is opened."""
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...catalog import DatasetCard

Finding = tuple[str, str]  # kind, what

VISIBILITY = (0, 1, 2)  # as COCO counts: not labelled, hidden, visible
VISIBLE = 2
ATTRIBUTE_VALUES = (-1, 0, 1)
NATIVE_ATTRIBUTES = (-1, 0, 1, 2)  # in tables of raw values: no, yes, and two words for unknown
DISTRACTOR = 0  # identities above it are people


def findings(record: Mapping[str, Any], card: DatasetCard) -> Iterator[Finding]:
    """What is wrong with a record of a reader, whatever its task."""
    for key, rule in _RULES.items():
        if key in record:
            yield from rule(record, card)


def _identity(record: Mapping[str, Any], card: DatasetCard) -> Iterator[Finding]:
    camera = record.get('camid', 0)
    if card.cameras is not None and not 0 <= camera <= card.cameras:
        yield 'labels', f'camera {camera}, of {card.cameras}'


def _attributes(record: Mapping[str, Any], card: DatasetCard) -> Iterator[Finding]:
    values = np.asarray(record['attributes'])
    wrong = np.flatnonzero(~np.isin(values, ATTRIBUTE_VALUES))
    if len(wrong):
        yield 'labels', f'attribute {int(wrong[0])} is {values[wrong[0]]}; expected 1, 0, or -1 for unknown'


def _keypoints(record: Mapping[str, Any], card: DatasetCard) -> Iterator[Finding]:
    points, codes = np.asarray(record['keypoints']), _native_codes(record)
    wrong = np.flatnonzero(~np.isin(codes, VISIBILITY))
    if len(wrong):
        yield 'labels', f'keypoint {int(wrong[0])} has the visibility {codes[wrong[0]]:g}; expected 0, 1 or 2'
    labelled = points.reshape(-1, points.shape[-1])[codes > 0]
    if not np.isfinite(labelled).all():
        yield 'points', 'a labelled keypoint is not a finite number'
    if 'bbox' in record:
        yield from _boxes(np.asarray(record['bbox'], float))


def _native_codes(record: Mapping[str, Any]) -> np.ndarray:
    """(K,) visibility as the annotation has it; what training sees of it is only labelled or not."""
    flat = (record.get('raw_ann_info') or {}).get('keypoints')
    visible = np.asarray(record['keypoints_visible'], float)
    visible = visible.reshape(-1) if visible.ndim < 3 else visible[..., 0].reshape(-1)
    if flat is None or np.size(flat) != 3 * len(visible):
        return np.where(visible == 1, VISIBLE, visible)
    return np.asarray(flat, float).reshape(-1, 3)[:, 2]


def _instances(record: Mapping[str, Any], card: DatasetCard) -> Iterator[Finding]:
    counted = [x for x in record['instances'] if not x.get('ignore_flag')]
    labels = {x['bbox_label'] for x in record['instances']} - set(range(max(1, len(card.classes))))
    if labels:
        yield 'labels', f'class {min(labels)}; expected 0..{max(1, len(card.classes)) - 1}'
    boxes = [tuple(x['bbox']) for x in counted]
    yield from _boxes(np.array(boxes, float).reshape(-1, 4))
    if len(set(boxes)) < len(boxes):
        yield 'same box', f'{len(boxes) - len(set(boxes))} of {len(boxes)} boxes occur twice'
    people = named_people(record)
    if len(set(people)) < len(people):
        yield 'labels', f'person {max(people, key=people.count)} is in {max(map(people.count, people))} boxes'


def named_people(record: Mapping[str, Any]) -> list[int]:
    """Numbers of the people in a frame of person search, of those who have one."""
    return [x['pid'] for x in record.get('instances', ()) if x.get('pid', 0) > 0]


def _boxes(boxes: np.ndarray) -> Iterator[Finding]:
    """(n, 4) corners: finite, not empty, not wholly left of or above the image."""
    for x1, y1, x2, y2 in boxes[:, :4]:
        text = f'({x1:g}, {y1:g}) to ({x2:g}, {y2:g})'
        if not np.isfinite([x1, y1, x2, y2]).all():
            yield 'boxes', f'the box {text} is not finite'
        elif x2 <= x1 or y2 <= y1:
            yield 'boxes', f'the box {text} is empty'
        elif x2 <= 0 or y2 <= 0:
            yield 'boxes', f'the box {text} lies outside the image'


def _heads(record: Mapping[str, Any], card: DatasetCard) -> Iterator[Finding]:
    if not np.isfinite(record['gt_points']).all():
        yield 'points', 'a point is not a finite number'


def captions(record: Mapping[str, Any]) -> Sequence[str]:
    """The sentences of a record: of an image, or the one of a pair to train on."""
    return record.get('captions') or ([record['caption']] if 'caption' in record else [])


def _captions(record: Mapping[str, Any], card: DatasetCard) -> Iterator[Finding]:
    if not all(x.strip() for x in captions(record)):
        yield 'labels', 'a caption has no word'


_RULES = {'camid': _identity, 'attributes': _attributes, 'keypoints': _keypoints, 'instances': _instances,
          'gt_points': _heads, 'caption': _captions, 'captions': _captions}

# ------------------------------------------------------------------------------------- what only the image can answer
EXTENT = ('box x', 'box y', 'least x', 'least y', 'largest x', 'largest y')
TOLERANCE = 0.1  # of the longer side: annotators place joints and heads a little beyond the edge


def extent(record: Mapping[str, Any]) -> np.ndarray:
    """(6,) how far labels reach: the furthest corner at which a box begins, and the bounds of all labelled points.

    NaN where a record has no such label.
    """
    reach = np.full(len(EXTENT), np.nan, np.float32)
    boxes = _counted_boxes(record)
    if len(boxes):
        reach[:2] = boxes[:, :2].max(0)
    points = _labelled_points(record)
    if len(points):
        reach[2:4], reach[4:] = points.min(0), points.max(0)
    return reach


def _counted_boxes(record: Mapping[str, Any]) -> np.ndarray:
    if 'instances' in record:
        return np.array([x['bbox'] for x in record['instances'] if not x.get('ignore_flag')], np.float32).reshape(-1, 4)
    return np.asarray(record['bbox'], np.float32).reshape(-1, 4) if 'bbox' in record else np.empty((0, 4), np.float32)


def _labelled_points(record: Mapping[str, Any]) -> np.ndarray:
    """(n, 2) heads, or the joints that are marked as visible."""
    if 'gt_points' in record:
        return np.asarray(record['gt_points'], np.float32).reshape(-1, 2)
    if 'keypoints' not in record:
        return np.empty((0, 2), np.float32)
    points, codes = np.asarray(record['keypoints'], np.float32), _native_codes(record)
    return points.reshape(-1, points.shape[-1])[codes == VISIBLE, :2]


def outside(extents: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which records have a box wholly outside, and which a point far outside their image.

    Args:
        extents: (n, 6), see :func:`extent`.
        sizes: (n, 2) width and height.

    Returns:
        Two masks (n,).
    """
    sizes = sizes.astype(np.float32)
    with np.errstate(invalid='ignore'):  # a comparison with NaN is False, which is what an absent label means
        boxes = (extents[:, :2] >= sizes).any(1)
        slack = np.maximum(2, TOLERANCE * sizes.max(1, initial=0, keepdims=True))
        points = (extents[:, 2:4] < -slack).any(1) | (extents[:, 4:] > sizes + slack).any(1)
    return boxes, points
