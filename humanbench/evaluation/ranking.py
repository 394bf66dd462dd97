"""What retrieval metrics share: galleries ranked for queries by the similarity of features, in memory that does not
grow with the two together."""
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import ArrayLike

from ..errors import UserError
from .inputs import array
from .metric import numpy

CHUNK_BYTES = 64 * 2 ** 20
"""Of the score matrix held at a time: large enough for a full-speed matrix product, small beside the features."""


class Side(NamedTuple):
    """Queries or gallery.

    Attributes:
        features: (n, C) float32.
        ids: (n,) who it is.
        cams: (n,) seen by which camera: a query and an image of its own person and camera are not compared.
    """
    features: torch.Tensor
    ids: np.ndarray
    cams: np.ndarray


class Ranked(NamedTuple):
    """How each query with a match found its matches; all (q,).

    Attributes:
        precision: average precision, the plain mean of the precisions at the matches.
        trapezoid: average precision as the area below the curve of precision over recall, by trapezoids that begin at
            a precision of 1.
        penalty: inverse negative penalty: matches over the rank of the last one.
        first: rank of the first match, from 0.
    """
    precision: np.ndarray
    trapezoid: np.ndarray
    penalty: np.ndarray
    first: np.ndarray

    def shares(self, ranks: Iterable[int] = (1, 5, 10)) -> dict[str, float]:
        """The share of queries with a match among the first so many: ``rank1`` ..."""
        return {f'rank{k}': float((self.first < k).mean()) for k in ranks}


@njit(nogil=True, cache=True)
def _ahead(row: np.ndarray, match: int) -> int:
    """How many of a gallery rank before a match: a higher score, or the same one earlier.

    Loops over whole slices, counting in 32 bits: the compiler turns these into SIMD, and half the work of a ranking is
    here.
    """
    score, before, after = row[match], row[:match], row[match + 1:]
    count = np.int32(0)
    for g in range(len(before)):
        count = np.int32(count + np.int32(before[g] >= score))
    for g in range(len(after)):
        count = np.int32(count + np.int32(after[g] > score))
    return count


@njit(nogil=True, cache=True)
def _rank_matches(scores: np.ndarray, query_cams: np.ndarray, gallery_cams: np.ndarray, order: np.ndarray,
                  first: np.ndarray, last: np.ndarray, result: np.ndarray) -> None:
    """What :class:`Ranked` holds of each query.

    Nothing is sorted but the ranks of the few matches, each of which is counted: those that score higher, and those
    earlier in the gallery that score the same.

    Args:
        scores: (q, G) higher is nearer.
        order: (G,) gallery sorted by identity; ``first``, ``last``: (q,) where the query's own lies in it.
        result: (q, 4) filled with the fields of :class:`Ranked`; -1 where a query has no match.
    """
    for q in range(len(scores)):
        row = scores[q]
        own = order[first[q]:last[q]]
        same_camera = gallery_cams[own] == query_cams[q]
        left_out, matches = own[same_camera], own[~same_camera]
        if len(matches) == 0:
            result[q] = -1
            continue
        ranks = np.empty(len(matches), np.int64)
        for j, match in enumerate(matches):
            ranks[j] = _ahead(row, match)
            for g in left_out:
                ranks[j] -= row[g] > row[match] or (row[g] == row[match] and g < match)
        ranks.sort()
        found = np.arange(len(ranks))
        precision = ((found + 1) / (ranks + 1)).mean()
        before = 0.0  # precision just before each match: 1 where nothing is before it
        for j in range(len(ranks)):
            before += found[j] / ranks[j] if ranks[j] else 1.0
        result[q, 0] = precision
        result[q, 1] = (precision + before / len(ranks)) / 2
        result[q, 2] = len(ranks) / (ranks[-1] + 1)
        result[q, 3] = ranks[0]


def side(features: ArrayLike, ids: ArrayLike, cams: ArrayLike, what: str) -> Side:
    """One side, checked.

    Args:
        features: (n, C).
        ids: (n,) integers.
        cams: (n,) integers.
        what: it is, for messages.

    Raises:
        UserError: shapes that do not fit, features that are not finite, ids that are not integers.
    """
    if isinstance(features, torch.Tensor):
        features = numpy(features)
    features = np.ascontiguousarray(array(features, f'{what} features', (None, None), np.float32))
    labels = []
    for values, kind in ((numpy(ids), 'ids'), (numpy(cams), 'cameras')):
        if values.shape != (len(features),) or (values.dtype.kind not in 'iu' and len(values)):
            raise UserError(f'{what} {kind}: {values.dtype} of shape {values.shape}; expected {len(features)} '
                            'integers, one for each feature.')
        labels.append(values.astype(np.int64))
    return Side(torch.from_numpy(features), *labels)


def score_chunks(query: torch.Tensor, gallery: torch.Tensor, distance: str) -> Iterator[np.ndarray]:
    """Scores (q, G), higher is nearer, of some queries at a time.

    Euclidean: minus half the squared distance, without the query's own norm, which is the same for all of its gallery.
    """
    rows = max(1, CHUNK_BYTES // (4 * max(1, len(gallery))))
    buffer = torch.empty(min(rows, len(query)), len(gallery))
    half_norm = gallery.square().sum(1).div_(2) if distance == 'euclidean' else None
    for start in range(0, len(query), rows):
        part = query[start:start + rows]
        scores = torch.mm(part, gallery.T, out=buffer[:len(part)])
        if half_norm is not None:
            scores.sub_(half_norm)
        yield scores.numpy()


def rank(query: Side, gallery: Side, chunks: Iterable[np.ndarray]) -> Ranked:
    """Where each query that has a match finds its matches; equal scores rank in gallery order.

    Args:
        chunks: scores (q, G) of some queries after the other, higher is nearer.
    """
    order = np.argsort(gallery.ids, kind='stable')
    first, last = (np.searchsorted(gallery.ids[order], query.ids, side) for side in ('left', 'right'))
    result, start = np.empty((len(query.ids), len(Ranked._fields))), 0
    workers = torch.get_num_threads()
    with ThreadPoolExecutor(workers) as pool:
        for scores in chunks:
            edges = np.linspace(0, len(scores), workers + 1).astype(int)
            jobs = [pool.submit(_rank_matches, scores[low:high], query.cams[start + low:start + high], gallery.cams,
                                order, first[start + low:start + high], last[start + low:start + high],
                                result[start + low:start + high]) for low, high in pairwise(edges)]
            for job in jobs:
                job.result()
            start += len(scores)
    return Ranked(*result[result[:, 0] >= 0].T)
