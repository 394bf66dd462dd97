"""Joints in space: what counts as found, by hand."""
import numpy as np
import pytest

from humanbench import catalog
from humanbench.errors import UserError
from humanbench.evaluation import pose_3d
from humanbench.evaluation.pose_3d import ITOP_JOINTS, Pose3DMetric


def moved(distance: float, *joints: int, frames: int = 4) -> dict[str, float]:
    """The score when some joints of every frame are so many metres from where they are, in any direction."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(1, 3, (frames, 15, 3))
    found = truth.copy()
    for joint in joints:
        step = rng.normal(size=(frames, 3))
        found[:, joint] += distance * step / np.linalg.norm(step, axis=1, keepdims=True)
    return pose_3d(found, truth)


def test_names_are_those_of_the_card():
    assert catalog.card('itop_side').keypoints == ITOP_JOINTS
    assert {*Pose3DMetric.keys} == {*moved(0.0)}


def test_ten_centimetres_in_space():
    assert moved(0.0)['accuracy'] == moved(0.0999, *range(15))['accuracy'] == 1
    assert moved(0.1001, *range(15))['accuracy'] == 0
    exact = np.zeros((1, 15, 3))
    assert pose_3d(exact + (0.10, 0, 0), exact)['accuracy'] == 0  # at the threshold it is wrong
    assert pose_3d(exact + (0.06, 0.06, 0.06), exact)['accuracy'] == 0  # 10.4 cm: not axis by axis
    assert moved(0.25, 3)['MPJPE'] == pytest.approx(250 / 15)


def test_parts_and_halves():
    found = moved(0.5, 2, 13, 14)  # a shoulder and both feet
    assert (found['shoulder'], found['foot'], found['head'], found['elbow']) == (0.5, 0, 1, 1)
    assert found['upper'] == pytest.approx(8 / 9) and found['lower'] == pytest.approx(4 / 6)
    assert found['accuracy'] == pytest.approx(12 / 15)


def test_nothing_is_aligned():
    """A whole body that stands 30 cm beside itself is wrong."""
    truth = np.random.default_rng(1).uniform(1, 3, (3, 15, 3))
    assert pose_3d(truth + (0.3, 0, 0), truth)['accuracy'] == 0 == pose_3d(truth * 1.3, truth)['accuracy']


@pytest.mark.parametrize('predictions, targets, message', [
    (np.zeros((2, 15, 3)), np.zeros((3, 15, 3)), 'predictions'),
    (np.zeros((2, 14, 3)), np.zeros((2, 14, 3)), 'targets'),
    (np.full((2, 15, 3), np.nan), np.zeros((2, 15, 3)), 'predictions'),
    (np.zeros((0, 15, 3)), np.zeros((0, 15, 3)), 'no frame'),
])
def test_what_cannot_be_scored(predictions, targets, message):
    with pytest.raises(UserError, match=message):
        pose_3d(predictions, targets)
