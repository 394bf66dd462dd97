"""How well a self-supervised model does what it was trained for."""
from collections.abc import Sequence

import numpy as np

from ..registry import METRICS
from .metric import HumanMetric, numpy, sample_field


def reconstruction(errors: Sequence[float]) -> dict[str, float]:
    """Mean over images of the squared error of masked patches.

    Args:
        errors: of each image, in the units of what is predicted: where patches are normalised, 1 is the error of
            predicting each patch's mean.

    Returns:
        ``MSE``.
    """
    return {'MSE': float(np.mean(np.asarray(errors, np.float64)))}


@METRICS.register_module()
class ReconstructionMetric(HumanMetric):
    """:func:`reconstruction` on ``reconstruction_error``; comparable between runs with the same masks alone."""
    function = 'reconstruction'
    ranked = ('MSE', False)
    keys = ('MSE',)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        self.results += [float(numpy(sample_field(sample, 'reconstruction_error', 'ReconstructionMetric')))
                         for sample in data_samples]

    def compute_metrics(self, results: list) -> dict[str, float]:
        return reconstruction(results)
