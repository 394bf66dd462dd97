"""Nearest neighbours among 64-bit hashes by multi-index hashing (Norouzi et al., CVPR 2012).

Two hashes that differ in at most r bits agree in at least one of r + 1 parts. So for each part the base is sorted by
it, and a query is compared only with those that agree there.
"""
import numpy as np
from numba import njit

NEIGHBOURS = 4  # kept of each query
_NONE = 65


def nearest(queries: np.ndarray, base: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest hashes of every query, up to :data:`NEIGHBOURS` of them.

    Args:
        queries: (q,) int64.
        base: (n,) int64.
        radius: largest number of bits in which neighbours may differ.

    Returns:
        Places in the base (q, 4) int64, nearest first, -1 where there is none; and in how many bits they differ.
    """
    assert 0 <= radius < 16, 'beyond that the parts are too short to sort by'
    found = np.full((len(queries), NEIGHBOURS), -1, np.int64)
    distances = np.full((len(queries), NEIGHBOURS), _NONE, np.int64)
    queries, base = (np.ascontiguousarray(x).view(np.uint64) for x in (queries, base))
    edges = np.linspace(0, 64, radius + 2).round().astype(int)
    for low, high in zip(edges[:-1], edges[1:]):
        width = min(high - low, 22)  # longer parts gain nothing; the table of places would
        parts = [((x >> np.uint64(low)) & np.uint64((1 << int(width)) - 1)).astype(np.uint32) for x in (queries, base)]
        order = np.argsort(parts[1], kind='stable')
        starts = np.zeros((1 << int(width)) + 1, np.int64)
        np.cumsum(np.bincount(parts[1], minlength=1 << int(width)), out=starts[1:])
        _search(queries, parts[0], base[order], order, starts, radius, found, distances)
    return found, distances


@njit(cache=True, nogil=True)
def _search(queries, parts, base, order, starts, radius, found, distances):
    for q in range(len(queries)):
        for i in range(starts[parts[q]], starts[parts[q] + 1]):
            x = queries[q] ^ base[i]
            x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
            x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
            x = (x + (x >> np.uint64(4))) & np.uint64(0x0f0f0f0f0f0f0f0f)
            distance = np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))
            if distance <= radius and distance < distances[q, -1]:
                _insert(found[q], distances[q], order[i], distance)


@njit(cache=True, nogil=True)
def _insert(found, distances, place, distance):
    """Put a neighbour where it belongs, unless another part has found it before."""
    for k in range(len(found)):
        if found[k] == place:
            return
    k = len(found) - 1
    while k > 0 and distances[k - 1] > distance:
        found[k], distances[k] = found[k - 1], distances[k - 1]
        k -= 1
    found[k], distances[k] = place, distance
