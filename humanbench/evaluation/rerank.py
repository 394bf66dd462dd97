"""k-reciprocal re-ranking (Zhong et al., CVPR 2017), sparse: memory grows with neighbours, not with the square of the
images.

Shapes: N images (queries first, then gallery), Q queries, k neighbours kept of each.
"""
from collections.abc import Iterator

import numpy as np
import torch
from numba import njit

CHUNK_BYTES = 64 * 2 ** 20


@njit(nogil=True, cache=True)
def _nearest(distances: np.ndarray, neighbours: np.ndarray, farthest: np.ndarray) -> None:
    """The k nearest of each row, nearest first, equal ones in order of index; and the largest distance of the row."""
    k = neighbours.shape[1]
    best = np.empty(k, np.float32)
    for i in range(len(distances)):
        best[:] = np.inf
        most, worst = np.float32(0), np.float32(np.inf)
        for j in range(distances.shape[1]):
            d = distances[i, j]
            most = max(most, d)
            if d < worst:
                at = k - 1
                while at > 0 and best[at - 1] > d:
                    best[at], neighbours[i, at] = best[at - 1], neighbours[i, at - 1]
                    at -= 1
                best[at], neighbours[i, at] = d, j
                worst = best[k - 1]
        farthest[i] = most


@njit(nogil=True, cache=True, fastmath=True)
def _squared_distance(a: np.ndarray, b: np.ndarray) -> float:
    total = np.float32(0)
    for c in range(len(a)):
        total += (a[c] - b[c]) * (a[c] - b[c])
    return total


@njit(nogil=True, cache=True)
def _reciprocal(i: int, neighbours: np.ndarray, k: int, found: np.ndarray) -> int:
    """Write those of the k nearest of i that have i among their own k nearest; return how many."""
    count = 0
    for candidate in neighbours[i, :k]:
        for back in neighbours[candidate, :k]:
            if back == i:
                found[count] = candidate
                count += 1
                break
    return count


@njit(nogil=True, cache=True)
def _encode(features: np.ndarray, neighbours: np.ndarray, farthest: np.ndarray, k1: int) -> tuple:
    """Each image as weights over its k-reciprocal neighbours, expanded by theirs: CSR (start, index, weight)."""
    n = len(features)
    full, half = min(k1 + 1, neighbours.shape[1]), min(int(np.around(k1 / 2)) + 1, neighbours.shape[1])
    own, others = np.empty(full, np.int64), np.empty(half, np.int64)
    in_own, taken = np.full(n, -1), np.full(n, -1)  # marked with i: no clearing between images
    start = np.zeros(n + 1, np.int64)
    index, weight = np.empty(n * full * 2, np.int32), np.empty(n * full * 2, np.float32)
    for i in range(n):
        count = _reciprocal(i, neighbours, full, own)
        if start[i] + full * (half + 1) > len(index):
            index = np.concatenate((index, np.empty(len(index), np.int32)))
            weight = np.concatenate((weight, np.empty(len(weight), np.float32)))
        end = start[i]
        for c in own[:count]:
            in_own[c], taken[c], index[end] = i, i, c
            end += 1
        for c in own[:count]:
            size = _reciprocal(c, neighbours, half, others)
            shared = 0
            for o in others[:size]:
                shared += in_own[o] == i
            if shared > 2 / 3 * size:
                for o in others[:size]:
                    if taken[o] != i:
                        taken[o], index[end] = i, o
                        end += 1
        total = 0.0
        for p in range(start[i], end):
            weight[p] = np.exp(-_squared_distance(features[i], features[index[p]]) / farthest[i])
            total += weight[p]
        for p in range(start[i], end):
            weight[p] /= total
        start[i + 1] = end
    return start, index[:end], weight[:end]


@njit(nogil=True, cache=True)
def _expand(start: np.ndarray, index: np.ndarray, weight: np.ndarray, neighbours: np.ndarray, k2: int) -> tuple:
    """Mean of the encodings of each image's k2 nearest (itself among them): CSR again."""
    n = len(start) - 1
    k2 = min(k2, neighbours.shape[1])
    sums, touched = np.zeros(n, np.float32), np.empty(n, np.int32)
    new_start = np.zeros(n + 1, np.int64)
    new_index, new_weight = np.empty(2 * len(index) + n, np.int32), np.empty(2 * len(index) + n, np.float32)
    for i in range(n):
        count = 0
        for j in neighbours[i, :k2]:
            for p in range(start[j], start[j + 1]):
                if sums[index[p]] == 0:
                    touched[count] = index[p]
                    count += 1
                sums[index[p]] += weight[p]
        end = new_start[i] + count
        if end > len(new_index):
            new_index = np.concatenate((new_index, np.empty(len(new_index) + count, np.int32)))
            new_weight = np.concatenate((new_weight, np.empty(len(new_weight) + count, np.float32)))
        for c in range(count):
            new_index[new_start[i] + c] = touched[c]
            new_weight[new_start[i] + c] = sums[touched[c]] / np.float32(k2)
            sums[touched[c]] = 0
        new_start[i + 1] = end
    return new_start, new_index[:end], new_weight[:end]


@njit(nogil=True, cache=True)
def _transpose(start: np.ndarray, index: np.ndarray, weight: np.ndarray) -> tuple:
    """CSR of the transposed matrix: for each image, who has it among its neighbours."""
    n = len(start) - 1
    new_start = np.zeros(n + 1, np.int64)
    for j in index:
        new_start[j + 1] += 1
    new_start = np.cumsum(new_start)
    at = new_start[:-1].copy()
    new_index, new_weight = np.empty_like(index), np.empty_like(weight)
    for i in range(n):
        for p in range(start[i], start[i + 1]):
            q = at[index[p]]
            new_index[q], new_weight[q] = i, weight[p]
            at[index[p]] += 1
    return new_start, new_index, new_weight


@njit(nogil=True, cache=True)
def _blend(distances: np.ndarray, first: int, queries: int, farthest: np.ndarray, rows: tuple, columns: tuple,
           share: float) -> None:
    """Turn distances of queries to the gallery into share x distance + (1 - share) x Jaccard distance, in place."""
    start, index, weight = rows
    col_start, col_index, col_weight = columns
    overlap = np.zeros(len(start) - 1, np.float32)
    for i in range(len(distances)):
        query = first + i
        overlap[:] = 0
        for p in range(start[query], start[query + 1]):
            for q in range(col_start[index[p]], col_start[index[p] + 1]):
                overlap[col_index[q]] += min(weight[p], col_weight[q])
        for j in range(distances.shape[1]):
            common = overlap[queries + j]
            jaccard = 1 - common / (2 - common)
            distances[i, j] = jaccard * (1 - share) + distances[i, j] / farthest[query] * share


def _distance_chunks(rows: torch.Tensor, columns: torch.Tensor) -> Iterator[np.ndarray]:
    """Squared Euclidean distances of some rows at a time."""
    step = max(1, CHUNK_BYTES // (4 * len(columns)))
    buffer = torch.empty(min(step, len(rows)), len(columns))
    norms = columns.square().sum(1)
    for start in range(0, len(rows), step):
        part = rows[start:start + step]
        product = torch.mm(part, columns.T, out=buffer[:len(part)])
        yield product.mul_(-2).add_(norms).add_(part.square().sum(1, keepdim=True)).clamp_(min=0).numpy()


def reranked_distances(query: torch.Tensor, gallery: torch.Tensor, k1: int = 20, k2: int = 6,
                       share: float = 0.3) -> Iterator[np.ndarray]:
    """Distances of queries to the gallery after k-reciprocal re-ranking, some queries at a time.

    The original distance is the squared Euclidean one, each image's divided by its largest, as in the authors' code; of
    normalised features that is the cosine distance.

    Args:
        query, gallery: (Q, C), (N - Q, C) float32.
        k1, k2: neighbours that vote, neighbours that are averaged.
        share: of the original distance (lambda).

    Yields:
        (rows, N - Q) float32, valid until the next.
    """
    everyone = torch.cat([query, gallery])
    n = len(everyone)
    neighbours, farthest = np.zeros((n, min(k1 + 1, n)), np.int32), np.empty(n, np.float32)
    start = 0
    for distances in _distance_chunks(everyone, everyone):
        part = slice(start, start + len(distances))
        _nearest(distances, neighbours[part], farthest[part])
        start = part.stop
    np.maximum(farthest, np.finfo(np.float32).tiny, out=farthest)  # all images alike: no division by 0
    rows = _encode(everyone.numpy(), neighbours, farthest, k1)
    if k2 > 1:
        rows = _expand(*rows, neighbours, k2)
    columns = _transpose(*rows)
    start = 0
    for distances in _distance_chunks(query, gallery):
        _blend(distances, start, len(query), farthest, rows, columns, share)
        yield distances
        start += len(distances)
