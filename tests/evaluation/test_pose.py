"""PCKh and end-point errors by hand; ``test_judges`` has them against HRNet and MMPose."""
import numpy as np
import pytest

from humanbench.errors import UserError
from humanbench.evaluation import epe, nme, pckh
from humanbench.evaluation.pose_metrics import oks_nms

from . import seeded

KEYS = ('mean', 'head', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
def person() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """One person whose head size is 30 pixels, found exactly."""
    _, truth = seeded.mpii(0, tied=True)
    truth = {key: truth[key][..., :1] for key in ('pos_gt_src', 'headboxes_src', 'jnt_missing')}
    truth['jnt_missing'] = np.zeros((16, 1))
    return truth['pos_gt_src'].transpose(2, 0, 1) - 1, truth


def test_pckh_by_hand():
    predictions, truth = person()
    assert set(pckh(predictions, truth).values()) == {1}
    for joint in (9, 12, 6):  # head top, right shoulder, pelvis
        predictions[0, joint, 0] += 15
    assert set(pckh(predictions, truth).values()) == {1}  # half the head size, not more
    for joint in (9, 12, 6):
        predictions[0, joint, 0] += 0.01
    expected = dict.fromkeys(KEYS, 1) | {'head': 0, 'shoulder': 0.5, 'mean': 12 / 14}  # pelvis and thorax do not count
    assert pckh(predictions, truth) == pytest.approx(expected)
    assert pckh(predictions, truth, threshold=0.51)['mean'] == 1


def test_joints_that_are_not_labelled_do_not_count():
    predictions, truth = person()
    predictions[0, :6] += 500
    truth['jnt_missing'][:6] = 1
    truth['pos_gt_src'][0] = np.nan
    result = pckh(predictions, truth)
    assert result['mean'] == 1 and np.isnan([result['hip'], result['knee'], result['ankle']]).all()


@pytest.mark.parametrize('change, message', [
    (dict(pos_gt_src=None), 'lacks pos_gt_src'), (dict(headboxes_src=np.zeros((2, 2, 1))), 'empty head box'),
    (dict(jnt_missing=np.ones((16, 1))), 'no labelled joint'), (dict(jnt_missing=np.zeros((15, 1))), 'shape'),
    (dict(dataset_joints=['head'] * 16), 'dataset_joints'), (dict(predictions=np.zeros((2, 16, 2))), 'shape'),
    (dict(predictions=np.full((1, 16, 2), np.nan)), 'nan'), (dict(pos_gt_src=np.zeros((16, 2, 3))), 'points')])
def test_pckh_bad_input(change, message):
    predictions, truth = person()
    predictions = change.pop('predictions', predictions)
    truth = {key: value for key, value in {**truth, **change}.items() if value is not None}
    with pytest.raises(UserError, match=message):
        pckh(predictions, truth)


def test_errors_by_hand():
    predictions, targets = [[[3, 4], [9, 9]], [[0, 0], [0, 10]]], [[[0, 0], [0, 0]], [[0, 0], [0, 0]]]
    assert epe(predictions, targets, [[1, 0], [1, 1]]) == {'EPE': 5}
    assert nme(predictions, targets, [[1, 0], [1, 1]], [5, 100]) == {'NME': pytest.approx((1 + 0 + 0.1) / 3)}
    assert nme(predictions, targets, [[1, 0], [1, 1]], 10) == {'NME': 0.5}


@pytest.mark.parametrize('arguments, message', [
    ((np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), np.zeros((2, 3)), [1, 1]), 'no visible joint'),
    ((np.zeros((2, 4, 2)), np.zeros((2, 3, 2)), np.ones((2, 3)), [1, 1]), 'shape'),
    ((np.zeros((2, 3, 2)), np.full((2, 3, 2), np.nan), np.ones((2, 3)), [1, 1]), 'nan'),
    ((np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), np.ones((2, 3)), [1, 0]), 'positive'),
    ((np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), np.ones((2, 3)), [1, 1, 1]), 'shape')])
def test_errors_bad_input(arguments, message):
    with pytest.raises(UserError, match=message):
        nme(*arguments)


def test_oks_nms_equals_mmpose():
    from mmpose.evaluation.functional import oks_nms as judge
    rng = np.random.default_rng(0)
    base = rng.uniform(0, 100, (4, 17, 2))
    people = np.concatenate([base + rng.normal(0, noise, base.shape) for noise in (0, 1, 2, 4, 8)])
    scores, areas = rng.uniform(size=20), rng.uniform(3000, 9000, 20)
    sigmas = np.full(17, 0.07)
    records = [dict(keypoints=np.column_stack([x, np.ones(17)]), score=s, area=a)
               for x, s, a in zip(people, scores, areas)]
    kept = oks_nms(people, areas, scores, sigmas, 0.9)
    assert kept == list(judge(records, 0.9, sigmas)) and 4 <= len(kept) < 20
