"""Log-average miss rate of pedestrian detection (CityPersons, Caltech), with ignore regions and ranges of height and visibility."""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from ..errors import UserError, unknown_name
from ..registry import METRICS
from .coco import group, load_detections, load_ground_truth
from .detection import corners, predicted_boxes
from .inputs import field, offsets, table
from .matching import IGNORED, MATCHED, box_overlaps, match, pair_starts
from .metric import HumanMetric, sample_field

FPPI = np.array([0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.1778, 0.3162, 0.5623, 1.0])
"""False positives per image at which the miss rate is read, as the published evaluators round them."""
HEIGHT_TOLERANCE = 1.25
MAX_DETECTIONS = 1000
PEDESTRIAN = 1


@dataclass(frozen=True)
class Subset:
    """Who counts: height in pixels and visible share of the box, both ends inclusive. Everybody else is ignored."""
    height: tuple[float, float]
    visibility: tuple[float, float]


SUBSETS = {'reasonable': Subset((50, inf), (0.65, inf)), 'reasonable_small': Subset((50, 75), (0.65, inf)),
           'heavy': Subset((50, inf), (0.2, 0.65)), 'all': Subset((20, inf), (0.2, inf))}


def _visibility(annotation: Mapping, needed: bool) -> float:
    if 'vis_ratio' in annotation:
        return annotation['vis_ratio']
    if 'vis_bbox' in annotation:
        (*_, width, height), (*_, whole_width, whole_height) = annotation['vis_bbox'], annotation['bbox']
        return width * height / max(whole_width * whole_height, 1e-12)
    if needed and not (annotation.get('ignore') or annotation.get('iscrowd')):
        raise UserError("miss_rate ground truth: a pedestrian has neither 'vis_ratio' nor 'vis_bbox', which this subset needs.")
    return 1.0


def log_average(miss_rates: np.ndarray) -> float:
    """Geometric mean; 0 where any is 0."""
    with np.errstate(divide='ignore'):
        return float(np.exp(np.log(miss_rates).mean()))


def miss_rate(gt: Any, detections: Any, subset: str = 'reasonable', aspect_ratio: float | None = None,
              bounds: tuple[float, float, float, float] | None = None) -> dict[str, float]:
    """Log-average miss rate over 0.01 to 1 false positives per image (Dollar et al., 2012), by CityPersons' rules.

    Detections whose height is outside the subset's by more than a factor of 1.25 are left out. A detection that falls on an
    ignored person (intersection over its own area of 0.5) counts as neither right nor wrong. Images without ground truth count.

    Where the official script has too few images to reach a rate (all detections begin above it), it reads the recall of the
    *last* detection there; here nothing is found yet, the miss rate is 1. The two agree from 100 images on.

    Args:
        gt: COCO-style ground truth (parsed, or a path): ``images`` and ``annotations`` with ``bbox`` x, y, width, height,
            ``ignore`` (or ``iscrowd``), and the visible part as ``vis_ratio`` or ``vis_bbox``. Only category 1 counts.
        detections: COCO results (parsed, or a path): records ``image_id, category_id, bbox, score``.
        subset: ``reasonable``, ``reasonable_small``, ``heavy`` or ``all``.
        aspect_ratio: give every ground-truth box that counts this width / height about its centre (Caltech's toolbox: 0.41).
        bounds: x1, y1, x2, y2; people not wholly inside are ignored (Caltech's toolbox: 5, 5, 635, 475).

    Returns:
        ``MR``.

    Raises:
        UserError: unknown subset, another layout, unknown image or category ids, numbers that are not finite, nobody counts.
    """
    if subset not in SUBSETS:
        raise unknown_name('subset', subset, SUBSETS)
    chosen = SUBSETS[subset]
    truth, detections = _pedestrians(gt, detections)
    cells = group(truth, detections, MAX_DETECTIONS, 'miss_rate')
    annotations = truth['annotations']
    gt_box = table(field(annotations, 'bbox', 'miss_rate ground truth'), 4, 'miss_rate ground truth, bbox')
    ignored = _ignored(annotations, gt_box, chosen, bounds)
    if ignored.all():
        raise UserError(f"miss_rate: nobody in the ground truth belongs to the subset '{subset}'; nothing to score.")
    if aspect_ratio is not None:
        gt_box = np.where(ignored[:, None], gt_box, _with_aspect(gt_box, aspect_ratio))
    dt_box = table(field(detections, 'bbox', 'miss_rate detections'), 4, 'miss_rate detections, bbox')[cells.detected]

    low, high = chosen.height
    fits = (dt_box[:, 3] >= low / HEIGHT_TOLERANCE) & (dt_box[:, 3] < high * HEIGHT_TOLERANCE)
    outcome = _match(dt_box[fits], offsets(cells.dt_cell[fits], cells.images), gt_box[cells.truth], cells.gt_start,
                     ignored[cells.truth])
    order = np.argsort(-cells.scores[fits], kind='stable')
    return {'MR': log_average(_read_off(outcome[order], int((~ignored).sum()), cells.images))}


def _pedestrians(gt: Any, detections: Any) -> tuple[dict, list[dict]]:
    """Ground truth and detections of the one category that counts."""
    truth = load_ground_truth(gt, 'miss_rate ground truth')
    detections = load_detections(detections, 'miss_rate detections')
    known = {category.get('id') for category in truth['categories']}
    if PEDESTRIAN not in known:
        raise UserError(f'miss_rate ground truth: categories {sorted(known)}; expected pedestrians as category {PEDESTRIAN}.')
    for category in field(detections, 'category_id', 'miss_rate detections'):
        if category not in known:
            raise UserError(f'miss_rate detections: category {category} is not in the ground truth, which has {sorted(known)}.')
    own = [d for d in detections if d['category_id'] == PEDESTRIAN]
    annotations = [a for a in truth['annotations'] if a.get('category_id', PEDESTRIAN) == PEDESTRIAN]
    return dict(truth, categories=[dict(id=PEDESTRIAN)],
                annotations=[a if 'category_id' in a else dict(a, category_id=PEDESTRIAN) for a in annotations]), own


def _ignored(annotations: Sequence[dict], boxes: np.ndarray, subset: Subset,
             bounds: tuple[float, float, float, float] | None) -> np.ndarray:
    """(G,) who does not count."""
    needed = subset.visibility[0] > 0
    visible = np.array([_visibility(a, needed) for a in annotations], np.float64)
    flagged = np.array([bool(a.get('ignore') or a.get('iscrowd')) for a in annotations], bool)
    height = boxes[:, 3]
    outside = (height < subset.height[0]) | (height > subset.height[1])
    outside |= (visible < subset.visibility[0]) | (visible > subset.visibility[1])
    if bounds is not None:
        edges = corners(boxes)
        outside |= (edges[:, :2] < bounds[:2]).any(1) | (edges[:, 2:] > bounds[2:]).any(1)
    return flagged | outside


def _with_aspect(boxes: np.ndarray, aspect_ratio: float) -> np.ndarray:
    """The boxes at width = height x ``aspect_ratio`` about the same centre."""
    x, y, width, height = boxes.T
    return np.stack([x + (width - height * aspect_ratio) / 2, y, height * aspect_ratio, height], axis=1)


def _match(dt_box: np.ndarray, dt_start: np.ndarray, gt_box: np.ndarray, gt_start: np.ndarray,
           ignored: np.ndarray) -> np.ndarray:
    """(D,) outcomes at an overlap of 0.5."""
    pairs = pair_starts(dt_start, gt_start)
    overlap = box_overlaps(corners(dt_box), dt_box[:, 2] * dt_box[:, 3], corners(gt_box), gt_box[:, 2] * gt_box[:, 3], ignored,
                           dt_start, gt_start, pairs, 0.0)
    return match(overlap, dt_start, gt_start, pairs, ignored[None], ignored, np.array([0.5]))[0, 0]


def _read_off(outcome: np.ndarray, positives: int, images: int) -> np.ndarray:
    """(9,) miss rates at :data:`FPPI`: of the last detection that does not exceed it, 1 where even the first does."""
    outcome = outcome[outcome != IGNORED]
    hit = outcome == MATCHED
    recall = np.concatenate([[0], np.cumsum(hit) / positives])
    fppi = np.cumsum(~hit) / images
    return 1 - recall[np.searchsorted(fppi, FPPI, side='right')]


@METRICS.register_module()
class MissRateMetric(HumanMetric):
    """:func:`miss_rate` of ``pred_instances`` (in pixels of the original image).

    Args:
        subset: the ranked one, whose miss rate is ``MR``.
        also: further subsets, reported as ``MR_<subset>``; one that nobody belongs to is left out.
        ann_file: ground truth; None scores against the ``raw_ann_info`` (COCO-style annotations) of the samples.
        aspect_ratio, bounds: as in :func:`miss_rate`.
        kwargs: of :class:`~humanbench.evaluation.metric.HumanMetric`.
    """
    ranked = ('MR', False)
    keys = ('MR', *(f'MR_{subset}' for subset in SUBSETS))

    def __init__(self, subset: str = 'reasonable', also: Sequence[str] = (), ann_file: str | None = None,
                 aspect_ratio: float | None = None, bounds: tuple[float, float, float, float] | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        for name in (subset, *also):
            if name not in SUBSETS:
                raise unknown_name('subset', name, SUBSETS)
        self.subset = subset
        self.also = also
        self.ann_file = ann_file
        self.rules = dict(aspect_ratio=aspect_ratio, bounds=bounds)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            truth = [] if self.ann_file else sample_field(sample, 'raw_ann_info', 'MissRateMetric')
            self.results.append((sample_field(sample, 'img_id', 'MissRateMetric'), truth,
                                 *predicted_boxes(sample, 'MissRateMetric')))

    def compute_metrics(self, results: list) -> dict[str, float]:
        detections = [dict(image_id=image, category_id=PEDESTRIAN, bbox=box, score=score)
                      for image, _, boxes, scores in results for box, score in zip(boxes, scores)]
        truth = self.ann_file or dict(
            images=[dict(id=image) for image, *_ in results], categories=[dict(id=PEDESTRIAN)],
            annotations=[dict(a, image_id=image) for image, annotations, *_ in results for a in annotations])
        truth = load_ground_truth(truth, 'miss_rate ground truth')
        result = miss_rate(truth, detections, self.subset, **self.rules)
        for name in self.also:
            if populated(truth, name, self.rules['bounds']):
                result[f'MR_{name}'] = miss_rate(truth, detections, name, **self.rules)['MR']
        return result


def populated(truth: dict, subset: str, bounds: tuple[float, float, float, float] | None = None) -> bool:
    """Whether anybody belongs to the subset."""
    annotations = _pedestrians(truth, [])[0]['annotations']
    boxes = table(field(annotations, 'bbox', 'miss_rate ground truth'), 4, 'miss_rate ground truth, bbox')
    return not _ignored(annotations, boxes, SUBSETS[subset], bounds).all()
