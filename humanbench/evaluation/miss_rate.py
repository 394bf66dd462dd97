"""Log-average miss rate of pedestrians (CityPersons, Caltech), with ignore regions, heights and visibilities."""
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
"""False positives per image at which the miss rate is read, as CityPersons' and CrowdHuman's scripts round them."""
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


@dataclass(frozen=True)
class Rules:
    """In what the official evaluators differ.

    Attributes:
        fppi: where the miss rate is read.
        border: people who come nearer to the image border than so many pixels are ignored.
        aspect_ratio: every ground-truth box that counts is given this width / height about its centre.
        wraps: at a rate that even the first detection exceeds, read the recall of the *last* one, as CityPersons'
            script does (an index of -1; it takes fewer than 100 images to get there). Otherwise nothing is found there.
    """
    fppi: np.ndarray
    border: float | None
    aspect_ratio: float | None
    wraps: bool


RULES = {'citypersons': Rules(FPPI, None, None, True), 'caltech': Rules(np.logspace(-2, 0, 9), 5, 0.41, False)}


def _visibility(annotation: Mapping, needed: bool) -> float:
    if 'vis_ratio' in annotation:
        return annotation['vis_ratio']
    if 'vis_bbox' in annotation:
        (*_, width, height), (*_, whole_width, whole_height) = annotation['vis_bbox'], annotation['bbox']
        if not any(annotation['vis_bbox']):
            return 1.0  # Caltech's way to say: not occluded
        return width * height / (whole_width * whole_height)
    if needed and not (annotation.get('ignore') or annotation.get('iscrowd')):
        raise UserError("miss_rate ground truth: a pedestrian has neither 'vis_ratio' nor 'vis_bbox', which the subset "
                        'needs.')
    return 1.0


def log_average(miss_rates: np.ndarray) -> float:
    """Geometric mean; 0 where any is 0."""
    with np.errstate(divide='ignore'):
        return float(np.exp(np.log(miss_rates).mean()))


def miss_rate(gt: Any, detections: Any, subset: str = 'reasonable', rules: str = 'citypersons') -> dict[str, float]:
    """Log-average miss rate over 0.01 to 1 false positives per image (Dollar et al., 2012).

    Detections whose height is outside the subset's by more than a factor of 1.25 are left out. A detection that falls
    on an ignored person (intersection over its own area of 0.5) counts as neither right nor wrong. Images without
    ground truth count.

    Args:
        gt: COCO-style ground truth (parsed, or a path): ``images`` and ``annotations`` with ``bbox`` x, y, width,
            height, ``ignore`` (or ``iscrowd``), and the visible part as ``vis_ratio`` or ``vis_bbox``. Only category 1
            counts.
        detections: COCO results (parsed, or a path): records ``image_id, category_id, bbox, score``.
        subset: ``reasonable``, ``reasonable_small``, ``heavy`` or ``all``.
        rules: whose evaluator to follow, ``citypersons`` or ``caltech`` (:class:`Rules`; the latter needs ``width`` and
            ``height`` of the images).

    Returns:
        ``MR``.

    Raises:
        UserError: unknown subset, another layout, unknown image or category ids, numbers that are not finite, nobody
            counts.
    """
    if subset not in SUBSETS:
        raise unknown_name('subset', subset, SUBSETS)
    if rules not in RULES:
        raise unknown_name('rules', rules, RULES)
    truth, detections = pedestrians(gt, detections)
    cells = group(truth, detections, MAX_DETECTIONS, 'miss_rate')
    gt_box, ignored = people(truth, SUBSETS[subset], RULES[rules])
    if ignored.all():
        raise UserError(f"miss_rate: nobody in the ground truth belongs to the subset '{subset}'; nothing to score.")
    dt_box = table(field(detections, 'bbox', 'miss_rate detections'), 4, 'miss_rate detections, bbox')[cells.detected]

    low, high = SUBSETS[subset].height
    fits = (dt_box[:, 3] >= low / HEIGHT_TOLERANCE) & (dt_box[:, 3] < high * HEIGHT_TOLERANCE)
    outcome = _match(dt_box[fits], offsets(cells.dt_cell[fits], cells.images), gt_box[cells.truth], cells.gt_start,
                     ignored[cells.truth])
    order = np.argsort(-cells.scores[fits], kind='stable')
    return {'MR': log_average(_read_off(outcome[order], int((~ignored).sum()), cells.images, RULES[rules]))}


def pedestrians(gt: Any, detections: Any) -> tuple[dict, list[dict]]:
    """Ground truth and detections of the one category that counts."""
    truth = load_ground_truth(gt, 'miss_rate ground truth')
    detections = load_detections(detections, 'miss_rate detections')
    known = {category.get('id') for category in truth['categories']}
    if PEDESTRIAN not in known:
        raise UserError(f'miss_rate ground truth: categories {sorted(known)}; expected pedestrians as category '
                        f'{PEDESTRIAN}.')
    for category in field(detections, 'category_id', 'miss_rate detections'):
        if category not in known:
            raise UserError(f'miss_rate detections: category {category} is not in the ground truth, which has '
                            f'{sorted(known)}.')
    own = [d for d in detections if d['category_id'] == PEDESTRIAN]
    annotations = [a for a in truth['annotations'] if a.get('category_id', PEDESTRIAN) == PEDESTRIAN]
    return dict(truth, categories=[dict(id=PEDESTRIAN)],
                annotations=[a if 'category_id' in a else dict(a, category_id=PEDESTRIAN) for a in annotations]), own


def people(truth: dict, subset: Subset, rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """(G, 4) boxes, (G,) who does not count."""
    annotations = truth['annotations']
    boxes = table(field(annotations, 'bbox', 'miss_rate ground truth'), 4, 'miss_rate ground truth, bbox')
    visible = np.array([_visibility(a, subset.visibility[0] > 0) for a in annotations], np.float64)
    ignored = np.array([bool(a.get('ignore') or a.get('iscrowd')) for a in annotations], bool)
    height = boxes[:, 3]
    ignored |= (height < subset.height[0]) | (height > subset.height[1])
    ignored |= (visible < subset.visibility[0]) | (visible > subset.visibility[1])
    if rules.border is not None:
        ignored |= _near_border(truth, boxes, rules.border)
    if rules.aspect_ratio is not None:
        boxes = np.where(ignored[:, None], boxes, _with_aspect(boxes, rules.aspect_ratio))
    return boxes, ignored


def _near_border(truth: dict, boxes: np.ndarray, border: float) -> np.ndarray:
    """(G,) whose box is not wholly inside the image less its border."""
    images = truth['images']
    width, height = (field(images, side, 'miss_rate ground truth, images') for side in ('width', 'height'))
    size = {image['id']: (w, h) for image, w, h in zip(images, width, height)}
    far = np.array([size[a['image_id']] for a in truth['annotations']], np.float64).reshape(-1, 2) - border
    edges = corners(boxes)
    return (edges < border).any(1) | (edges > np.tile(far, 2)).any(1)


def _with_aspect(boxes: np.ndarray, aspect_ratio: float) -> np.ndarray:
    """The boxes at width = height x ``aspect_ratio`` about the same centre."""
    x, y, width, height = boxes.T
    return np.stack([x + (width - height * aspect_ratio) / 2, y, height * aspect_ratio, height], axis=1)


def _match(dt_box: np.ndarray, dt_start: np.ndarray, gt_box: np.ndarray, gt_start: np.ndarray,
           ignored: np.ndarray) -> np.ndarray:
    """(D,) outcomes at an overlap of 0.5."""
    pairs = pair_starts(dt_start, gt_start)
    overlap = box_overlaps(corners(dt_box), dt_box[:, 2] * dt_box[:, 3], corners(gt_box), gt_box[:, 2] * gt_box[:, 3],
                           ignored, dt_start, gt_start, pairs, 0.0)
    return match(overlap, dt_start, gt_start, pairs, ignored[None], ignored, np.array([0.5]))[0, 0]


def _read_off(outcome: np.ndarray, positives: int, images: int, rules: Rules) -> np.ndarray:
    """(9,) miss rates, each of the last detection that does not exceed the rate."""
    hit = outcome[outcome != IGNORED] == MATCHED
    if not len(hit):
        return np.ones(len(rules.fppi))
    recall = np.cumsum(hit) / positives
    at = np.searchsorted(np.cumsum(~hit) / images, rules.fppi, side='right') - 1
    return 1 - np.where((at < 0) & (not rules.wraps), 0, recall[at])


@METRICS.register_module()
class MissRateMetric(HumanMetric):
    """:func:`miss_rate` of ``pred_instances`` (in pixels of the original image).

    Args:
        subset: the ranked one, whose miss rate is ``MR``.
        also: further subsets, reported as ``MR_<subset>``: NaN where nobody in the ground truth belongs to one, as
            there is no share of nobody. An empty ranked subset is an error.
        rules: ``caltech`` or ``citypersons``.
        ann_file: ground truth; None scores against the ``raw_ann_info`` (COCO-style annotations) of the samples.
        kwargs: of :class:`~humanbench.evaluation.metric.HumanMetric`.
    """
    function = 'miss_rate'
    ranked = ('MR', False)
    keys = ('MR', *(f'MR_{subset}' for subset in SUBSETS))

    def __init__(self, subset: str = 'reasonable', also: Sequence[str] = (), rules: str = 'caltech',
                 ann_file: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        for name in (subset, *also):
            if name not in SUBSETS:
                raise unknown_name('subset', name, SUBSETS)
        if rules not in RULES:
            raise unknown_name('rules', rules, RULES)
        self.subset = subset
        self.also = also
        self.rules = rules
        self.ann_file = ann_file

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            height, width = sample_field(sample, 'ori_shape', 'MissRateMetric')[:2]
            image = dict(id=sample_field(sample, 'img_id', 'MissRateMetric'), width=width, height=height)
            truth = [] if self.ann_file else sample_field(sample, 'raw_ann_info', 'MissRateMetric')
            self.results.append((image, truth, *predicted_boxes(sample, 'MissRateMetric')))

    def compute_metrics(self, results: list) -> dict[str, float]:
        detections = [dict(image_id=image['id'], category_id=PEDESTRIAN, bbox=box, score=score)
                      for image, _, boxes, scores in results for box, score in zip(boxes, scores)]
        truth = load_ground_truth(self.ann_file or dict(
            images=[image for image, *_ in results], categories=[dict(id=PEDESTRIAN)],
            annotations=[dict(a, image_id=image['id']) for image, annotations, *_ in results for a in annotations]),
            'miss_rate ground truth')
        result = miss_rate(truth, detections, self.subset, self.rules)
        for name in self.also:
            result[f'MR_{name}'] = (miss_rate(truth, detections, name, self.rules)['MR']
                                    if populated(truth, name, self.rules) else np.nan)
        return result


def populated(gt: Any, subset: str, rules: str = 'citypersons') -> bool:
    """Whether anybody in the ground truth belongs to the subset."""
    return not people(pedestrians(gt, [])[0], SUBSETS[subset], RULES[rules])[1].all()
