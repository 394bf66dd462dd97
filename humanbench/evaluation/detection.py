"""COCO box average precision."""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..registry import METRICS
from .coco import AREAS, OVERLAPS, Cells, group, load_detections, load_ground_truth, mean, summarise
from .inputs import field, table
from .matching import MATCHED, box_overlaps, match, pair_starts
from .metric import HumanMetric, numpy, sample_field

MAX_DETECTIONS = 100


def box_ap(gt: Any, detections: Any) -> dict[str, float]:
    """Box AP and AR as COCO defines them (IoU 0.50:0.95, 100 detections an image).

    Args:
        gt: COCO ground truth (parsed, or a path): images, categories, annotations with ``bbox`` x, y, width, height,
            ``area`` and ``iscrowd``.
        detections: COCO results (parsed, or a path): records ``image_id, category_id, bbox, score``.

    Returns:
        ``AP AP50 AP75 APs APm APl AR1 AR10 AR100 ARs ARm ARl``; -1 where no ground truth is in range, as COCO has it.

    Raises:
        UserError: another layout, unknown image or category ids, numbers that are not finite.
    """
    truth, detections = load_ground_truth(gt, 'box_ap ground truth'), load_detections(detections, 'box_ap detections')
    annotations = truth['annotations']
    cells = group(truth, detections, MAX_DETECTIONS, 'box_ap')
    gt_box = table(field(annotations, 'bbox', 'box_ap ground truth'), 4, 'box_ap ground truth, bbox')[cells.truth]
    gt_area = np.array([a.get('area', a['bbox'][2] * a['bbox'][3]) for a in annotations], np.float64)[cells.truth]
    crowd = np.array([bool(a.get('iscrowd', 0)) for a in annotations], bool)[cells.truth]
    dt_box = table(field(detections, 'bbox', 'box_ap detections'), 4, 'box_ap detections, bbox')[cells.detected]
    dt_area = dt_box[:, 2] * dt_box[:, 3]

    pairs = pair_starts(cells.dt_start, cells.gt_start)
    overlap = box_overlaps(corners(dt_box), dt_area, corners(gt_box), gt_box[:, 2] * gt_box[:, 3], crowd,
                           cells.dt_start, cells.gt_start, pairs, 0.0)
    ignored = np.stack([crowd | (gt_area < low) | (gt_area > high) for low, high in AREAS.values()])
    outcome = match(overlap, cells.dt_start, cells.gt_start, pairs, ignored, crowd, OVERLAPS)
    precision, recall = summarise(cells, outcome, ignored, dt_area, list(AREAS))

    result = {'AP': mean(precision['']), 'AP50': mean(precision[''][:, 0]), 'AP75': mean(precision[''][:, 5])}
    result |= {f'AP{letter}': mean(precision[letter]) for letter in 'sml'}
    for limit in (1, 10):
        result[f'AR{limit}'] = mean(_recall((outcome[0] == MATCHED) & (cells.rank < limit), cells, ignored[0]))
    return result | {'AR100': mean(recall[''])} | {f'AR{letter}': mean(recall[letter]) for letter in 'sml'}


def _recall(hit: np.ndarray, cells: Cells, ignored: np.ndarray) -> np.ndarray:
    """(K, T) recall of the categories that have ground truth."""
    gt_category, dt_category = cells.gt_cell // max(cells.images, 1), cells.dt_cell // max(cells.images, 1)
    positives = np.bincount(gt_category[~ignored], minlength=cells.categories)
    rows = [hit[:, dt_category == k].sum(1) / n for k, n in enumerate(positives) if n]
    return np.array(rows).reshape(-1, len(OVERLAPS))


def corners(boxes: np.ndarray) -> np.ndarray:
    """x, y, width, height -> x1, y1, x2, y2."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


@METRICS.register_module()
class BoxAPMetric(HumanMetric):
    """:func:`box_ap` of ``pred_instances`` (``bboxes``, ``scores``, in pixels of the original image).

    The ground truth is ``raw_ann_info``, the native boxes of the image: COCO style (``bbox``; ``iscrowd`` or
    ``ignore``) or CrowdHuman's (``fbox``; ``tag``, ``extra``). What is to be ignored there is a crowd here.
    """
    function = 'box_ap'
    ranked = ('AP', True)
    keys = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl')

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            truth = [_annotation(x) for x in sample_field(sample, 'raw_ann_info', 'BoxAPMetric')]
            self.results.append((*predicted_boxes(sample, 'BoxAPMetric'), truth))

    def compute_metrics(self, results: list) -> dict[str, float]:
        annotations, detections = [], []
        for image, (boxes, scores, truth) in enumerate(results):
            shared = dict(image_id=image, category_id=1)
            annotations += [dict(annotation, **shared) for annotation in truth]
            detections += [dict(shared, bbox=box, score=score) for box, score in zip(boxes, scores)]
        images = [dict(id=image) for image in range(len(results))]
        return box_ap(dict(images=images, categories=[dict(id=1)], annotations=annotations), detections)


def crowdhuman_ignored(box: Mapping) -> bool:
    """Whether a box of CrowdHuman's ``gtboxes`` is a region to ignore."""
    return box.get('tag') != 'person' or bool((box.get('extra') or {}).get('ignore', 0))


def _annotation(native: Mapping) -> dict[str, Any]:
    if 'fbox' in native:
        return dict(bbox=native['fbox'], iscrowd=crowdhuman_ignored(native))
    return dict(bbox=native['bbox'], iscrowd=bool(native.get('iscrowd') or native.get('ignore')))


def predicted_boxes(sample: Mapping, metric: str) -> tuple[list[list[float]], list[float]]:
    """Boxes (x, y, width, height) and scores of a sample's predictions."""
    predicted = sample_field(sample, 'pred_instances', metric)
    boxes = numpy(predicted['bboxes']).reshape(-1, 4).astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes.tolist(), numpy(predicted['scores']).reshape(-1).astype(np.float64).tolist()
