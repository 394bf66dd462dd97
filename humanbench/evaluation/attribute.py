"""Pedestrian attribute recognition: mean accuracy and the four instance metrics."""
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UserError
from ..registry import METRICS
from .inputs import array
from .metric import HumanMetric, numpy, sample_field


def _share(part: np.ndarray | float, whole: np.ndarray | float) -> np.ndarray:
    """part / whole, and 0 where there is no whole: the convention of the evaluators of this field."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.zeros(np.broadcast(part, whole).shape), where=whole > 0)


def _harmonic(precision: np.ndarray | float, recall: np.ndarray | float) -> np.ndarray:
    return _share(2 * np.asarray(precision) * recall, np.asarray(precision) + recall)


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    labels = array(labels, 'attribute labels', (None, None), dtype=None)
    scores = array(scores, 'attribute scores', labels.shape)
    wrong = (labels != 0) & (labels != 1) & (labels != -1)
    if wrong.any():
        raise UserError(f'attribute labels: {labels[wrong][0]}; expected 1 (present), 0 (absent) or -1 (unknown).')
    if not (labels >= 0).any():
        raise UserError('attribute labels: nothing is labelled, so there is nothing to score.')
    return labels, scores


def attributes(labels: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> dict[str, float]:
    """Label-based mean accuracy and instance-based accuracy, precision, recall and F1 (Li et al., RAP, 2016).

    An unknown label counts nowhere: not in an attribute's rates, not in an image's sets. An attribute or an image
    without any known label is left out of its mean. An attribute that is never (or always) present has a rate of 0 for
    the missing side.

    Args:
        labels: (n, A) 1 present, 0 absent, -1 unknown.
        scores: (n, A) probabilities; present is predicted above ``threshold``.

    Returns:
        ``mA`` mean over attributes of (true positive rate + true negative rate) / 2; ``mA_present`` the same over the
        attributes that the labels hold both present and absent, NaN where there is none; ``accuracy`` (intersection
        over union of the present sets), ``precision``, ``recall``, means over images; ``f1`` of those two means;
        ``f1_per_image`` mean over images of each one's own, which PATH's release prints.

    Raises:
        UserError: other shapes or label values, a score that is not finite, nothing labelled.
    """
    labels, scores = _checked(labels, scores)
    present, absent, known = labels == 1, labels == 0, labels >= 0
    predicted = (scores > threshold) & known
    hit = present & predicted

    rates = (_share(hit.sum(0), present.sum(0)) + _share((absent & ~predicted).sum(0), absent.sum(0))) / 2
    both = present.any(0) & absent.any(0)
    images = known.any(1)
    accuracy = _share(hit.sum(1), (present | predicted).sum(1))[images].mean()
    precision = _share(hit.sum(1), predicted.sum(1))[images]
    recall = _share(hit.sum(1), present.sum(1))[images]
    return {'mA': float(rates[known.any(0)].mean()), 'mA_present': float(rates[both].mean()) if both.any() else np.nan,
            'accuracy': float(accuracy), 'precision': float(precision.mean()), 'recall': float(recall.mean()),
            'f1': float(_harmonic(precision.mean(), recall.mean())),
            'f1_per_image': float(_harmonic(precision, recall).mean())}


@METRICS.register_module()
class AttributeMetric(HumanMetric):
    """:func:`attributes` on ``gt_attributes`` and ``pred_attributes``.

    Args:
        threshold: probability above which an attribute is predicted.
        kwargs: of :class:`~humanbench.evaluation.metric.HumanMetric`.
    """
    function = 'attributes'
    ranked = ('mA', True)
    keys = ('mA', 'mA_present', 'accuracy', 'precision', 'recall', 'f1', 'f1_per_image')

    def __init__(self, threshold: float = 0.5, **kwargs) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            self.results.append((numpy(sample_field(sample, 'gt_attributes', 'AttributeMetric')),
                                 numpy(sample_field(sample, 'pred_attributes', 'AttributeMetric'))))

    def compute_metrics(self, results: list) -> dict[str, float]:
        labels, scores = zip(*results)
        return attributes(np.stack(labels), np.stack(scores), self.threshold)
