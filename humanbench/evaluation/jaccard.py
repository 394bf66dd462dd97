"""The Jaccard index of crowded detection: one optimal assignment for every score threshold, all in one pass.

Shapes as in :mod:`~humanbench.evaluation.matching`.
"""
import numpy as np
from numba import njit

SCORES = np.arange(10) * 1e-1
"""Score thresholds; a detection counts above."""


@njit(nogil=True, cache=True)
def _insert(new: int, weight: np.ndarray, row_of: np.ndarray, u: np.ndarray, v: np.ndarray, reach: np.ndarray,
            way: np.ndarray, seen: np.ndarray) -> None:
    """Add one detection to a matching of maximum weight, keeping it one (shortest augmenting path, Jonker and
    Volgenant).

    Column 0 is a place for the new detection; columns 1 .. m are the people. An edge is a weight above 0. The path ends
    at a free person, or at a detection that becomes unmatched, possibly the new one.

    Args:
        new: row of the detection.
        weight: (detections, m).
        row_of: (m + 1,) the detection that holds each person, -1 where free; changed.
        u, v: (detections,), (m + 1,) dual prices; changed.
        reach, way, seen: (m + 1,) work space.
    """
    people = weight.shape[1]
    reach[:] = np.inf
    seen[:] = False
    row_of[0] = new
    u[new] = 0.0
    column, leave_cost, leave = 0, np.inf, 0
    while True:
        seen[column] = True
        row = row_of[column]
        if -u[row] < leave_cost:
            leave_cost, leave = -u[row], column
        step, following = np.inf, -1
        for j in range(1, people + 1):
            if not seen[j]:
                if weight[row, j - 1] > 0 and -weight[row, j - 1] - u[row] - v[j] < reach[j]:
                    reach[j], way[j] = -weight[row, j - 1] - u[row] - v[j], column
                if reach[j] < step:
                    step, following = reach[j], j
        end = leave_cost < step
        if end:
            step = leave_cost
        for j in range(people + 1):
            if seen[j]:
                u[row_of[j]] += step
                v[j] -= step
            else:
                reach[j] -= step
        leave_cost -= step
        column = leave if end else following
        if end or row_of[column] < 0:
            break
    while column != 0:
        row_of[column] = row_of[way[column]]
        column = way[column]
    row_of[0] = -1


@njit(nogil=True, cache=True)
def jaccard(overlap: np.ndarray, among: np.ndarray, ignored: np.ndarray, scores: np.ndarray, dt_start: np.ndarray,
            gt_start: np.ndarray, pair_start: np.ndarray, own_start: np.ndarray,
            thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum over images of matched / (people + detections - matched), for every score threshold.

    The matching maximises the sum of overlaps above 0.5. Unmatched people and detections that lie by more than half in
    an ignore region do not count. Detections enter by falling score and the matching is kept optimal, so the lower
    thresholds go on from the higher ones.

    Args:
        overlap: (P,) of detections with ground truth: IoU with people, share of the own area with ignore regions.
        among: the same of the ground truth with itself, its pairs starting at ``own_start``.
        ignored: (G,).
        scores: (D,) falling within an image.
        thresholds: (T,) rising.

    Returns:
        (T,) sums, (T,) numbers of images with anything that counts.
    """
    sums, counted = np.zeros(len(thresholds)), np.zeros(len(thresholds))
    for cell in range(len(dt_start) - 1):
        first, last = gt_start[cell], gt_start[cell + 1]
        people = np.flatnonzero(~ignored[first:last])
        regions = np.flatnonzero(ignored[first:last])
        size, m, n = last - first, len(people), dt_start[cell + 1] - dt_start[cell]
        weight = np.zeros((n, m))
        in_region = np.zeros(n, np.bool_)
        linked = np.zeros(n, np.bool_)
        for d in range(n):
            at = pair_start[cell] + d * size
            for j in range(m):
                if overlap[at + people[j]] > 0.5:
                    weight[d, j] = overlap[at + people[j]]
                    linked[d] = True
            for g in regions:
                in_region[d] |= overlap[at + g] > 0.5
        hidden = np.zeros(m, np.bool_)
        for j in range(m):
            for g in regions:
                hidden[j] |= among[own_start[cell] + people[j] * size + g] > 0.5

        row_of, way = np.full(m + 1, -1), np.zeros(m + 1, np.int64)
        u, v, reach, seen = np.zeros(n), np.zeros(m + 1), np.zeros(m + 1), np.zeros(m + 1, np.bool_)
        d, regional = 0, 0
        for t in range(len(thresholds) - 1, -1, -1):
            while d < n and scores[dt_start[cell] + d] > thresholds[t]:
                regional += in_region[d]
                if linked[d]:
                    _insert(d, weight, row_of, u, v, reach, way, seen)
                d += 1
            matched, excused, claimed = 0, 0, 0
            for j in range(m):
                if row_of[j + 1] >= 0:
                    matched += 1
                    claimed += in_region[row_of[j + 1]]
                else:
                    excused += hidden[j]
            wanted, given = m - excused, d - (regional - claimed)
            sums[t] += matched / (wanted + given - matched + 1e-6)
            counted[t] += wanted != 0 or given != 0
    return sums, counted
