"""Skeleton: lengths, limits, mirror symmetry."""

import numpy as np
import pytest

from humanbench.minihuman.body import (
    ANGLE_LIMITS,
    BONE,
    JOINT,
    JOINTS,
    NUM_BONES,
    POSES,
    make_body,
    mirrored_pose,
    pose_frames,
    posed_joints,
)
from humanbench.minihuman.poses import random_pose

MIRROR = [JOINT[n.replace('left', '#').replace('right', 'left').replace('#', 'right')] for n in JOINTS]


def length(joints, a, b):
    return float(np.linalg.norm(joints[JOINT[a]] - joints[JOINT[b]]))


@pytest.fixture(
    params=[(1760, 1.0, False, 30), (1600, 1.3, True, 50), (1150, 0.9, True, 7)], ids=['man', 'woman', 'child']
)
def body(request):
    return make_body(*request.param)


@pytest.mark.parametrize('pose', POSES)
def test_limbs_keep_anatomical_lengths_in_every_pose(body, pose):
    joints = posed_joints(body, pose_frames(body, random_pose(np.random.default_rng(1), pose)))
    share = {
        ends: length(joints, *ends) / body.height
        for ends in (
            ('left_hip', 'left_knee'),
            ('right_hip', 'right_knee'),
            ('left_knee', 'left_ankle'),
            ('left_shoulder', 'left_elbow'),
            ('right_elbow', 'right_wrist'),
        )
    }
    assert 0.20 < share['left_hip', 'left_knee'] < 0.27 and 0.20 < share['left_knee', 'left_ankle'] < 0.27
    assert share['left_hip', 'left_knee'] == pytest.approx(share['right_hip', 'right_knee'])
    assert 0.16 < share['left_shoulder', 'left_elbow'] < 0.20 and 0.13 < share['right_elbow', 'right_wrist'] < 0.16
    rest = posed_joints(body, pose_frames(body, np.zeros((NUM_BONES, 3))))
    for ends, value in share.items():
        assert value == pytest.approx(length(rest, *ends) / body.height, rel=1e-9)


def test_rest_stature_and_sides(body):
    joints = posed_joints(body, pose_frames(body, np.zeros((NUM_BONES, 3))))
    assert joints[JOINT['head_top'], 1] == pytest.approx(body.height)
    np.testing.assert_allclose(joints, body.joints, atol=1e-6)
    for name in JOINTS:
        if name.startswith('left_'):
            assert joints[JOINT[name], 0] > 0 > joints[JOINT['right' + name[4:]], 0]


def test_child_has_larger_head_share_than_adult():
    assert make_body(1150, 1, False, 6).head_size / 1150 > 1.15 * make_body(1760, 1, False, 30).head_size / 1760


@pytest.mark.parametrize('pose', POSES)
def test_random_poses_stay_within_limits_and_differ(pose):
    poses = np.array([random_pose(np.random.default_rng(s), pose, ('none', 'front', 'side')[s % 3]) for s in range(40)])
    assert (poses >= ANGLE_LIMITS[..., 0]).all() and (poses <= ANGLE_LIMITS[..., 1]).all()
    assert poses.std(0).max() > 3


def test_limits_are_enforced_not_only_respected(body):
    """Negative control: a knee that bends the wrong way comes back straight."""
    broken = np.zeros((NUM_BONES, 3))
    broken[BONE['left_shin'], 0] = -60
    np.testing.assert_allclose(posed_joints(body, pose_frames(body, broken)), body.joints, atol=1e-6)


@pytest.mark.parametrize('pose', POSES)
def test_mirrored_pose_is_the_mirror_image(body, pose):
    angles = random_pose(np.random.default_rng(3), pose)
    joints = posed_joints(body, pose_frames(body, angles))
    mirrored = posed_joints(body, pose_frames(body, mirrored_pose(angles)))
    # the trunk's whole-body turn is part of the pose, so compare about the body's own middle plane
    np.testing.assert_allclose(mirrored[MIRROR] * (-1, 1, 1), joints, atol=1e-6)
    assert np.abs(mirrored * (-1, 1, 1) - joints).max() > 5  # without swapping sides it is not


def test_flexion_moves_limbs_the_human_way(body):
    def after(bone, angle):
        angles = np.zeros((NUM_BONES, 3))
        angles[BONE[bone]] = angle
        return posed_joints(body, pose_frames(body, angles)) - body.joints

    assert after('left_thigh', (60, 0, 0))[JOINT['left_knee'], 2] > 100  # hip flexes forwards
    assert after('left_shin', (60, 0, 0))[JOINT['left_ankle'], 2] < -100  # knee flexes backwards
    assert after('right_forearm', (90, 0, 0))[JOINT['right_wrist'], 2] > 100
    assert after('right_arm', (0, 0, 90))[JOINT['right_elbow'], 0] < -100  # away from the body
    assert after('left_arm', (0, 0, 90))[JOINT['left_elbow'], 0] > 100
    assert after('spine', (40, 0, 0))[JOINT['nose'], 2] > 100


def test_unknown_pose_offers_the_near_one():
    with pytest.raises(ValueError, match="Did you mean 'stand'"):
        random_pose(np.random.default_rng(0), 'stan')
