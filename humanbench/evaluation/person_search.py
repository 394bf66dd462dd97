"""Person search: who is found in whole frames, and where the people of a frame are.

Shapes: g annotated boxes of a frame, d detections, C channels. Boxes are corners x1, y1, x2, y2.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from ..registry import METRICS
from .inputs import distinct
from .metric import HumanMetric, numpy, sample_field

OVERLAP = 0.5      # IoU of a detection with the person it shows
SLACK = 10         # pixels: small people need a smaller IoU when they are searched for
RANKS = (1, 5, 10)
QUERIES_AT_ONCE = 256


@dataclass(frozen=True)
class _Detections:
    """Those of all frames, one frame after the other.

    Attributes:
        start: (n + 1,) where each frame begins.
        boxes, features: (D, 4), (D, C).
    """
    start: np.ndarray
    boxes: np.ndarray
    features: np.ndarray

    def of(self, frames: np.ndarray) -> np.ndarray:
        """Indices of the detections in these frames."""
        return np.concatenate([np.arange(self.start[x], self.start[x + 1]) for x in frames] or [np.empty(0, int)])


def person_search(frames: Sequence[Mapping[str, Any]], queries: Sequence[Mapping[str, Any]],
                  score_threshold: float = 0.5, cross_camera: bool = False) -> dict[str, float]:
    """Scores of the protocol of CUHK-SYSU (Xiao et al. 2017), which is used for PRW, too.

    Detections with a score below the threshold do not exist. For every query all detections of its gallery are ranked
    by the dot product of their feature with its own (a cosine where both have length one). In a frame that shows the
    person, the best ranked of the detections that overlap with it enough is right, and no other; enough is an IoU of
    ``min(0.5, w h / ((w + 10) (h + 10)))``. A query's average precision (over distinct similarities, no interpolation)
    is multiplied by the share of those frames in which anything is right. A query whose person is in no frame of its
    gallery is skipped.

    Where the people are is scored over all frames at IoU 0.5: a detection is right if it and an annotated box are each
    other's best overlap, and the average precision is multiplied by the recall.

    Args:
        frames: each with its ``id``, ``boxes`` (g, 4), ``people`` (g,) integers (-1: not named), and what was found:
            ``found`` (d, 4), ``scores`` (d,), ``features`` (d, C); its ``camera`` where they are told apart.
        queries: each with the id of its ``frame``, its ``person`` and ``feature`` (C,). ``gallery`` are ids of the
            frames to search, or None for all but its own; ``positives`` say in which of them the person is, id -> box,
            or None: wherever ``people`` say so.
        score_threshold: of detections.
        cross_camera: search only the frames of other cameras, as PRW's authors do.

    Returns:
        ``mAP top1 top5 top10`` of the search, ``recall AP`` of the detection of all people, ``recall_named AP_named``
        of those with a name, in the frames where there are any (nan where there are none).

    Raises:
        UserError: shapes that do not fit, numbers that are not finite, a frame that is not there, nothing to score.
    """
    found = [_checked(frame, score_threshold) for frame in frames]
    distinct([x['id'] for x in frames], 'person_search frames')
    number = {frame['id']: i for i, frame in enumerate(frames)}
    detections = _Detections(
        np.cumsum([0, *(len(boxes) for boxes, _, _ in found)]), np.concatenate([x[0] for x in found]),
        np.concatenate([x[2] for x in found]))
    cameras = np.array([frame.get('camera', -1) for frame in frames]) if cross_camera else None
    scores = []
    for first in range(0, len(queries), QUERIES_AT_ONCE):
        some = queries[first:first + QUERIES_AT_ONCE]
        similar = _features(some, detections) @ detections.features.T
        for query, row in zip(some, similar):
            gallery, truth = _gallery(query, frames, number, cameras)
            if truth:
                scores.append(_search(row, detections, gallery, truth))
    if not scores:
        raise UserError('person_search: no query whose person is in a frame of its gallery; nothing to score.')
    means = np.mean(scores, axis=0)
    result = dict(zip(('mAP', *(f'top{k}' for k in RANKS)), means.tolist()))
    for suffix, named in (('', False), ('_named', True)):
        result |= {f'{key}{suffix}': value for key, value in _detect(frames, found, named).items()}
    return result


def _checked(frame: Mapping[str, Any], threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, scores and features of the detections of a frame that count."""
    boxes, scores = np.asarray(frame['found'], float).reshape(-1, 4), np.asarray(frame['scores'], float).ravel()
    features, what = np.asarray(frame['features'], np.float32), f"person_search: frame {frame['id']!r}"
    if len(boxes) != len(scores) or len(boxes) != len(features) or features.ndim != 2:
        raise UserError(f'{what} has {len(boxes)} found boxes, {len(scores)} scores and features of the shape '
                        f'{features.shape}; expected as many of each, features (d, C).')
    if np.asarray(frame['boxes']).size != 4 * len(np.ravel(frame['people'])):
        raise UserError(f"{what} has boxes of the shape {np.shape(frame['boxes'])} for "
                        f"{len(np.ravel(frame['people']))} people; expected (g, 4).")
    if not all(np.isfinite(x).all() for x in (boxes, scores, features, np.asarray(frame['boxes'], float))):
        raise UserError(f'{what} has a box, a score or a feature that is not finite.')
    kept = scores >= threshold
    return boxes[kept], scores[kept], features[kept]


def _features(queries: Sequence[Mapping[str, Any]], detections: _Detections) -> np.ndarray:
    """(q, C) of queries."""
    rows = [np.asarray(query['feature'], np.float32).ravel() for query in queries]
    width = detections.features.shape[1]
    for query, row in zip(queries, rows):
        if len(row) != width or not np.isfinite(row).all():
            raise UserError(f"person_search: the feature of the query for person {query['person']} in frame "
                            f"{query['frame']!r} has {len(row)} channels; expected {width}, all finite.")
    return np.stack(rows)


def _gallery(query: Mapping[str, Any], frames: Sequence[Mapping[str, Any]], number: Mapping[Any, int],
             cameras: np.ndarray | None) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """The frames that a query searches, and those of them that show its person, with the box."""
    try:
        own, named = number[query['frame']], query.get('gallery')
        gallery = np.arange(len(frames)) if named is None else np.array([number[x] for x in named], int)
        positives = query.get('positives')
        shown = None if positives is None else {number[x]: np.asarray(box, float) for x, box in positives.items()}
    except KeyError as error:
        raise UserError(f"person_search: the query for person {query['person']} names the frame {error}, of which "
                        'there are no detections. Give an entry for every frame, with empty arrays where nothing was '
                        'found.') from error
    gallery = gallery[gallery != own]
    if cameras is not None:
        gallery = gallery[cameras[gallery] != cameras[own]]
    if shown is not None:
        return gallery, {x: shown[x] for x in gallery.tolist() if x in shown}
    truth = {}
    for frame in gallery.tolist():
        at = np.flatnonzero(np.asarray(frames[frame]['people']) == query['person'])
        if len(at):
            truth[frame] = np.asarray(frames[frame]['boxes'], float).reshape(-1, 4)[at[0]]
    return gallery, truth


def _search(similar: np.ndarray, detections: _Detections, gallery: np.ndarray,
            truth: Mapping[int, np.ndarray]) -> list[float]:
    """Average precision of one query, and whether it is right among the first so many.

    Args:
        similar: (D,) similarity of every detection.
        detections: of all frames.
        gallery: numbers of the frames to search.
        truth: frame -> box of the person.
    """
    right = [x for frame, box in truth.items() if (x := _first_match(similar, detections, frame, box)) is not None]
    if not right:
        return [0.0] * (1 + len(RANKS))
    ranked, hits = detections.of(gallery), np.zeros(len(similar), bool)
    hits[right] = True
    ranked = ranked[similar[ranked] >= similar[right].min()]  # what is below the last right one changes nothing
    order = ranked[np.argsort(-similar[ranked], kind='stable')]
    first = int(np.flatnonzero(hits[order])[0])
    precision = average_precision(hits[order], similar[order])
    return [precision * len(right) / len(truth), *(float(first < k) for k in RANKS)]


def _first_match(similar: np.ndarray, detections: _Detections, frame: int, box: np.ndarray) -> int | None:
    """The best ranked detection of a frame that overlaps enough with a box."""
    start, stop = detections.start[frame], detections.start[frame + 1]
    width, height = box[2:] - box[:2]
    needed = min(OVERLAP, width * height / ((width + SLACK) * (height + SLACK)))
    fits = np.flatnonzero(overlaps(box[None], detections.boxes[start:stop])[0] >= needed)
    return int(start + fits[similar[start:stop][fits].argmax()]) if len(fits) else None


def _detect(frames: Sequence[Mapping[str, Any]], found: Sequence[tuple], named: bool) -> dict[str, float]:
    """Recall and average precision of the detections of all frames, or of those with named people, of these."""
    hits, scores, people = [np.empty(0, bool)], [np.empty(0)], 0
    for frame, (boxes, confidence, _) in zip(frames, found):
        truth = np.asarray(frame['boxes'], float).reshape(-1, 4)
        if named:
            truth = truth[np.ravel(frame['people']) > 0]
            if not len(truth):
                continue
        people += len(truth)
        hits.append(_hits(overlaps(truth, boxes)))
        scores.append(confidence)
    if not people:
        return dict(recall=float('nan'), AP=float('nan'))
    right, confidence = np.concatenate(hits), np.concatenate(scores)
    order = np.argsort(-confidence, kind='stable')
    recall = float(right.sum() / people)
    return dict(recall=recall, AP=recall * average_precision(right[order], confidence[order]))


def _hits(overlap: np.ndarray) -> np.ndarray:
    """(d,) whether each detection is right, by the overlaps (g, d)."""
    if not overlap.size:
        return np.zeros(overlap.shape[1], bool)
    nearest, detections = overlap.argmax(0), np.arange(overlap.shape[1])
    return (overlap[nearest, detections] >= OVERLAP) & (overlap.argmax(1)[nearest] == detections)


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU (n, m) of boxes (n, 4) and (m, 4); 0 of two that are empty."""
    sides = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    inter = sides.clip(min=0).prod(2)
    area = [(x[:, 2:] - x[:, :2]).prod(1) for x in (a, b)]
    return inter / np.maximum(area[0][:, None] + area[1][None] - inter, 1e-12)


def average_precision(hits: np.ndarray, scores: np.ndarray) -> float:
    """Mean precision at the right ones, all of equal score taken together; 0 where nothing is right.

    Args:
        hits: (n,) bool, by falling score.
        scores: (n,).
    """
    if not hits.any():
        return 0.0
    last = np.append(scores[1:] != scores[:-1], True)  # of those with one score
    right = np.cumsum(hits)[last]
    precision = right / (np.flatnonzero(last) + 1)
    return float((np.diff(right, prepend=0) * precision).sum() / right[-1])


@METRICS.register_module()
class PersonSearchMetric(HumanMetric):
    """:func:`person_search` of samples with ``frame`` and ``queries``: ``pred_instances`` (``bboxes``, ``scores``,
    ``features``, in pixels of the original image) against ``raw_ann_info``, and ``pred_query_features``.

    Args:
        score_threshold: of detections.
        cross_camera: search only the frames of other cameras.
        kwargs: of :class:`~humanbench.evaluation.metric.HumanMetric`.
    """
    function = 'person_search'
    ranked = ('mAP', True)
    keys = ('mAP', 'top1', 'top5', 'top10', 'recall', 'AP', 'recall_named', 'AP_named')

    def __init__(self, score_threshold: float = 0.5, cross_camera: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.score_threshold, self.cross_camera = score_threshold, cross_camera

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            number, truth, found = (sample_field(sample, name, 'PersonSearchMetric')
                                    for name in ('frame', 'raw_ann_info', 'pred_instances'))
            boxes = np.array([x['bbox'] for x in truth], float).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            frame = dict(id=number, boxes=boxes, people=np.array([x['pid'] for x in truth], int),
                         camera=sample.get('camid', -1), found=numpy(found['bboxes']).reshape(-1, 4),
                         scores=numpy(found['scores']), features=numpy(found['features']))
            features = numpy(sample_field(sample, 'pred_query_features', 'PersonSearchMetric'))
            queries = [dict(frame=number, person=query['pid'], feature=feature, gallery=query['gallery'],
                            positives=query['positives']) for query, feature in zip(sample['queries'], features)]
            self.results.append((frame, queries))

    def compute_metrics(self, results: list) -> dict[str, float]:
        frames, queries = zip(*results)
        return person_search(frames, sum(queries, []), self.score_threshold, self.cross_camera)
