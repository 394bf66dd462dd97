"""Human parsing: one confusion matrix over all pixels, and what is read off it."""
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from ..errors import UserError
from ..registry import METRICS
from .inputs import array
from .metric import HumanMetric, numpy, sample_field


@njit(nogil=True, cache=True)
def _count_pairs(labels: np.ndarray, predictions: np.ndarray, row: np.ndarray, column: np.ndarray,
                 size: int) -> np.ndarray:
    """How often each (row, column) pair occurs.

    Four tables in turn: neighbouring pixels mostly fall into the same cell, and an increment that waits for the one
    before it costs four times as much. ``row`` and ``column`` are unsigned: no test for an index below 0.
    """
    first, second, third, fourth = (np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, np.int64),
                                    np.zeros(size, np.int64))
    n = len(labels)
    for i in range(n // 4):
        at = 4 * i
        first[row[labels[at]] + column[predictions[at]]] += 1
        second[row[labels[at + 1]] + column[predictions[at + 1]]] += 1
        third[row[labels[at + 2]] + column[predictions[at + 2]]] += 1
        fourth[row[labels[at + 3]] + column[predictions[at + 3]]] += 1
    for at in range(n - n % 4, n):
        first[row[labels[at]] + column[predictions[at]]] += 1
    return first + second + third + fourth


def _codes(values: ArrayLike, what: str) -> np.ndarray:
    """Flat uint8 (or uint16) codes; a value outside becomes the largest code, which no class uses."""
    values = np.asarray(values)
    if values.dtype.kind not in 'iub':
        raise UserError(f'{what}: {values.dtype} values; expected integers (class ids).')
    if values.dtype not in (np.uint8, np.uint16):
        limit = 2 ** 16 - 1
        values = np.where((values < 0) | (values > limit), limit, values).astype(np.uint16)
    return np.ascontiguousarray(values).reshape(-1)


@lru_cache(maxsize=16)
def _places(num_classes: int, ignore_index: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Where a label's row begins in the table of pairs, and which column a prediction has, for every code.

    One column more than classes: an id that is no class. Two rows more: ignored, and an id that is no class.
    """
    codes = np.iinfo(dtype).max + 1
    classes, width = min(num_classes, codes), num_classes + 1
    row, column = np.full(codes, width * width, np.uint64), np.full(codes, num_classes, np.uint64)
    row[:classes], column[:classes] = np.arange(classes) * width, np.arange(classes)
    if 0 <= ignore_index < codes:
        row[ignore_index] = num_classes * width
    return row, column


def _offending(values: np.ndarray, bad: np.ndarray, what: str, num_classes: int, ignore_index: int) -> UserError:
    at = int(np.flatnonzero(bad)[0])
    return UserError(f'{what}: class id {values.reshape(-1)[at]}; expected 0..{num_classes - 1}'
                     + (f' or {ignore_index} (ignored).' if what == 'parsing labels' else '.'))


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, num_classes: int,
                     ignore_index: int = 255) -> np.ndarray:
    """Count pixels by (label, prediction).

    Args:
        labels: class ids, integers of any shape; ``ignore_index`` leaves a pixel out, whatever is predicted there.
        predictions: class ids of the same shape.

    Returns:
        (num_classes, num_classes) int64, rows are labels: exact, and additive over images.

    Raises:
        UserError: different shapes, values that are not integers, a class id out of range where the label counts.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise UserError(f'parsing: labels {labels.shape} and predictions {predictions.shape} differ in shape. '
                        'Give predictions at the size of the label map.')
    flat_labels, flat_predictions = _codes(labels, 'parsing labels'), _codes(predictions, 'parsing predictions')
    if not 0 < num_classes < 2 ** 16 - 1:
        raise UserError(f'parsing: {num_classes} classes; expected 1..65534.')

    width, invalid = num_classes + 1, (num_classes + 1) ** 2
    row, _ = _places(num_classes, ignore_index, flat_labels.dtype)
    _, column = _places(num_classes, ignore_index, flat_predictions.dtype)
    counts = _count_pairs(flat_labels, flat_predictions, row, column, invalid + width).reshape(-1, width)
    if counts[-1].any():
        raise _offending(labels, row[flat_labels] == invalid, 'parsing labels', num_classes, ignore_index)
    if counts[:num_classes, -1].any():
        bad = (column[flat_predictions] == num_classes) & (row[flat_labels] < num_classes * width)
        raise _offending(predictions, bad, 'parsing predictions', num_classes, ignore_index)
    return counts[:num_classes, :num_classes].copy()


def parsing(confusion: ArrayLike) -> dict[str, float]:
    """Segmentation measures of one confusion matrix over the whole dataset.

    Args:
        confusion: (C, C), rows are labels.

    Returns:
        ``mIoU`` mean over all classes, a class without pixels in labels and predictions counting 0 (the published
        evaluators);
        ``mIoU_present`` mean over classes that occur in labels or predictions; ``mean_accuracy`` mean over all classes
        of the share of their label pixels found, an absent class counting 0; ``pixel_accuracy``; ``mean_precision``
        mean over the classes that are predicted of the share of their pixels that is right: what PATH's release prints
        as mACC (and ``mIoU_present`` as mIoU).

    Raises:
        UserError: not a square matrix of counts, or an empty one.
    """
    confusion = array(confusion, 'parsing confusion matrix', (None, None))
    if confusion.shape[0] != confusion.shape[1] or (confusion < 0).any() or confusion.sum() == 0:
        raise UserError(f'parsing: a confusion matrix of shape {confusion.shape} and sum {confusion.sum():g}; '
                        'expected a square matrix of counts with at least one pixel.')
    hit = np.diag(confusion)
    labelled, predicted = confusion.sum(1), confusion.sum(0)
    union = labelled + predicted - hit
    iou = hit / np.maximum(union, 1)
    return {'mIoU': float(iou.mean()), 'mIoU_present': float(iou[union > 0].mean()),
            'mean_accuracy': float((hit / np.maximum(labelled, 1)).mean()),
            'pixel_accuracy': float(hit.sum() / confusion.sum()),
            'mean_precision': float((hit[predicted > 0] / predicted[predicted > 0]).mean())}


@METRICS.register_module()
class ParsingMetric(HumanMetric):
    """:func:`parsing` on ``gt_sem_seg`` and ``pred_sem_seg``, both at the size of the original label map.

    Args:
        num_classes: None takes the number of ``classes`` in the dataset's meta information.
        ignore_index: label of pixels that do not count.
        kwargs: of :class:`~humanbench.evaluation.metric.HumanMetric`.
    """
    function = 'parsing'
    ranked = ('mIoU', True)
    keys = ('mIoU', 'mIoU_present', 'mean_accuracy', 'pixel_accuracy', 'mean_precision')

    def __init__(self, num_classes: int | None = None, ignore_index: int = 255, **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.ignore_index = ignore_index

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        classes = self.num_classes or len((self.dataset_meta or {}).get('classes', ()))
        for sample in data_samples:
            labels = numpy(sample_field(sample, 'gt_sem_seg', 'ParsingMetric')['data'])
            predictions = numpy(sample_field(sample, 'pred_sem_seg', 'ParsingMetric')['data'])
            self.results.append(confusion_matrix(labels, predictions, classes, self.ignore_index))

    def compute_metrics(self, results: list) -> dict[str, float]:
        return parsing(np.sum(results, axis=0))
