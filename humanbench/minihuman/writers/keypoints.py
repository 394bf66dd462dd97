"""Keypoint conventions: which joint of the body is meant by which keypoint of which dataset."""
import numpy as np

from ...catalog import DatasetCard
from ..scene import JOINTS, PersonView

HEAD = ('left_ear', 'right_ear')  # the middle of the head
# Keypoints whose name on the card is not the name of the joint, or that lie in the middle of several joints.
# Human3.6M's feet are ankles; its thorax lies at the base of the neck, its neck_base under the chin and its head at the
# vertex (seen in the heights of real samples). Halpe's head lies near the vertex (seen in a real sample). Where the
# heads of JRDB, Penn Action and MPI-INF-3DHP lie, and JRDB's feet, is a guess by their names.
_KINECT = {'hand_tip': 'hand', 'thumb': ('hand', 'wrist')}  # bodies have no fingers


def _kinect() -> dict[str, str | tuple[str, ...]]:
    """Kinect's names; its left is what looks like the right, because it delivers its pictures mirrored."""
    found: dict[str, str | tuple[str, ...]] = {'spine_base': 'pelvis', 'spine_mid': 'spine', 'neck': 'upper_neck',
                                               'head': HEAD, 'spine': 'thorax'}
    for side, seen in (('left', 'right'), ('right', 'left')):
        for part in ('shoulder', 'elbow', 'wrist', 'hand', 'hip', 'knee', 'ankle', 'foot', *_KINECT):
            joint = _KINECT.get(part, part)
            found[f'{side}_{part}'] = f'{seen}_{joint}' if isinstance(joint, str) else tuple(
                f'{seen}_{x}' for x in joint)
    return found


OTHER_NAMES = {
    'h36m_pose': {'root': 'pelvis', 'right_foot': 'right_ankle', 'left_foot': 'left_ankle', 'thorax': 'neck',
                  'neck_base': 'upper_neck', 'head': 'head_top'},
    'posetrack': {'head_bottom': 'upper_neck'},
    'jrdb': {'head': HEAD, 'center_shoulder': ('left_shoulder', 'right_shoulder'),
             'center_hip': ('left_hip', 'right_hip'), 'right_foot': 'right_ankle', 'left_foot': 'left_ankle'},
    'penn_action': {'head': HEAD},
    'halpe': {'head': 'head_top', 'hip': 'pelvis'},
    'mpi_inf_3dhp': {'root': 'pelvis', 'head': HEAD},
    'ntu_rgbd': _kinect(),
    'itop_side': {'head': HEAD, 'torso': 'spine'},
}


def joint_sets(card: DatasetCard) -> list[list[int]]:
    """Indices into JOINTS of the joints in whose middle each keypoint of the card lies."""
    other = OTHER_NAMES.get(card.id, {})
    names = [other.get(name, name) for name in card.keypoints]
    return [[JOINTS.index(x) for x in ((name,) if isinstance(name, str) else name)] for name in names]


def joint_indices(card: DatasetCard) -> list[int]:
    """Index into JOINTS of each keypoint of a card whose keypoints are joints."""
    return [x for x, in joint_sets(card)]


def middles(card: DatasetCard, joints: np.ndarray) -> np.ndarray:
    """(K, ...) keypoints of the card from (NUM_JOINTS, ...) places of the joints."""
    return np.stack([np.asarray(joints)[x].mean(0) for x in joint_sets(card)])


def keypoints(card: DatasetCard, person: PersonView) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints of a person in the order of the card.

    Returns:
        (K, 2) 0-based pixels and (K,) 0 outside the image, 1 hidden, 2 visible. Each format codes this its own way.
    """
    visible = np.asarray(person.visible)
    return middles(card, person.joints), np.array([visible[x].min() for x in joint_sets(card)])
