"""Person re-identification: mAP, mINP and the matching characteristic by the Market-1501 protocol."""
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import ArrayLike

from ..errors import UserError, unknown_name
from ..registry import METRICS
from .inputs import array
from .metric import HumanMetric, numpy, sample_field
from .rerank import reranked_distances

JUNK = -1
DISTANCES = ('cosine', 'euclidean')
CHUNK_BYTES = 64 * 2 ** 20
"""Of the score matrix held at a time: large enough for a full-speed matrix product, small beside the features."""


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
    """Average precision, inverse negative penalty and rank of the first match of each query.

    Nothing is sorted but the ranks of the few matches, each of which is counted: those that score higher, and those
    earlier in the gallery that score the same.

    Args:
        scores: (q, G) higher is nearer.
        order: (G,) gallery sorted by identity; ``first``, ``last``: (q,) where the query's own lies in it.
        result: (q, 3) filled with AP, INP, first rank (from 0); -1 where a query has no match.
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
        result[q, 0] = (np.arange(1, len(ranks) + 1) / (ranks + 1)).mean()
        result[q, 1] = len(ranks) / (ranks[-1] + 1)
        result[q, 2] = ranks[0]


class _Side(NamedTuple):
    """Query or gallery."""
    features: torch.Tensor
    ids: np.ndarray
    cams: np.ndarray


def _side(features: ArrayLike, ids: ArrayLike, cams: ArrayLike, what: str) -> _Side:
    """Checked: float32 features, int64 labels."""
    if isinstance(features, torch.Tensor):
        features = numpy(features)
    features = np.ascontiguousarray(array(features, f'reid {what} features', (None, None), np.float32))
    labels = []
    for values, kind in ((numpy(ids), 'ids'), (numpy(cams), 'cameras')):
        if values.shape != (len(features),) or (values.dtype.kind not in 'iu' and len(values)):
            raise UserError(f'reid {what} {kind}: {values.dtype} of shape {values.shape}; expected {len(features)} '
                            'integers, one for each feature.')
        labels.append(values.astype(np.int64))
    return _Side(torch.from_numpy(features), *labels)


def _without_junk(side: _Side) -> _Side:
    kept = np.flatnonzero(side.ids != JUNK)
    return side if len(kept) == len(side.ids) else _Side(
        side.features[torch.from_numpy(kept)], side.ids[kept], side.cams[kept])


def _score_chunks(query: torch.Tensor, gallery: torch.Tensor, distance: str) -> Iterator[np.ndarray]:
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


def reid(query_features: ArrayLike, query_ids: ArrayLike, query_cams: ArrayLike, gallery_features: ArrayLike,
         gallery_ids: ArrayLike, gallery_cams: ArrayLike, distance: str = 'cosine',
         rerank: bool = False) -> dict[str, float]:
    """Single-query retrieval scores of the Market-1501 protocol (Zheng et al., 2015; mINP: Ye et al., 2021).

    For each query, gallery images of the same person *and* camera are left out, and so are junk images (id -1).
    Distractors (id 0, which no query has) stay and are wrong. A query without any match is skipped. Equal distances
    rank in gallery order.

    Args:
        query_features, gallery_features: (q, C), (g, C); computed in float32.
        query_ids, query_cams, gallery_ids, gallery_cams: integers (q,), (q,), (g,), (g,).
        distance: ``cosine`` or ``euclidean``.
        rerank: k-reciprocal re-ranking (Zhong et al., 2017) with k1 20, k2 6, lambda 0.3.

    Returns:
        ``mAP``, ``mINP`` and the share of queries with a match among the first 1, 5 and 10: ``rank1 rank5 rank10``.

    Raises:
        UserError: shapes that do not fit, features that are not finite, ids that are not integers, no query with a
            match.
    """
    if distance not in DISTANCES:
        raise unknown_name('distance', distance, DISTANCES)
    query = _side(query_features, query_ids, query_cams, 'query')
    gallery = _without_junk(_side(gallery_features, gallery_ids, gallery_cams, 'gallery'))
    if query.features.shape[1] != gallery.features.shape[1]:
        raise UserError(f'reid: query features have {query.features.shape[1]} dimensions, gallery features '
                        f'{gallery.features.shape[1]}.')
    vectors = [query.features, gallery.features]
    if distance == 'cosine':
        vectors = [torch.nn.functional.normalize(x) for x in vectors]

    order = np.argsort(gallery.ids, kind='stable')
    first, last = (np.searchsorted(gallery.ids[order], query.ids, side) for side in ('left', 'right'))
    chunks = (-x for x in reranked_distances(*vectors)) if rerank else _score_chunks(*vectors, distance)
    result, start = np.empty((len(query.ids), 3)), 0
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
    return _summary(result[result[:, 0] >= 0])


def _summary(result: np.ndarray) -> dict[str, float]:
    if not len(result):
        raise UserError('reid: no query has a match under another camera in the gallery; nothing to score.')
    precision, penalty, first = result.T
    return {'mAP': float(precision.mean()), 'mINP': float(penalty.mean()),
            **{f'rank{k}': float((first < k).mean()) for k in (1, 5, 10)}}


@METRICS.register_module()
class ReIDMetric(HumanMetric):
    """:func:`reid` of ``pred_feature``, ``pid`` and ``camid`` of query and gallery, which are tested as one dataset.

    Args:
        num_queries: the first so many samples are queries. None goes by the samples' ``split``, ``query`` or
            ``gallery``.
        distance, rerank: as in :func:`reid`.
        kwargs: of :class:`~humanbench.evaluation.metric.HumanMetric`.
    """
    function = 'reid'
    ranked = ('mAP', True)
    keys = ('mAP', 'mINP', 'rank1', 'rank5', 'rank10')

    def __init__(self, num_queries: int | None = None, distance: str = 'cosine', rerank: bool = False,
                 **kwargs) -> None:
        super().__init__(**kwargs)
        self.num_queries = num_queries
        self.distance = distance
        self.rerank = rerank

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            is_query = None if self.num_queries is not None else sample_field(sample, 'split', 'ReIDMetric') == 'query'
            self.results.append((is_query, numpy(sample_field(sample, 'pred_feature', 'ReIDMetric')).astype(np.float32),
                                 int(sample_field(sample, 'pid', 'ReIDMetric')),
                                 int(sample_field(sample, 'camid', 'ReIDMetric'))))

    def compute_metrics(self, results: list) -> dict[str, float]:
        is_query, features, ids, cams = (np.array(x) for x in zip(*results))
        if self.num_queries is not None:
            is_query = np.arange(len(ids)) < self.num_queries
        sides = [part for side in (is_query, ~is_query) for part in (features[side], ids[side], cams[side])]
        return reid(*sides, self.distance, self.rerank)
