"""Sets of joints that several datasets share, and which joint of a dataset stands for which joint of a set.

The tables and the skeletons are those of HCMoCo's release. It pairs the *left* of Kinect's joints with the *right* of
MPII's and COCO's: a Kinect delivers its pictures mirrored, so whoever is the person's left there looks like the right.
MiniHuman's editions do so too.
"""
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np

from .errors import unknown_name


@dataclass(frozen=True)
class JointSet:
    """Joints in an order of their own.

    Attributes:
        name: of the set.
        joints: names, in order; a side is what it looks like in the picture.
        parents: for each joint the one that it hangs on; -1 for the root.
    """
    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def root(self) -> int:
        """The joint that hangs on no other."""
        return self.parents.index(-1)

    @property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(joint, its parent) for every joint but the root."""
        return tuple((i, parent) for i, parent in enumerate(self.parents) if parent >= 0)

    @cached_property
    def flip_indices(self) -> np.ndarray:
        """(J,) where each joint goes in a mirror image."""
        other = {'left': 'right', 'right': 'left'}
        sides = [name.partition('_') for name in self.joints]
        return np.array([self.joints.index(f'{other.get(side, side)}{mark}{part}') for side, mark, part in sides])


MPII16 = JointSet('mpii16', (
    'right_ankle', 'right_knee', 'right_hip', 'left_hip', 'left_knee', 'left_ankle', 'pelvis', 'thorax', 'upper_neck',
    'head_top', 'right_wrist', 'right_elbow', 'right_shoulder', 'left_shoulder', 'left_elbow', 'left_wrist'),
    (1, 2, 6, 6, 3, 4, -1, 6, 7, 8, 11, 12, 8, 8, 13, 14))
REDUCED13 = JointSet('reduced13', (
    'right_ankle', 'right_knee', 'right_hip', 'left_hip', 'left_knee', 'left_ankle', 'head', 'right_wrist',
    'right_elbow', 'right_shoulder', 'left_shoulder', 'left_elbow', 'left_wrist'),
    (1, 2, 9, 10, 3, 4, -1, 8, 9, 6, 6, 10, 11))
JOINT_SETS: Mapping[str, JointSet] = MappingProxyType({x.name: x for x in (MPII16, REDUCED13)})
"""By name: MPII's own 16, and the 13 that Kinect, MPII and COCO all have."""

_KINECT = {'mpii16': (14, 13, 12, 16, 17, 18, 0, 1, 2, 3, 6, 5, 4, 8, 9, 10),
           'reduced13': (14, 13, 12, 16, 17, 18, 3, 6, 5, 4, 8, 9, 10)}
_MAPS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    'ntu_rgbd': _KINECT,
    'nturgbd_parsing': _KINECT,
    'mpii': {'mpii16': tuple(range(16)), 'reduced13': (0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15)},
    'coco_pose': {'reduced13': (16, 14, 12, 11, 13, 15, 0, 10, 8, 6, 5, 7, 9)},
}
"""Dataset -> set -> for each joint of the set the dataset's own. MPII's 13 are not of the release."""


def joint_set(name: str) -> JointSet:
    """The set of a name.

    Raises:
        UserError: there is none.
    """
    if name not in JOINT_SETS:
        raise unknown_name('joint set', name, JOINT_SETS)
    return JOINT_SETS[name]


def joint_map(dataset: str, name: str) -> np.ndarray:
    """(J,) for each joint of a set the place of a dataset's own joint.

    Args:
        dataset: its id.
        name: of the set.

    Raises:
        UserError: no such set, or the dataset's joints were never laid out for it.
    """
    joint_set(name)
    known = [x for x, maps in _MAPS.items() if name in maps]
    if dataset not in known:
        raise unknown_name(f"dataset with joints for '{name}'", dataset, known)
    return np.array(_MAPS[dataset][name])
