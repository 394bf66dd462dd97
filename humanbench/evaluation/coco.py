"""COCO's average precision: reading its JSON, grouping by category and image, and the precision-recall curve.

Same results as pycocotools (cocodataset/cocoapi), with one difference: there a ground truth whose id is 0 can never be
matched.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UserError
from .inputs import array, distinct, field, load_json, offsets, positions
from .matching import IGNORED, MATCHED, UNMATCHED

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
AREAS = {'': (0, 1e10), 's': (0, 32 ** 2), 'm': (32 ** 2, 96 ** 2), 'l': (96 ** 2, 1e10)}
"""Ranges of area in square pixels, both ends inclusive, by the letter that the keys carry."""


@dataclass(frozen=True)
class Cells:
    """Ground truth and detections, sorted by cell = (category, image); detections by falling score within a cell.

    Attributes:
        images, categories: how many.
        truth, detected: (G,), (D,) positions of the sorted records in the input.
        gt_cell, dt_cell: (G,), (D,) cell of each, category x images + image.
        gt_start, dt_start: (cells + 1,).
        scores: (D,) of the sorted detections.
        rank: (D,) place within the cell.
    """
    images: int
    categories: int
    truth: np.ndarray
    detected: np.ndarray
    gt_cell: np.ndarray
    dt_cell: np.ndarray
    gt_start: np.ndarray
    dt_start: np.ndarray
    scores: np.ndarray
    rank: np.ndarray


def load_ground_truth(source: Any, what: str) -> dict:
    """COCO ground truth: a mapping (or the path of one) with images, categories and annotations."""
    data = load_json(source, what)
    parts = ('images', 'categories', 'annotations')
    if not isinstance(data, dict) or any(not isinstance(data.get(part), list) for part in parts):
        found = sorted(data) if isinstance(data, dict) else type(data).__name__
        raise UserError(f"{what}: expected a COCO file with 'images', 'categories' and 'annotations'; found {found}.")
    return data


def load_detections(source: Any, what: str) -> list[dict]:
    """COCO results: a list of records (or the path of one)."""
    data = load_json(source, what, numbers='keypoints')
    if not isinstance(data, (list, tuple)):
        raise UserError(f'{what}: expected a COCO results list of detections; found {type(data).__name__}.')
    return list(data)


def group(ground_truth: dict, detections: Sequence[dict], limit: int, what: str) -> Cells:
    """Sort both by category and image, and keep the ``limit`` highest-scored detections of each cell."""
    images = sorted(field(ground_truth['images'], 'id', f'{what} ground truth, images'))
    categories = sorted(field(ground_truth['categories'], 'id', f'{what} ground truth, categories'))
    distinct(images, f'{what} ground truth, images')
    count = len(images) * len(categories)

    def cells(records: Sequence[dict], part: str) -> np.ndarray:
        image = positions(field(records, 'image_id', part), images, f'{part}, image_id')
        return positions(field(records, 'category_id', part), categories, f'{part}, category_id') * len(images) + image

    gt_cell = cells(ground_truth['annotations'], f'{what} ground truth')
    truth = np.argsort(gt_cell, kind='stable')
    dt_cell = cells(detections, f'{what} detections')
    scores = array(field(detections, 'score', f'{what} detections'), f'{what} detections, score', (None,))
    order = np.lexsort((-scores, dt_cell))
    start = offsets(dt_cell, count)
    rank = np.arange(len(order)) - start[dt_cell[order]]
    order, rank = order[rank < limit], rank[rank < limit]
    return Cells(len(images), len(categories), truth, order, gt_cell[truth], dt_cell[order], offsets(gt_cell, count),
                 offsets(dt_cell[order], count), scores[order], rank)


def average_precision(outcome: np.ndarray, positives: int) -> np.ndarray:
    """Area under the interpolated precision-recall curve, sampled at 101 recalls.

    Args:
        outcome: (T, D) outcomes of all detections by falling score, for T overlap thresholds.
        positives: number of ground truths that count.

    Returns:
        (T,) average precision.
    """
    result = np.empty(len(outcome))
    for t, row in enumerate(outcome):
        hits = np.flatnonzero(row == MATCHED)  # between them precision falls and recall stands still
        true = np.arange(1, len(hits) + 1, dtype=np.float64)
        precision = true / (np.cumsum(row == UNMATCHED, dtype=np.int32)[hits] + true + np.spacing(1))
        envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0)  # 0 at a recall that is never reached
        result[t] = envelope[np.searchsorted(true / positives, RECALLS, side='left')].mean()
    return result


def summarise(cells: Cells, outcome: np.ndarray, ignored: np.ndarray, dt_area: np.ndarray,
              ranges: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Average precision and recall of every range of area.

    Args:
        outcome: (R, T, D) of :func:`~humanbench.evaluation.matching.match`; unmatched detections whose own area is out
            of range become ignored here.
        ignored: (R, G).
        dt_area: (D,) area of the detections.
        ranges: R keys of :data:`AREAS`.

    Returns:
        By range: precision (K, T) and recall (K, T) of the K categories that have ground truth in it.
    """
    order = np.argsort(-cells.scores, kind='stable')  # stable: equal scores stay in the order of the images
    dt_category = (cells.dt_cell // max(cells.images, 1))[order]
    gt_category = cells.gt_cell // max(cells.images, 1)
    precision, recall = {}, {}
    for r, letter in enumerate(ranges):
        low, high = AREAS[letter]
        outside = (dt_area < low) | (dt_area > high)
        found = np.where((outcome[r] == UNMATCHED) & outside, IGNORED, outcome[r])[:, order]
        rows = []
        for category in range(cells.categories):
            positives = int(((gt_category == category) & ~ignored[r]).sum())
            if positives:
                own = found if cells.categories == 1 else found[:, dt_category == category]
                rows.append((average_precision(own, positives), (own == MATCHED).sum(1) / positives))
        precision[letter] = np.array([row[0] for row in rows]).reshape(-1, len(OVERLAPS))
        recall[letter] = np.array([row[1] for row in rows]).reshape(-1, len(OVERLAPS))
    return precision, recall


def mean(values: np.ndarray) -> float:
    """Mean over what there is; -1, COCO's own sign, where there is no ground truth."""
    return float(values.mean()) if values.size else -1.0
