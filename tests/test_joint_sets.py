"""Sets of joints that datasets share: orders, skeletons, and tables that mean the same body parts."""
import numpy as np
import pytest

from humanbench import catalog
from humanbench.errors import UserError
from humanbench.joint_sets import JOINT_SETS, MPII16, REDUCED13, joint_map, joint_set

SAME = {'head': {'nose', 'head', 'head_top'}, 'head_top': {'head', 'head_top'}, 'upper_neck': {'neck', 'upper_neck'},
        'pelvis': {'spine_base', 'pelvis'}, 'thorax': {'spine_mid', 'thorax'}}
"""What Kinect, MPII and COCO call a joint of a set; Kinect's middle of the spine stands for the thorax."""


def other_side(name: str) -> str:
    return {'left': 'right', 'right': 'left'}.get(name.partition('_')[0], '') + name[name.find('_'):]


@pytest.mark.parametrize('joints', JOINT_SETS.values(), ids=JOINT_SETS)
def test_a_skeleton_is_one_tree(joints):
    assert len(joints) == len(set(joints.joints)) == len(joints.parents) and joints.root == 6
    assert len(joints.bones) == len(joints) - 1
    for i in range(len(joints)):  # everything hangs on the root
        steps = 0
        while i != joints.root:
            i, steps = joints.parents[i], steps + 1
            assert steps < len(joints)


@pytest.mark.parametrize('joints', JOINT_SETS.values(), ids=JOINT_SETS)
def test_a_mirror_exchanges_sides_and_keeps_the_bones(joints):
    flip = joints.flip_indices
    assert (flip[flip] == np.arange(len(joints))).all() and (flip != np.arange(len(joints))).sum() == 12
    assert {(flip[a], flip[b]) for a, b in joints.bones} == set(joints.bones)


@pytest.mark.parametrize('dataset, name', [('ntu_rgbd', 'mpii16'), ('ntu_rgbd', 'reduced13'), ('mpii', 'mpii16'),
                                           ('mpii', 'reduced13'), ('coco_pose', 'reduced13')])
def test_a_table_means_the_same_parts_of_the_body(dataset, name):
    own = catalog.card(dataset).keypoints
    for wanted, place in zip(joint_set(name).joints, joint_map(dataset, name), strict=True):
        if wanted in SAME:
            assert own[place] in SAME[wanted]
        else:  # a Kinect sees people in a mirror
            assert own[place] == (other_side(wanted) if dataset == 'ntu_rgbd' else wanted)


def test_released_tables():
    assert MPII16.joints == catalog.card('mpii').keypoints
    assert len(MPII16.bones) * 2 + len(MPII16) == 46 and len(REDUCED13.bones) * 2 + len(REDUCED13) == 37  # edge weights
    assert joint_map('nturgbd_parsing', 'mpii16').tolist() == joint_map('ntu_rgbd', 'mpii16').tolist()


def test_unknown_sets_and_datasets():
    with pytest.raises(UserError, match="Did you mean 'mpii16'"):
        joint_set('mpii')
    with pytest.raises(UserError, match='Known: mpii, ntu_rgbd, nturgbd_parsing'):
        joint_map('coco_pose', 'mpii16')
