"""Overlap and greedy matching of detections with ground truth: the compiled core of AP, miss rate and CrowdHuman's
metrics.

Shapes: a *cell* is one image (of one category). D detections and G ground truths are stored cell after cell;
    ``dt_start`` and
``gt_start`` (cells + 1) say where each cell begins. P pairs: within a cell every detection with every ground truth,
detection by detection; ``pair_start`` (cells + 1).
"""
import numpy as np
from numba import njit

UNMATCHED, MATCHED, IGNORED = 0, 1, 2
"""Outcomes of a detection: false positive, true positive, counts as neither."""


def pair_starts(dt_start: np.ndarray, gt_start: np.ndarray) -> np.ndarray:
    """``pair_start`` of the two."""
    return np.concatenate([[0], np.cumsum(np.diff(dt_start) * np.diff(gt_start))]).astype(np.int64)


@njit(nogil=True, cache=True)
def box_overlaps(dt: np.ndarray, dt_area: np.ndarray, gt: np.ndarray, gt_area: np.ndarray, region: np.ndarray,
                 dt_start: np.ndarray, gt_start: np.ndarray, pair_start: np.ndarray, eps: float) -> np.ndarray:
    """Intersection over union; over the detection's own area where the ground truth is a region to ignore.

    Args:
        dt, gt: (D, 4), (G, 4) corners x1, y1, x2, y2.
        dt_area, gt_area: (D,), (G,) areas, given because width x height rounds differently from corners.
        region: (G,) bool.
        eps: added to the denominator.

    Returns:
        (P,) overlaps.
    """
    result = np.zeros(pair_start[-1])
    for cell in range(len(dt_start) - 1):
        p = pair_start[cell]
        for d in range(dt_start[cell], dt_start[cell + 1]):
            for g in range(gt_start[cell], gt_start[cell + 1]):
                width = min(dt[d, 2], gt[g, 2]) - max(dt[d, 0], gt[g, 0])
                height = min(dt[d, 3], gt[g, 3]) - max(dt[d, 1], gt[g, 1])
                if width > 0 and height > 0:
                    inside = width * height
                    whole = dt_area[d] if region[g] else dt_area[d] + gt_area[g] - inside
                    result[p] = inside / (whole + eps)
                p += 1
    return result


@njit(nogil=True, cache=True)
def keypoint_similarities(dt: np.ndarray, gt: np.ndarray, visible: np.ndarray, gt_box: np.ndarray, gt_area: np.ndarray,
                          variance: np.ndarray, dt_start: np.ndarray, gt_start: np.ndarray,
                          pair_start: np.ndarray) -> np.ndarray:
    """Object keypoint similarity, as COCO defines it.

    A person without a labelled joint is compared by the distance of the joints from its box, doubled in size about its
    centre.

    Args:
        dt, gt: (D, K, 2), (G, K, 2) joints in pixels.
        visible: (G, K) bool, labelled joints.
        gt_box: (G, 4) x, y, width, height.
        gt_area: (G,) the squared scale.
        variance: (K,) squares of twice the sigmas.

    Returns:
        (P,) similarities in [0, 1].
    """
    result = np.zeros(pair_start[-1])
    joints = gt.shape[1]
    for cell in range(len(dt_start) - 1):
        p = pair_start[cell]
        for d in range(dt_start[cell], dt_start[cell + 1]):
            for g in range(gt_start[cell], gt_start[cell + 1]):
                total, count = 0.0, 0
                for k in range(joints):
                    if visible[g, k]:
                        dx, dy = dt[d, k, 0] - gt[g, k, 0], dt[d, k, 1] - gt[g, k, 1]
                        count += 1
                        total += np.exp(-((dx * dx + dy * dy) / variance[k] / (gt_area[g] + np.spacing(1.0)) / 2))
                if count == 0:
                    x0, x1 = gt_box[g, 0] - gt_box[g, 2], gt_box[g, 0] + gt_box[g, 2] * 2
                    y0, y1 = gt_box[g, 1] - gt_box[g, 3], gt_box[g, 1] + gt_box[g, 3] * 2
                    count = joints
                    for k in range(joints):
                        dx = max(0.0, x0 - dt[d, k, 0]) + max(0.0, dt[d, k, 0] - x1)
                        dy = max(0.0, y0 - dt[d, k, 1]) + max(0.0, dt[d, k, 1] - y1)
                        total += np.exp(-((dx * dx + dy * dy) / variance[k] / (gt_area[g] + np.spacing(1.0)) / 2))
                result[p] = total / count
                p += 1
    return result


@njit(nogil=True, cache=True)
def match(overlap: np.ndarray, dt_start: np.ndarray, gt_start: np.ndarray, pair_start: np.ndarray, ignored: np.ndarray,
          reusable: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Greedy one-to-one matching in the order of the detections, which must fall by score within a cell.

    A detection takes the free ground truth that it overlaps most (the later one on a tie) and by the threshold at
    least; only without one may it fall on an ignored ground truth.

    Args:
        overlap: (P,).
        ignored: (R, G) bool, for each of R ranges (of size, say) the ground truths that do not count.
        reusable: (G,) bool, ignored ground truths that take any number of detections.
        thresholds: (T,).

    Returns:
        (R, T, D) uint8 outcomes.
    """
    result = np.zeros((len(ignored), len(thresholds), dt_start[-1]), np.uint8)
    taken = np.zeros(gt_start[-1], np.bool_)
    for r in range(len(ignored)):
        for t in range(len(thresholds)):
            taken[:] = False
            for cell in range(len(dt_start) - 1):
                first, last = gt_start[cell], gt_start[cell + 1]
                if first == last:
                    continue
                for d in range(dt_start[cell], dt_start[cell + 1]):
                    p = pair_start[cell] + (d - dt_start[cell]) * (last - first) - first
                    for ignore in (False, True):
                        best, most = -1, min(thresholds[t], 1 - 1e-10)
                        for g in range(first, last):
                            if overlap[p + g] >= most and ignored[r, g] == ignore and (not taken[g] or reusable[g]):
                                best, most = g, overlap[p + g]
                        if best >= 0:
                            taken[best] = True
                            result[r, t, d] = IGNORED if ignore else MATCHED
                            break
    return result
