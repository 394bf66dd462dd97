"""Keypoints: COCO's average precision with any sigmas, MPII's PCKh, end-point error and normalised mean error."""
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UserError
from .coco import AREAS, OVERLAPS, group, load_detections, load_ground_truth, mean, summarise
from .inputs import array, field, table
from .matching import keypoint_similarities, match, pair_starts

COCO_SIGMAS = np.array([.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89]) / 10
MAX_PEOPLE = 20
BOX_TO_AREA = 0.53
"""A person's area where none is annotated, as a share of the box: MMPose's and xtcocotools' surrogate."""


def _joints(records: Sequence[dict], count: int, what: str) -> np.ndarray:
    """(n, K, 3) of records with flat ``keypoints``."""
    hint = f'Expected x, y, visibility of {count} joints; for another joint set give its sigmas.'
    return table(field(records, 'keypoints', what), 3 * count, f'{what}, keypoints', hint).reshape(-1, count, 3)


def _areas(annotations: Sequence[dict], boxes: np.ndarray, use_area: bool) -> np.ndarray:
    surrogate = boxes[:, 2] * boxes[:, 3] * BOX_TO_AREA
    return np.array([a.get('area', s) for a, s in zip(annotations, surrogate)], np.float64) if use_area else surrogate


def _detected_areas(detections: Sequence[dict], order: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(D,) of the boxes where the results have them, else of the joints' extent, as COCO's loader has it."""
    if detections and detections[0].get('bbox'):
        boxes = table(field(detections, 'bbox', 'keypoint_ap detections'), 4, 'keypoint_ap detections, bbox')[order]
        return boxes[:, 2] * boxes[:, 3]
    return np.ptp(joints, axis=1).prod(axis=1)


def keypoint_ap(gt: Any, detections: Any, sigmas: ArrayLike | None = None, use_area: bool = True) -> dict[str, float]:
    """Keypoint AP and AR as COCO defines them (OKS 0.50:0.95, 20 people an image).

    Args:
        gt: COCO ground truth (parsed, or a path): annotations with flat ``keypoints`` x, y, visibility, ``bbox``,
            ``area``, ``iscrowd``. A person without labelled joints, and a crowd, is ignored.
        detections: COCO results (parsed, or a path): records ``image_id, category_id, keypoints, score``; with a
            ``bbox`` it says whether an unmatched person is in a range of area, else the extent of the joints does.
        sigmas: (K,) spread of each joint; None takes COCO's 17.
        use_area: False scales by 0.53 of the box's area, for datasets without areas (AIC, MPII).

    Returns:
        ``AP AP50 AP75 APm APl AR AR50 AR75 ARm ARl``; -1 where no ground truth is in range, as COCO has it.

    Raises:
        UserError: another layout, unknown image or category ids, another number of joints, numbers that are not finite.
    """
    sigmas = array(COCO_SIGMAS if sigmas is None else sigmas, 'keypoint_ap sigmas', (None,))
    truth = load_ground_truth(gt, 'keypoint_ap ground truth')
    detections = load_detections(detections, 'keypoint_ap detections')
    annotations = truth['annotations']
    cells = group(truth, detections, MAX_PEOPLE, 'keypoint_ap')

    gt_joints = _joints(annotations, len(sigmas), 'keypoint_ap ground truth')
    gt_box = table(field(annotations, 'bbox', 'keypoint_ap ground truth'), 4, 'keypoint_ap ground truth, bbox')
    gt_area = _areas(annotations, gt_box, use_area)
    visible = gt_joints[:, :, 2] > 0
    labelled = np.array([a.get('num_keypoints', n) for a, n in zip(annotations, visible.sum(1))], np.int64)
    crowd = np.array([bool(a.get('iscrowd', 0)) for a in annotations], bool)
    dt_joints = _joints(detections, len(sigmas), 'keypoint_ap detections')[cells.detected, :, :2]
    dt_area = _detected_areas(detections, cells.detected, dt_joints)

    order, pairs = cells.truth, pair_starts(cells.dt_start, cells.gt_start)
    similarity = keypoint_similarities(
        np.ascontiguousarray(dt_joints), np.ascontiguousarray(gt_joints[order, :, :2]), visible[order], gt_box[order],
        gt_area[order], (2 * sigmas) ** 2, cells.dt_start, cells.gt_start, pairs)
    ranges = ['', 'm', 'l']
    ignored = np.stack([(crowd | (labelled == 0) | (gt_area < low) | (gt_area > high))[order]
                        for low, high in (AREAS[letter] for letter in ranges)])
    outcome = match(similarity, cells.dt_start, cells.gt_start, pairs, ignored, crowd[order], OVERLAPS)
    precision, recall = summarise(cells, outcome, ignored, dt_area, ranges)
    result = {}
    for name, values in (('AP', precision), ('AR', recall)):
        result |= {name: mean(values['']), f'{name}50': mean(values[''][:, 0]), f'{name}75': mean(values[''][:, 5]),
                   f'{name}m': mean(values['m']), f'{name}l': mean(values['l'])}
    return result


MPII_JOINTS = ('rank', 'rkne', 'rhip', 'lhip', 'lkne', 'lank', 'pelv', 'thor', 'neck', 'head', 'rwri', 'relb', 'rsho',
               'lsho', 'lelb', 'lwri')
"""Joint names of ``mpii_gt_val.mat``, in the order of the dataset."""
MPII_PARTS = {'head': ('head',), 'shoulder': ('lsho', 'rsho'), 'elbow': ('lelb', 'relb'), 'wrist': ('lwri', 'rwri'),
              'hip': ('lhip', 'rhip'), 'knee': ('lkne', 'rkne'), 'ankle': ('lank', 'rank')}
HEAD_SIZE_FACTOR = 0.6
"""Of the head box's diagonal: the unit of length of PCKh in MPII's own evaluation."""


def _where_visible(points: ArrayLike, visible: np.ndarray, what: str) -> np.ndarray:
    """(n, K, 2) points, 0 where the joint is not labelled: some annotations hold NaN there."""
    points = np.asarray(points, np.float64)
    if points.shape != (*visible.shape, 2):
        raise UserError(f'{what}: {points.shape} points of (persons, joints, 2) for {visible.shape} visibilities.')
    return array(np.where(visible[..., None], points, 0), what, points.shape)


def _joint_order(gt: Mapping) -> list[str]:
    if 'dataset_joints' not in gt:
        return list(MPII_JOINTS)
    names = [str(np.squeeze(x)) for x in np.ravel(gt['dataset_joints'])]
    if len(names) != 16 or not set(chain.from_iterable(MPII_PARTS.values())) <= set(names):
        raise UserError(f"pckh: dataset_joints {names}; expected MPII's 16: {', '.join(MPII_JOINTS)}.")
    return names


def pckh(predictions: ArrayLike, gt: Mapping, threshold: float = 0.5) -> dict[str, float]:
    """Share of joints within ``threshold`` head sizes (Andriluka et al., 2014), in the form used for MPII's validation
    set.

    The head size is 0.6 of the head box's diagonal. Pelvis and thorax (joints 6 and 7) do not count in the mean, which
    is over joints, not over parts.

    Args:
        predictions: (n, 16, 2) pixels counted from 0.
        gt: fields of ``mpii_gt_val.mat``, pixels counted from 1: ``pos_gt_src`` (16, 2, n), ``jnt_missing`` (16, n),
            ``headboxes_src`` (2, 2, n), ``dataset_joints`` (optional).

    Returns:
        ``mean head shoulder elbow wrist hip knee ankle``; a part whose joints are never labelled is NaN.

    Raises:
        UserError: a field is missing, other shapes, numbers that are not finite, an empty head box, no labelled joint.
    """
    missing = [key for key in ('pos_gt_src', 'jnt_missing', 'headboxes_src') if key not in gt]
    if missing:
        raise UserError(f"pckh: the ground truth lacks {', '.join(missing)}; expected the fields of mpii_gt_val.mat.")
    visible = array(gt['jnt_missing'], 'pckh jnt_missing', (16, None)).T == 0
    n = len(visible)
    target = _where_visible(np.asarray(gt['pos_gt_src']).T.swapaxes(1, 2), visible, 'pckh pos_gt_src')
    predictions = array(predictions, 'pckh predictions', (n, 16, 2))
    head = array(gt['headboxes_src'], 'pckh headboxes_src', (2, 2, n))
    head_size = HEAD_SIZE_FACTOR * np.linalg.norm(head[1] - head[0], axis=0)
    if (head_size <= 0).any():
        raise UserError(f'pckh: person {int(np.argmin(head_size))} has an empty head box.')

    right = (np.linalg.norm(predictions + 1 - target, axis=2) / head_size[:, None] <= threshold) & visible
    names, counts, hits = _joint_order(gt), visible.sum(0), right.sum(0)
    counted = np.delete(np.arange(16), [6, 7])
    if not counts[counted].sum():
        raise UserError('pckh: no labelled joint to score.')
    rate = np.divide(hits, counts, out=np.full(16, np.nan), where=counts > 0)
    result = {'mean': float(hits[counted].sum() / counts[counted].sum())}
    for part, joints in MPII_PARTS.items():
        rates = rate[[names.index(joint) for joint in joints]]
        result[part] = float(np.nanmean(rates)) if np.isfinite(rates).any() else float('nan')
    return result


def _distances(predictions: ArrayLike, targets: ArrayLike, visible: ArrayLike,
               what: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, K) pixel distances and which of them count."""
    visible = array(visible, f'{what} visible', (None, None)) > 0
    targets = _where_visible(targets, visible, f'{what} targets')
    predictions = array(predictions, f'{what} predictions', targets.shape)
    if not visible.any():
        raise UserError(f'{what}: no visible joint to score.')
    return np.linalg.norm(predictions - targets, axis=2), visible


def epe(predictions: ArrayLike, targets: ArrayLike, visible: ArrayLike) -> dict[str, float]:
    """End-point error: mean distance over all visible joints.

    Args:
        predictions, targets: (n, K, 2) pixels.
        visible: (n, K), above 0 where a joint counts.

    Returns:
        ``EPE`` in pixels.

    Raises:
        UserError: different shapes, numbers that are not finite, no visible joint.
    """
    distances, visible = _distances(predictions, targets, visible, 'epe')
    return {'EPE': float(distances[visible].mean())}


def nme(predictions: ArrayLike, targets: ArrayLike, visible: ArrayLike, normalizer: ArrayLike) -> dict[str, float]:
    """Normalised mean error: each person's distances in units of its own length, mean over all visible joints.

    Args:
        predictions, targets: (n, K, 2) pixels.
        visible: (n, K), above 0 where a joint counts.
        normalizer: (n,) lengths in pixels, or one for all.

    Returns:
        ``NME``, a fraction of the length.

    Raises:
        UserError: different shapes, numbers that are not finite, no visible joint, a length that is not positive.
    """
    distances, visible = _distances(predictions, targets, visible, 'nme')
    if np.ndim(normalizer) == 0:
        normalizer = np.full(len(distances), normalizer)
    length = array(normalizer, 'nme normalizer', (len(distances),))
    if (length <= 0).any():
        raise UserError(f'nme normalizer: {length.min():g}; every length must be positive.')
    return {'NME': float((distances / length[:, None])[visible].mean())}
