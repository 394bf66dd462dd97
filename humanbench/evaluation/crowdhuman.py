"""CrowdHuman's three measures: average precision, log-average miss rate and Jaccard index."""
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from ..errors import UserError
from ..registry import METRICS
from .detection import corners, crowdhuman_ignored, predicted_boxes
from .inputs import array, distinct, field, load_json_lines, offsets, positions, table
from .jaccard import SCORES, jaccard
from .matching import IGNORED, MATCHED, box_overlaps, match, pair_starts
from .metric import HumanMetric, sample_field
from .miss_rate import FPPI, log_average

EPS = 1e-6
ABOVE_HALF = np.nextafter(0.5, 1)
"""The script matches where the overlap exceeds 0.5; the matcher takes a threshold to be reached."""


@dataclass(frozen=True)
class Scenes:
    """Boxes of all images, corners clipped to their image; cells are images in the order of the ground truth.

    People come in reverse order: the script gives a tie to the first person, the matcher to the last.
    """
    gt: np.ndarray
    ignored: np.ndarray
    gt_start: np.ndarray
    dt: np.ndarray
    scores: np.ndarray
    dt_start: np.ndarray


def crowdhuman(gt: Any, detections: Any) -> dict[str, float]:
    """AP, miss rate and Jaccard index as the official script computes them (Shao et al., 2018; Megvii's CrowdDet).

    Boxes are clipped to the image. A detection counts at an IoU above 0.5 with the full-body box; one that lies by more
    than half in an ignore region (another tag than ``person``, or ``extra.ignore``) counts as neither right nor wrong.

    Args:
        gt: native odgt: records (or the path of one) with ``ID`` and ``gtboxes`` (may be absent or empty) of ``tag``,
            ``fbox`` x, y, width, height and ``extra``.
        detections: records (or the path of an odgt file) ``ID, width, height, dtboxes: [{box: [x, y, w, h], score}]``.
            An image without a record has no detection.

    Returns:
        ``AP`` area under the raw precision-recall curve; ``MR`` geometric mean of the miss rates at 0.01 to 1 false
        positives per image; ``JI`` Jaccard index, the best over ten score thresholds.

    Raises:
        UserError: another layout, an unknown or repeated ID, no image size, numbers that are not finite, nobody counts.
    """
    scenes = _scenes(load_json_lines(gt, 'crowdhuman ground truth'),
                     load_json_lines(detections, 'crowdhuman detections'))
    people = int((~scenes.ignored).sum())
    if not people:
        raise UserError('crowdhuman: nobody in the ground truth counts; nothing to score.')
    pairs = pair_starts(scenes.dt_start, scenes.gt_start)
    dt_area, gt_area = _areas(scenes.dt), _areas(scenes.gt)
    overlap = box_overlaps(scenes.dt, dt_area, scenes.gt, gt_area, scenes.ignored, scenes.dt_start, scenes.gt_start,
                           pairs, EPS)
    outcome = match(overlap, scenes.dt_start, scenes.gt_start, pairs, scenes.ignored[None], scenes.ignored,
                    np.array([ABOVE_HALF]))[0, 0]
    order = np.argsort(-scenes.scores, kind='stable')
    own = pair_starts(scenes.gt_start, scenes.gt_start)
    among = box_overlaps(scenes.gt, gt_area, scenes.gt, gt_area, scenes.ignored, scenes.gt_start, scenes.gt_start,
                         own, EPS)
    ratios, counted = jaccard(overlap, among, scenes.ignored, scenes.scores, scenes.dt_start, scenes.gt_start, pairs,
                              own, SCORES)
    return {**_curves(outcome[order], people, len(scenes.gt_start) - 1), 'JI': float((ratios / counted).max())}


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _curves(outcome: np.ndarray, people: int, images: int) -> dict[str, float]:
    """AP and MR of all detections by falling score."""
    outcome = outcome[outcome != IGNORED]
    if not len(outcome):
        return {'AP': 0.0, 'MR': 1.0}
    true, false = np.cumsum(outcome == MATCHED), np.cumsum(outcome != MATCHED)
    recall, precision = true / people, true / (true + false)
    average = np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2)
    at = np.minimum(np.searchsorted(false / images, FPPI, side='left'), len(outcome) - 1)
    return {'AP': float(average), 'MR': log_average(1 - recall[at])}


def _scenes(truth: Sequence[dict], records: Sequence[dict]) -> Scenes:
    names = field(truth, 'ID', 'crowdhuman ground truth')
    found = field(records, 'ID', 'crowdhuman detections')
    distinct(names, 'crowdhuman ground truth, ID')
    distinct(found, 'crowdhuman detections, ID')
    image = positions(found, names, 'crowdhuman detections, ID')
    sizes = _sizes(truth, records, image)

    people = [entry.get('gtboxes') or [] for entry in truth]
    counts = np.array([len(x) for x in people], np.int64)
    flat = list(chain.from_iterable(people))
    gt = corners(table(field(flat, 'fbox', 'crowdhuman ground truth'), 4, 'crowdhuman ground truth, fbox'))
    ignored = np.array([crowdhuman_ignored(box) for box in flat], bool)
    gt_image = np.repeat(np.arange(len(truth)), counts)
    back = np.lexsort((-np.arange(len(flat)), gt_image))

    boxes = field(records, 'dtboxes', 'crowdhuman detections')
    dt_image = np.repeat(image, [len(x) for x in boxes])
    flat = list(chain.from_iterable(boxes))
    dt = corners(table(field(flat, 'box', 'crowdhuman detections'), 4, 'crowdhuman detections, box'))
    scores = array(field(flat, 'score', 'crowdhuman detections'), 'crowdhuman detections, score', (None,))
    order = np.lexsort((-scores, dt_image))
    return Scenes(_clip(gt, sizes[gt_image])[back], ignored[back], offsets(gt_image, len(truth)),
                  _clip(dt, sizes[dt_image])[order], scores[order], offsets(dt_image, len(truth)))


def _sizes(truth: Sequence[dict], records: Sequence[dict], image: np.ndarray) -> np.ndarray:
    """(images, 2) width and height; infinite where there is no detection to clip."""
    sizes = np.full((len(truth), 2), np.inf)
    for i, record in zip(image, records):
        source = truth[i] if 'width' in truth[i] and 'height' in truth[i] else record
        if 'width' not in source or 'height' not in source:
            raise UserError(f"crowdhuman detections: the record of '{record['ID']}' has no width and height; boxes are "
                            'clipped to the image, so its size is needed.')
        sizes[i] = source['width'], source['height']
    return sizes


def _clip(boxes: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Corners inside the image: the first at most at size - 1, the second at most at size, as the script has it."""
    first = np.minimum(np.maximum(boxes[:, :2], 0), size - 1)
    return np.concatenate([first, np.maximum(np.minimum(boxes[:, 2:], size), 0)], axis=1)


@METRICS.register_module()
class CrowdHumanMetric(HumanMetric):
    """:func:`crowdhuman` of ``pred_instances`` (in pixels of the original image).

    Args:
        ann_file: native odgt; None scores against the ``raw_ann_info`` (``gtboxes``) of the samples.
        score_threshold: detections below it are left out (the paper's script uses 0.05).
        kwargs: of :class:`~humanbench.evaluation.metric.HumanMetric`.
    """
    function = 'crowdhuman'
    ranked = ('AP', True)
    keys = ('AP', 'MR', 'JI')

    def __init__(self, ann_file: str | None = None, score_threshold: float = 0.0, **kwargs) -> None:
        super().__init__(**kwargs)
        self.ann_file = ann_file
        self.score_threshold = score_threshold

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            height, width = sample_field(sample, 'ori_shape', 'CrowdHumanMetric')[:2]
            boxes = [dict(box=box, score=score) for box, score in zip(*predicted_boxes(sample, 'CrowdHumanMetric'))
                     if score >= self.score_threshold]
            truth = None if self.ann_file else sample_field(sample, 'raw_ann_info', 'CrowdHumanMetric')
            self.results.append((dict(ID=sample_field(sample, 'img_id', 'CrowdHumanMetric'), width=width, height=height,
                                      dtboxes=boxes), truth))

    def compute_metrics(self, results: list) -> dict[str, float]:
        records = [record for record, _ in results]
        truth = self.ann_file or [dict(ID=record['ID'], gtboxes=boxes) for record, boxes in results]
        return crowdhuman(truth, records)
