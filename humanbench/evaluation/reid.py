"""Person re-identification: mAP, mINP and the matching characteristic by the Market-1501 protocol."""
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from ..errors import UserError, unknown_name
from ..registry import METRICS
from .metric import HumanMetric, numpy, sample_field
from .ranking import Side, rank, score_chunks, side
from .rerank import reranked_distances

JUNK = -1
DISTANCES = ('cosine', 'euclidean')


def _without_junk(side: Side) -> Side:
    kept = np.flatnonzero(side.ids != JUNK)
    return side if len(kept) == len(side.ids) else Side(
        side.features[torch.from_numpy(kept)], side.ids[kept], side.cams[kept])


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
    query = side(query_features, query_ids, query_cams, 'reid query')
    gallery = _without_junk(side(gallery_features, gallery_ids, gallery_cams, 'reid gallery'))
    if query.features.shape[1] != gallery.features.shape[1]:
        raise UserError(f'reid: query features have {query.features.shape[1]} dimensions, gallery features '
                        f'{gallery.features.shape[1]}.')
    vectors = [query.features, gallery.features]
    if distance == 'cosine':
        vectors = [torch.nn.functional.normalize(x) for x in vectors]

    chunks = (-x for x in reranked_distances(*vectors)) if rerank else score_chunks(*vectors, distance)
    ranked = rank(query, gallery, chunks)
    if not len(ranked.first):
        raise UserError('reid: no query has a match under another camera in the gallery; nothing to score.')
    return {'mAP': float(ranked.precision.mean()), 'mINP': float(ranked.penalty.mean()), **ranked.shares()}


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
