"""Attributes against Rethinking_of_PAR, parsing against SCHP and MMSegmentation, counting by hand."""
import numpy as np
import pytest
import torch

from humanbench.errors import UserError
from humanbench.evaluation import attributes, confusion_matrix, counting, parsing

from . import seeded

# valencebond/Rethinking_of_PAR @ 0baa462, metrics/pedestrian_metrics.py, on seeded.attributes(seed)
PAR = [(0, (0.716845950896, 0.418796602391, 0.514437959100, 0.680725704851, 0.586013703182)),
       (1, (0.712443489778, 0.373184917916, 0.452839854955, 0.667482683983, 0.539599537266))]
# GoGoDuck912/Self-Correction-Human-Parsing @ eb84c43, utils/miou.py, on seeded.parsing(seed); two classes are absent
SCHP = [(0, 0.406724806265, 0.560244377090, 0.622521279581), (1, 0.405980713193, 0.559535875080, 0.621727794601)]


@pytest.mark.parametrize('seed, expected', PAR)
def test_attributes_equal_the_public_evaluator(seed, expected):
    labels, scores = seeded.attributes(seed)
    result = attributes(labels, scores)
    assert tuple(result) == ('mA', 'mA_present', 'accuracy', 'precision', 'recall', 'f1')
    both = np.ptp(labels, axis=0) == 1
    assert 0 < both.sum() < labels.shape[1]  # some attributes are always there, or never
    assert result.pop('mA_present') == pytest.approx(attributes(labels[:, both], scores[:, both])['mA'], abs=1e-12)
    assert list(result.values()) == pytest.approx(expected, abs=1e-11)


def test_attributes_by_hand():
    result = attributes([[1, 0], [1, 1], [0, 0]], [[0.9, 0.9], [0.1, 0.8], [0.2, 0.5]])
    mean_accuracy = ((1 / 2 + 1) / 2 + (1 + 1 / 2) / 2) / 2
    assert result == pytest.approx({
        'mA': mean_accuracy, 'mA_present': mean_accuracy, 'accuracy': (1 / 2 + 1 / 2 + 0) / 3,
        'precision': (1 / 2 + 1 + 0) / 3, 'recall': (1 + 1 / 2 + 0) / 3, 'f1': 0.5})


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


@pytest.mark.parametrize('seed, miou, mean_accuracy, pixel_accuracy', SCHP)
def test_parsing_equals_the_public_evaluator(seed, miou, mean_accuracy, pixel_accuracy):
    result = parsing(confusion_matrix(*seeded.parsing(seed), 20))
    assert result == pytest.approx({'mIoU': miou, 'mIoU_present': miou * 20 / 18, 'mean_accuracy': mean_accuracy,
                                    'pixel_accuracy': pixel_accuracy}, abs=1e-11)


@pytest.mark.parametrize('dtype', [np.uint8, np.int16, np.int32, np.int64])
def test_confusion_matrix_equals_mmsegmentation(dtype):
    from mmseg.evaluation import IoUMetric
    labels, predictions = seeded.parsing(2)
    confusion = confusion_matrix(labels.astype(dtype), predictions.astype(dtype), 20)
    tensors = torch.from_numpy(predictions).long(), torch.from_numpy(labels).long()
    intersect, union, predicted, labelled = IoUMetric.intersect_and_union(*tensors, 20, 255)
    assert confusion.dtype == np.int64 and confusion.sum() == (labels != 255).sum()
    assert np.diag(confusion).tolist() == intersect.tolist()
    assert (confusion.sum(0).tolist(), confusion.sum(1).tolist()) == (predicted.tolist(), labelled.tolist())
    assert parsing(confusion)['mIoU_present'] == pytest.approx(float((intersect / union)[union > 0].mean()), abs=1e-6)


def test_confusion_matrix_by_hand():
    confusion = confusion_matrix([[0, 1, 1], [2, 255, 0]], [[0, 1, 2], [2, 77, 1]], 4)
    assert confusion.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert parsing(confusion) == pytest.approx({
        'mIoU': (1 / 2 + 1 / 3 + 1 / 2 + 0) / 4, 'mIoU_present': (1 / 2 + 1 / 3 + 1 / 2) / 3,
        'mean_accuracy': (1 / 2 + 1 / 2 + 1 + 0) / 4, 'pixel_accuracy': 3 / 5})


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
