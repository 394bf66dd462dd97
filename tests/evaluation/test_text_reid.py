"""Text-to-image scores by their definition, written a second time and slowly; ``test_judges`` has them against IRRA."""
import sys

import numpy as np
import pytest
import torch

from humanbench.errors import UserError
from humanbench.evaluation import TextReIDMetric, text_to_image

from . import seeded


def by_definition(texts, text_ids, images, image_ids) -> dict[str, float]:
    """One caption and one image after the other."""
    texts, images = (x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (texts, images))
    similarity = (torch.from_numpy(texts) @ torch.from_numpy(images).T).numpy()  # the same product: ties are ties
    hits, plain, areas = [], [], []
    for row, person in zip(similarity, text_ids):
        right = [image_ids[i] == person for i in sorted(range(len(images)), key=lambda i: (-row[i], i))]
        if not any(right):
            continue
        hits.append([any(right[:k]) for k in (1, 5, 10)])
        precision = [sum(right[:n]) / n for n in range(1, len(right) + 1)]
        recall = [sum(right[:n]) / sum(right) for n in range(1, len(right) + 1)]
        plain.append(sum(p for p, x in zip(precision, right) if x) / sum(right))
        areas.append(np.trapezoid([1, *precision], [0, *recall]))
    return dict(zip(('rank1', 'rank5', 'rank10'), np.mean(hits, 0))) | {
        'mAP': np.mean(plain), 'mAP_trapezoid': np.mean(areas)}


@pytest.mark.parametrize('tied', [False, True])
@pytest.mark.parametrize('seed', [0, 1])
def test_as_defined(seed, tied):
    inputs = seeded.text_reid(seed, tied, absent=True)
    assert text_to_image(*inputs) == pytest.approx(by_definition(*inputs), abs=1e-6)


def test_by_hand():
    """Two captions of person 7 (one finds at rank 2 and 3, one at 1 and 3), one of person 0, who is no distractor."""
    images, ids = np.eye(3, dtype=np.float32), [7, 7, 0]
    texts = np.array([[.4, .3, .5], [.5, .3, .4], [.1, .2, .3]], np.float32)
    result = text_to_image(texts, [7, 7, 0], images, ids)
    assert tuple(result) == TextReIDMetric.keys
    plain = [(1 / 2 + 2 / 3) / 2, (1 + 2 / 3) / 2, 1]
    before = [(0 + 1 / 2) / 2, (1 + 1 / 2) / 2, 1]
    assert result == pytest.approx({
        'rank1': 2 / 3, 'rank5': 1, 'rank10': 1, 'mAP': np.mean(plain),
        'mAP_trapezoid': (np.mean(plain) + np.mean(before)) / 2})


def test_equal_similarities_rank_in_the_order_of_the_images():
    same = np.ones((3, 2), np.float32)
    assert text_to_image(same[:1], [5], same, [5, 6, 7])['mAP'] == 1
    assert text_to_image(same[:1], [5], same, [6, 7, 5])['mAP'] == pytest.approx(1 / 3)


def test_nothing_is_left_out_of_a_ranking():
    """Neither the image that a caption was written for nor what other protocols call junk (id -1)."""
    eye = np.eye(2, dtype=np.float32)
    assert text_to_image(eye[:1], [3], eye, [3, 4])['rank1'] == 1
    assert text_to_image(eye[:1], [3], eye, [-1, 3])['rank1'] == 0


def test_a_caption_of_a_person_without_an_image_is_skipped():
    texts, text_ids, images, image_ids = seeded.text_reid(0, False)
    more = np.concatenate([texts, texts[:4]]), np.concatenate([text_ids, [999] * 4])
    assert text_to_image(*more, images, image_ids) == text_to_image(texts, text_ids, images, image_ids)
    with pytest.raises(UserError, match='no caption is of a person with an image'):
        text_to_image(texts, np.full(len(texts), 999), images, image_ids)


def test_shuffled_people_score_by_chance():
    """The negative control: features say nothing of people who were exchanged."""
    texts, text_ids, images, image_ids = seeded.text_reid(0, False)
    own = text_to_image(texts, text_ids, images, image_ids)
    other = text_to_image(texts, np.random.default_rng(0).permutation(text_ids), images, image_ids)
    chance = np.mean([(image_ids == person).mean() for person in text_ids])
    assert own['rank1'] > 0.5 and other['rank1'] < 3 * chance + 0.03 and other['mAP'] < own['mAP'] / 3


def test_length_does_not_matter_and_neither_does_the_kind_of_array():
    texts, text_ids, images, image_ids = seeded.text_reid(0, False)
    expected = text_to_image(texts, text_ids, images, image_ids)
    assert text_to_image(8 * texts, text_ids.tolist(), torch.from_numpy(images / 4), torch.from_numpy(
        image_ids)) == expected


def test_chunks_do_not_change_the_answer(monkeypatch):
    inputs = seeded.text_reid(0, False)  # without ties: their last bit is up to the product, and to its threads
    whole = text_to_image(*inputs)
    monkeypatch.setattr(sys.modules['humanbench.evaluation.ranking'], 'CHUNK_BYTES', 4 * len(inputs[2]) * 7)
    assert text_to_image(*inputs) == pytest.approx(whole, abs=1e-12)


BAD = {
    'not a number': (0, np.full((1, 2), np.nan), 'text features: nan at index'),
    'another space': (2, np.zeros((2, 9)), 'dimensions'),
    'fewer ids': (3, [1], 'expected 2 integers'),
    'ids with a fraction': (1, [1.5], 'integers'),
    'words': (0, [['a', 'b']], 'not an array of numbers'),
}


@pytest.mark.parametrize('at, value, message', BAD.values(), ids=BAD)
def test_bad_input(at, value, message):
    arguments = [np.ones((1, 2)), [7], np.ones((2, 2)), [8, 7]]
    arguments[at] = value
    with pytest.raises(UserError, match=message):
        text_to_image(*arguments)
