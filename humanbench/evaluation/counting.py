"""People counting: how far the predicted number of people is from the true one."""
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UserError
from ..registry import METRICS
from .inputs import array
from .metric import HumanMetric, numpy, sample_field


def counting(targets: ArrayLike, predictions: ArrayLike) -> dict[str, float]:
    """Errors of the count, over images.

    Args:
        targets: (n,) true number of people in each image.
        predictions: (n,) predicted number, not rounded.

    Returns:
        ``MAE`` mean absolute error; ``RMSE`` root of the mean squared error, which the counting literature prints as
        "MSE".

    Raises:
        UserError: different lengths, no image, a number that is not finite.
    """
    targets = array(targets, 'counting targets', (None,))
    predictions = array(predictions, 'counting predictions', (len(targets),))
    if not len(targets):
        raise UserError('counting: no image to score.')
    error = predictions - targets
    return {'MAE': float(np.abs(error).mean()), 'RMSE': float(np.sqrt(np.square(error).mean()))}


@METRICS.register_module()
class CountingMetric(HumanMetric):
    """:func:`counting` on ``pred_count`` and the number of ``gt_instances.points``."""
    function = 'counting'
    ranked = ('MAE', False)
    keys = ('MAE', 'RMSE')

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            points = numpy(sample_field(sample, 'gt_instances', 'CountingMetric')['points'])
            prediction = float(numpy(sample_field(sample, 'pred_count', 'CountingMetric')).reshape(()))
            self.results.append((len(points), prediction))

    def compute_metrics(self, results: list) -> dict[str, float]:
        targets, predictions = zip(*results)
        return counting(targets, predictions)
