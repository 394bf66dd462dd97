"""Keypoint conventions: which joint of the body is meant by which keypoint of which dataset."""
import numpy as np

from ...catalog import DatasetCard
from ..scene import JOINTS, PersonView

# Keypoints whose name on the card is not the name of the joint. Human3.6M's feet are ankles; its thorax lies at the
# base of the neck, its neck_base under the chin and its head at the vertex (seen in the heights of real samples).
OTHER_NAMES = {
    'h36m_pose': {'root': 'pelvis', 'right_foot': 'right_ankle', 'left_foot': 'left_ankle', 'thorax': 'neck',
                  'neck_base': 'upper_neck', 'head': 'head_top'},
}


def joint_indices(card: DatasetCard) -> list[int]:
    """Index into JOINTS of each keypoint of the card."""
    other = OTHER_NAMES.get(card.id, {})
    return [JOINTS.index(other.get(name, name)) for name in card.keypoints]


def keypoints(card: DatasetCard, person: PersonView) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints of a person in the order of the card.

    Returns:
        (K, 2) 0-based pixels and (K,) 0 outside the image, 1 hidden, 2 visible. Each format codes this its own way.
    """
    index = joint_indices(card)
    return np.asarray(person.joints)[index], np.asarray(person.visible)[index]
