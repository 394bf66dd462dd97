"""Joints in space: the share of them that are found within a distance, as ITOP is scored."""
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UserError
from ..registry import METRICS
from .inputs import array
from .metric import HumanMetric, numpy, sample_field

UPPER = ('head', 'neck', 'shoulder', 'elbow', 'hand', 'torso')
"""Parts of the upper body among ITOP's joints, whose names end in these; the others are of the lower body."""
ITOP_JOINTS = ('head', 'neck', 'right_shoulder', 'left_shoulder', 'right_elbow', 'left_elbow', 'right_hand',
               'left_hand', 'torso', 'right_hip', 'left_hip', 'right_knee', 'left_knee', 'right_foot', 'left_foot')


def pose_3d(predictions: ArrayLike, targets: ArrayLike, threshold: float = 0.10,
            names: Sequence[str] = ITOP_JOINTS) -> dict[str, float]:
    """Share of joints nearer than ``threshold`` to where they are, in the camera's frame; nothing is aligned before.

    Haque et al. (ECCV 2016) count so at 10 cm, over all joints of all valid frames.

    Args:
        predictions, targets: (n, K, 3) metres.
        threshold: metres; a joint at exactly this distance is wrong.
        names: of the K joints.

    Returns:
        ``accuracy`` (mean over joints and frames), ``upper`` and ``lower`` (of the halves of the body), ``MPJPE`` (mean
        distance, millimetres), and the accuracy of each part without its side (``head``, ``shoulder`` ...).

    Raises:
        UserError: different shapes, numbers that are not finite, nothing to score.
    """
    targets = array(targets, 'pose_3d targets', (None, len(names), 3))
    predictions = array(predictions, 'pose_3d predictions', targets.shape)
    if not len(targets):
        raise UserError('pose_3d: no frame to score.')
    distances = np.linalg.norm(predictions - targets, axis=2)
    rates = (distances < threshold).mean(0)
    parts = [x.rpartition('_')[2] for x in names]
    upper = np.array([x in UPPER for x in parts])
    halves = {name: float(rates[chosen].mean()) for name, chosen in (('upper', upper), ('lower', ~upper))
              if chosen.any()}
    shares = {part: float(rates[[x == part for x in parts]].mean()) for part in dict.fromkeys(parts)}
    return dict(accuracy=float(rates.mean()), **halves, MPJPE=float(1000 * distances.mean()), **shares)


@METRICS.register_module()
class Pose3DMetric(HumanMetric):
    """:func:`pose_3d` of ``pred_instances.keypoints_3d`` against ``gt_instances.keypoints_3d``, one person a sample.

    Args:
        threshold: metres.
        arguments: of :class:`HumanMetric`.
    """
    function = 'pose_3d'
    ranked = ('accuracy', True)
    keys = ('accuracy', 'upper', 'lower', 'MPJPE', 'head', 'neck', 'shoulder', 'elbow', 'hand', 'torso', 'hip', 'knee',
            'foot')

    def __init__(self, threshold: float = 0.10, **arguments) -> None:
        super().__init__(**arguments)
        self.threshold = threshold

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            self.results.append(tuple(
                numpy(sample_field(sample, which, 'Pose3DMetric')['keypoints_3d'])[0]
                for which in ('pred_instances', 'gt_instances')))

    def compute_metrics(self, results: list) -> dict[str, float]:
        predictions, targets = map(np.stack, zip(*results))
        return pose_3d(predictions, targets, self.threshold)
