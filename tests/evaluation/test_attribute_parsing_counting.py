"""Attributes, parsing and counting by hand; ``test_judges`` has them against public evaluators."""
import numpy as np
import pytest

from humanbench.errors import UserError
from humanbench.evaluation import AttributeMetric, ParsingMetric, attributes, confusion_matrix, counting, parsing

from . import seeded


def test_attributes_by_hand():
    result = attributes([[1, 0], [1, 1], [0, 0]], [[0.9, 0.9], [0.1, 0.8], [0.2, 0.5]])
    mean_accuracy = ((1 / 2 + 1) / 2 + (1 + 1 / 2) / 2) / 2
    assert result == pytest.approx({
        'mA': mean_accuracy, 'mA_present': mean_accuracy, 'accuracy': (1 / 2 + 1 / 2 + 0) / 3,
        'precision': (1 / 2 + 1 + 0) / 3, 'recall': (1 + 1 / 2 + 0) / 3, 'f1': 0.5,
        'f1_per_image': (2 / 3 + 2 / 3 + 0) / 3})
    assert tuple(result) == AttributeMetric.keys


def test_attributes_that_are_always_or_never_there_are_in_one_mean_and_not_in_the_other():
    labels = np.array([[1, 1, 0, -1], [0, 1, 0, -1], [0, 1, 0, 1], [-1, 1, -1, -1]])
    scores = np.array([[0.9] * 4, [0.1] * 4, [0.8, 0.9, 0.1, 0.9], [0.5] * 4])
    result = attributes(labels, scores)
    assert result['mA_present'] == pytest.approx((1 + 1 / 2) / 2)
    assert result['mA'] == pytest.approx(((1 + 1 / 2) / 2 + (2 / 4) / 2 + (2 / 3) / 2 + 1 / 2) / 4)
    assert np.isnan(attributes(labels[:, 1:], scores[:, 1:])['mA_present'])


def test_unknown_labels_count_nowhere():
    labels, scores = seeded.attributes(0)
    hidden = np.random.default_rng(0).uniform(size=labels.shape) < 0.3
    masked = np.where(hidden, -1, labels)
    result = attributes(masked, scores)
    assert attributes(masked, np.where(hidden, 1 - scores, scores)) == result
    assert attributes(masked, scores) != attributes(labels, scores)
    more = attributes(np.pad(masked, ((0, 3), (0, 2)), constant_values=-1), np.pad(scores, ((0, 3), (0, 2))))
    assert more == pytest.approx(result, abs=1e-12)  # images and attributes about which nothing is known


@pytest.mark.parametrize('labels, scores, message', [
    ([[1, 0]], [[0.1, np.nan]], 'nan'), ([[1, 0]], [[0.1]], 'shape'), ([[2, 0]], [[0.1, 0.2]], 'expected 1'),
    ([[-1, -1]], [[0.1, 0.2]], 'nothing is labelled'), ([1, 0], [0.1, 0.2], 'shape'), ([[1]], [['x']], 'numbers')])
def test_attributes_bad_input(labels, scores, message):
    with pytest.raises(UserError, match=message):
        attributes(labels, scores)


@pytest.mark.parametrize('dtype', [np.int16, np.int32, np.int64, np.uint16])
def test_the_type_of_the_labels_does_not_matter(dtype):
    labels, predictions = seeded.parsing(2)
    confusion = confusion_matrix(labels.astype(dtype), predictions.astype(dtype), 20)
    assert confusion.dtype == np.int64 and confusion.sum() == (labels != 255).sum()
    assert (confusion == confusion_matrix(labels, predictions, 20)).all()


def test_confusion_matrix_by_hand():
    confusion = confusion_matrix([[0, 1, 1], [2, 255, 0]], [[0, 1, 2], [2, 77, 1]], 4)
    assert confusion.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert parsing(confusion) == pytest.approx({
        'mIoU': (1 / 2 + 1 / 3 + 1 / 2 + 0) / 4, 'mIoU_present': (1 / 2 + 1 / 3 + 1 / 2) / 3,
        'mean_accuracy': (1 / 2 + 1 / 2 + 1 + 0) / 4, 'pixel_accuracy': 3 / 5,
        'mean_precision': (1 + 1 / 2 + 1 / 2) / 3})
    assert tuple(parsing(confusion)) == ParsingMetric.keys


def test_confusion_matrices_are_exact_and_add_up():
    labels, predictions = seeded.parsing(0)
    parts = [confusion_matrix(labels[i::3], predictions[i::3], 20) for i in range(3)]
    assert (sum(parts) == confusion_matrix(labels, predictions, 20)).all()
    same = np.zeros(2 ** 24 + 3, np.uint8)  # one more than 32-bit floats can count
    assert confusion_matrix(same, same, 2).tolist() == [[2 ** 24 + 3, 0], [0, 0]]
    assert confusion_matrix(np.zeros((0,), int), np.zeros((0,), int), 3).sum() == 0


@pytest.mark.parametrize('labels, predictions, message', [
    ([0, 1], [0], 'differ in shape'), ([0, 5], [0, 1], 'labels: class id 5'),
    ([0, 1], [0, 5], 'predictions: class id 5'),
    ([0, 1], [0, -1], 'class id -1'), ([0, 1], [0, 300], 'class id 300'), ([0, 1], [0, 255], 'class id 255'),
    ([0, 10 ** 6], [0, 1], 'class id 1000000'), ([0.0, 1.0], [0, 1], 'integers')])
def test_confusion_matrix_bad_input(labels, predictions, message):
    with pytest.raises(UserError, match=message):
        confusion_matrix(labels, predictions, 4)


@pytest.mark.parametrize('confusion', [np.zeros((3, 3)), np.ones((2, 3)), -np.eye(3), [[np.nan]]])
def test_parsing_bad_input(confusion):
    with pytest.raises(UserError):
        parsing(confusion)


def test_counting_by_hand():
    assert counting([10, 0, 5], [13.0, 0, 1]) == pytest.approx({'MAE': 7 / 3, 'RMSE': np.sqrt(25 / 3)})


@pytest.mark.parametrize('targets, predictions', [([], []), ([1, 2], [1]), ([1], [np.inf]), ([[1]], [[1]]),
                                                  ([1], ['x'])])
def test_counting_bad_input(targets, predictions):
    with pytest.raises(UserError):
        counting(targets, predictions)
