"""How well a self-supervised model does what it was trained for.

Shapes: n joints, h x w tokens.
"""
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


PART_JOINTS = {'upper': range(9), 'lower': range(11, 15), 'feet': range(15, 17)}
"""Joints of COCO by the body part they are surely of, from the top; wrists hang anywhere."""


def part_agreement(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """How many joints lie in the body part that they belong to.

    Args:
        truth: (n,) the part of each joint: 1 upper body, 2 lower body, 3 feet.
        found: (n,) the part that was found where it lies, 0 for the background.

    Returns:
        ``upper``, ``lower`` and ``feet``: the share of such joints that were found right (not a number where there are
        none), and ``accuracy``, the mean of these. People who fill their crops and stand upright let the rows alone
        score high: compare.
    """
    shares = {name: float(np.mean(found[truth == part] == part)) if (truth == part).any() else float('nan')
              for part, name in enumerate(PART_JOINTS, start=1)}
    return dict(accuracy=float(np.nanmean(list(shares.values()))), **shares)


def joint_parts(labels: np.ndarray, joints: np.ndarray, visible: np.ndarray,
                size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """What :func:`part_agreement` compares, of one image: (n,) and (n,).

    Args:
        labels: (h, w) body parts of the tokens.
        joints: (17, 2) x, y in pixels, in COCO's order.
        visible: (17,) whether each is in the image.
        size: (height, width) of the image.
    """
    part_of = np.zeros(len(joints), int)
    for part, members in enumerate(PART_JOINTS.values(), start=1):
        part_of[list(members)] = part
    chosen = (part_of > 0) & (visible > 0)
    cells = (joints[chosen] + 0.5) * np.array(labels.shape[::-1]) / np.array(size[::-1])
    columns, rows = np.clip(cells.astype(int), 0, np.array(labels.shape[::-1]) - 1).T
    return part_of[chosen], labels[rows, columns]


@METRICS.register_module()
class PartMetric(HumanMetric):
    """:func:`part_agreement` of ``pred_parts`` with the joints of samples that have them."""
    function = 'part_agreement'
    ranked = ('accuracy', True)
    keys = ('accuracy', *PART_JOINTS)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            labels = numpy(sample_field(sample, 'pred_parts', 'PartMetric'))
            people = sample_field(sample, 'gt_instances', 'PartMetric')
            self.results.append(joint_parts(
                labels, numpy(people['keypoints'])[0], numpy(people['keypoints_visible'])[0], sample['img_shape']))

    def compute_metrics(self, results: list) -> dict[str, float]:
        return part_agreement(*map(np.concatenate, zip(*results)))


def modality_agreement(vectors: np.ndarray, present: np.ndarray, errors: np.ndarray) -> dict[str, float]:
    """How well the modalities of people find each other.

    Args:
        vectors: (n, 3, D) of length 1: of colour, depth and joints of each person.
        present: (n, 3) whether a person has that modality.
        errors: (n,) mean distance in pixels between points of the colour image and where they are found in the depth;
            not a number for a person without depth.

    Returns:
        ``rgb_depth``, ``rgb_joints`` and ``depth_joints``: of the people who have both, the share whose own vector of
        the other modality is nearer (by the cosine) than that of anybody else, mean of both ways; ``rank1``, the mean
        of these; ``point_error``, mean of ``errors``. Not a number where nobody has both. More people are harder: only
        numbers of the same people compare.
    """
    shares = {}
    for name, one, other in (('rgb_depth', 0, 1), ('rgb_joints', 0, 2), ('depth_joints', 1, 2)):
        both = present[:, one] & present[:, other]
        similar = vectors[both, one].astype(np.float64) @ vectors[both, other].astype(np.float64).T
        own = np.arange(len(similar))
        found = [np.mean(x.argmax(1) == own) for x in (similar, similar.T)] if len(own) else [float('nan')]
        shares[name] = float(np.mean(found))
    known = errors[np.isfinite(errors)]
    return dict(rank1=float(np.mean(list(shares.values()))), **shares,
                point_error=float(known.mean()) if len(known) else float('nan'))


@METRICS.register_module()
class ModalityMetric(HumanMetric):
    """:func:`modality_agreement` of ``pred_vectors``, ``has_depth``, ``has_joints`` and ``point_error``."""
    function = 'modality_agreement'
    ranked = ('rank1', True)
    keys = ('rank1', 'rgb_depth', 'rgb_joints', 'depth_joints', 'point_error')

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            vectors = numpy(sample_field(sample, 'pred_vectors', 'ModalityMetric'))
            present = [bool(sample_field(sample, name, 'ModalityMetric')) for name in ('has_depth', 'has_joints')]
            self.results.append((vectors, np.array([True, *present]),
                                 float(numpy(sample_field(sample, 'point_error', 'ModalityMetric')))))

    def compute_metrics(self, results: list) -> dict[str, float]:
        return modality_agreement(*map(np.array, zip(*results)))
