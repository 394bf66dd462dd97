"""ReID scores by hand; ``test_judges`` has them against fast-reid and torchreid."""
import sys

import numpy as np
import pytest
import torch

from humanbench.errors import UserError
from humanbench.evaluation import ReIDMetric, reid
from humanbench.evaluation.rerank import reranked_distances

from . import seeded


def test_reranked_distances_equal_fast_reid():
    """JDAI-CV/fast-reid @ c9bc3ce, fastreid/evaluation/rerank.py, fed Euclidean distances, which it squares."""
    query, _, _, gallery, ids, _ = seeded.reid(0, False)
    sides = [torch.nn.functional.normalize(torch.from_numpy(x)) for x in (query, gallery[ids != -1])]
    distances = np.concatenate([x.copy() for x in reranked_distances(*sides)])
    assert distances[3, :3] == pytest.approx([0.9233904, 0.93422866, 0.83353597], abs=1e-6)
    assert distances.sum() == pytest.approx(45202.48, rel=1e-6)


def line(*positions: float) -> np.ndarray:
    """Features on a line, where Euclidean distance is plain to see."""
    return np.array(positions, np.float32)[:, None]


def test_by_hand():
    """Ranking of the one query at 0: same camera (left out), distractor, junk (left out), match, other, match."""
    result = reid(line(0), [7], [1], line(1, 2, 3, 4, 5, 6), [7, 0, -1, 7, 8, 7], [1, 1, 1, 2, 2, 2], 'euclidean')
    assert tuple(result) == ReIDMetric.keys
    assert result == pytest.approx({'mAP': (1 / 2 + 2 / 4) / 2, 'mINP': 2 / 4, 'rank1': 0, 'rank5': 1, 'rank10': 1})


def test_equal_distances_rank_in_gallery_order():
    first = reid(line(0), [7], [1], line(3, 3, 3), [7, 8, 9], [2, 2, 2], 'euclidean')
    last = reid(line(0), [7], [1], line(3, 3, 3), [8, 9, 7], [2, 2, 2], 'euclidean')
    assert (first['mAP'], last['mAP']) == (1, pytest.approx(1 / 3))
    same_camera = reid(line(0), [7], [1], line(3, 3, 3), [7, 7, 8], [1, 2, 2], 'euclidean')
    assert same_camera['mAP'] == 1  # an image that is left out takes no place, tied or not


def test_queries_without_a_match_are_skipped():
    one = reid(line(0), [7], [1], line(1, 2), [8, 7], [2, 2], 'euclidean')
    assert reid(line(0, 0, 0), [7, 5, 8], [1, 1, 2], line(1, 2), [8, 7], [2, 2], 'euclidean') == one
    with pytest.raises(UserError, match='no query has a match'):
        reid(line(0), [7], [2], line(1, 2), [8, 7], [2, 2], 'euclidean')


def test_chunks_do_not_change_the_answer(monkeypatch):
    inputs = seeded.reid(0, False)
    whole = reid(*inputs), reid(*inputs, rerank=True)
    for module in ('ranking', 'rerank'):
        monkeypatch.setattr(sys.modules[f'humanbench.evaluation.{module}'], 'CHUNK_BYTES', 4 * 900 * 7)
    assert reid(*inputs) == pytest.approx(whole[0], abs=1e-12)
    assert reid(*inputs, rerank=True) == pytest.approx(whole[1], abs=1e-4)  # another product may round another way


@pytest.mark.parametrize('count', [1, 2, 5, 21, 22])
def test_reranking_of_few_images(count):
    """Fewer images than the neighbours it asks for; identical images, whose distances are all 0."""
    features = np.ones((count, 4), np.float32)
    result = reid(features[:1], [1], [1], features, [1] * count, [2] * count, rerank=True)
    assert result['mAP'] == 1


def test_tensors_and_lists_are_accepted():
    query, query_ids, query_cams, gallery, gallery_ids, gallery_cams = seeded.reid(0, False)
    other = reid(torch.from_numpy(query), query_ids.tolist(), torch.from_numpy(query_cams), torch.from_numpy(gallery),
                 gallery_ids, gallery_cams.astype(np.int32))
    assert other == reid(*seeded.reid(0, False))


BAD = {
    'not a number': (0, np.full((1, 1), np.nan), 'nan at index'),
    'one dimension': (0, np.zeros(3), 'shape'),
    'another length': (3, np.zeros((2, 9)), 'dimensions'),
    'fewer ids': (4, [1], 'expected 2 integers'),
    'ids with a fraction': (1, [1.5], 'integers'),
    'words': (0, [['a']], 'not an array of numbers'),
    'unknown distance': (6, 'cosin', "Did you mean 'cosine'"),
}


@pytest.mark.parametrize('at, value, message', BAD.values(), ids=BAD)
def test_bad_input(at, value, message):
    arguments = [line(0), [7], [1], line(1, 2), [8, 7], [2, 2], 'euclidean']
    arguments[at] = value
    with pytest.raises(UserError, match=message):
        reid(*arguments)
