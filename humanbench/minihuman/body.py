"""The skeleton: bones, proportions, joint limits, poses and forward kinematics.

Body frame (millimetres): x to the person's own left, y up, z to the front. In the rest posture the person stands
straight with hanging arms, and every bone's frame is parallel to the body frame; the origin is on the ground below the
pelvis. Segment lengths are fractions of stature (Drillis and Contini's anthropometric fractions, as tabulated in
textbooks of biomechanics); children get a larger head and shorter legs.
"""

from dataclasses import dataclass

import numpy as np

from humanbench.minihuman.compiled import kernel

BONES = (
    'pelvis',
    'spine',
    'chest',
    'neck',
    'head',
    'left_arm',
    'right_arm',
    'left_forearm',
    'right_forearm',
    'left_hand',
    'right_hand',
    'left_thigh',
    'right_thigh',
    'left_shin',
    'right_shin',
    'left_foot',
    'right_foot',
)
# Frames that follow the skeleton without being bones: `skirt` points from the pelvis to between the knees; `*_carry`
# hangs straight down from a hand whatever the hand's orientation; `lap` lies between the hands, upright with the chest.
FRAMES = BONES + ('skirt', 'left_carry', 'right_carry', 'lap')
BONE = {name: i for i, name in enumerate(FRAMES)}
NUM_BONES = len(BONES)
PARENTS = np.array([-1, 0, 1, 2, 3, 2, 2, 5, 6, 7, 8, 0, 0, 11, 12, 13, 14])

JOINTS = (
    'nose',
    'left_eye',
    'right_eye',
    'left_ear',
    'right_ear',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
    'head_top',
    'upper_neck',
    'neck',
    'thorax',
    'spine',
    'pelvis',
    'left_foot',
    'right_foot',
    'left_hand',
    'right_hand',
)
NUM_JOINTS = len(JOINTS)
JOINT = {name: i for i, name in enumerate(JOINTS)}
POSES = ('stand', 'walk', 'run', 'sit', 'reach', 'bend')

# Angles per bone in degrees: (flexion about x, twist about y, to the side about z). Flexion is positive forwards (knee:
# backwards; ankle: toes up); twist and side are positive outwards, away from the body's middle, on both sides; for the
# trunk they are positive to the left.
LIMITS = {
    'pelvis': ((-30, 60), (-180, 180), (-25, 25)),
    'spine': ((-15, 50), (-30, 30), (-20, 20)),
    'chest': ((-15, 35), (-30, 30), (-15, 15)),
    'neck': ((-30, 35), (-35, 35), (-20, 20)),
    'head': ((-25, 30), (-40, 40), (-15, 15)),
    'arm': ((-50, 175), (-60, 60), (-10, 150)),
    'forearm': ((0, 145), (-5, 5), (-5, 5)),
    'hand': ((-50, 60), (-80, 80), (-20, 30)),
    'thigh': ((-25, 120), (-30, 40), (-15, 45)),
    'shin': ((0, 140), (-5, 5), (-5, 5)),
    'foot': ((-45, 25), (-15, 20), (-15, 15)),
}


def _per_bone(table: dict) -> np.ndarray:
    return np.array([table[name.removeprefix('left_').removeprefix('right_')] for name in BONES], dtype=np.float64)


ANGLE_LIMITS = _per_bone(LIMITS)  # (NUM_BONES, 3, 2) degrees
# Rotation about x that a positive flexion means: +1 tips the top forwards, which for a hanging bone is backwards.
_FLEXION_SIGN = _per_bone(
    {
        'pelvis': 1,
        'spine': 1,
        'chest': 1,
        'neck': 1,
        'head': 1,
        'arm': -1,
        'forearm': -1,
        'hand': -1,
        'thigh': -1,
        'shin': 1,
        'foot': -1,
    }
)
_SIDE_SIGN = np.array([-1.0 if name.startswith('right_') else 1.0 for name in BONES])
ANGLE_SIGNS = np.stack([_FLEXION_SIGN, _SIDE_SIGN, _SIDE_SIGN], axis=1)


@dataclass(frozen=True)
class Body:
    """Measures of one person.

    Attributes:
        height: stature in mm.
        girth: factor on limb and trunk radii (1 = normal build).
        female: shape of shoulders, waist, hips.
        head_scale: size of the head relative to an adult's share of stature.
        rest: (NUM_BONES, 3) rest position of every bone's origin in the body frame, mm.
        joints: (NUM_JOINTS, 3) rest position of every joint in the body frame, mm.
        joint_bones: (NUM_JOINTS,) the bone that carries each joint.
    """

    height: float
    girth: float
    female: bool
    head_scale: float
    rest: np.ndarray
    joints: np.ndarray
    joint_bones: np.ndarray

    @property
    def head_size(self) -> float:
        """The unit in which heads are built: stature times head scale, mm."""
        return self.height * self.head_scale


def make_body(height: float, girth: float, female: bool, age: int) -> Body:
    """Builds the measures of a person of stature `height` (mm), build factor `girth` and `age` in years."""
    child = float(np.clip((16 - age) / 12, 0, 1))
    head = 1 + 0.28 * child
    leg = 1 - 0.06 * child
    h = height
    shoulder = (0.100 if female else 0.112) * (1 + 0.35 * (girth - 1))
    hip = (0.052 if female else 0.049) * (1 + 0.2 * (girth - 1))
    hip_y, knee_y, ankle_y = 0.53 * leg, 0.285 * leg, 0.039
    head_y = 1 - 0.135 * head  # the skull's pivot; the vertex is at 1
    neck_y = head_y - 0.043
    trunk = neck_y - hip_y
    shoulder_y = hip_y + 0.925 * trunk
    places = {
        'pelvis': (0, hip_y, 0),
        'spine': (0, hip_y + 0.19 * trunk, 0),
        'chest': (0, hip_y + 0.48 * trunk, 0),
        'neck': (0, neck_y, -0.006),
        'head': (0, head_y, 0.0),
        'arm': (shoulder, shoulder_y, 0),
        'forearm': (shoulder + 0.006, shoulder_y - 0.176, 0),
        'hand': (shoulder + 0.008, shoulder_y - 0.176 - 0.146, 0),
        'thigh': (hip, hip_y, 0),
        'shin': (hip - 0.004, knee_y, 0),
        'foot': (hip - 0.006, ankle_y, -0.004),
    }
    rest = _per_bone(places)
    rest[:, 0] *= _SIDE_SIGN
    at = _joint_places(rest, head, trunk, places)
    bones = [BONE[_carrier(name)] for name in JOINTS]
    return Body(h, girth, female, head, rest * h, np.array([at[name] for name in JOINTS]) * h, np.array(bones))


def _joint_places(rest: np.ndarray, head: float, trunk: float, places: dict) -> dict[str, tuple]:
    """Rest places of the joints in units of stature."""
    x, y, z = rest[BONE['head']]
    at = {
        'nose': (0, y + 0.048 * head, 0.064 * head),
        'head_top': (0, 1.0, 0),
        'upper_neck': (0, y - 0.004, -0.008),
        'neck': (0, places['neck'][1] - 0.006, 0),
        'thorax': (0, places['arm'][1], 0),
        'spine': (0, places['pelvis'][1] + 0.48 * trunk, 0),
        'pelvis': (0, places['pelvis'][1] + 0.02, 0),
    }
    for side, s in (('left_', 1), ('right_', -1)):
        at[side + 'eye'] = (s * 0.0195 * head, y + 0.068 * head, 0.051 * head)
        at[side + 'ear'] = (s * 0.046 * head, y + 0.056 * head, -0.002)
        for joint, bone in (
            ('shoulder', 'arm'),
            ('elbow', 'forearm'),
            ('wrist', 'hand'),
            ('hip', 'thigh'),
            ('knee', 'shin'),
            ('ankle', 'foot'),
        ):
            at[side + joint] = tuple(rest[BONE[side + bone]])
        fx, fy, fz = rest[BONE[side + 'foot']]
        at[side + 'foot'] = (fx, 0.016, fz + 0.098)
        hx, hy, hz = rest[BONE[side + 'hand']]
        at[side + 'hand'] = (hx, hy - 0.045, hz + 0.004)
    return at


def _carrier(joint: str) -> str:
    """The bone a joint moves with."""
    side, _, part = joint.rpartition('_')
    part = {
        'shoulder': 'arm',
        'elbow': 'forearm',
        'wrist': 'hand',
        'hip': 'thigh',
        'knee': 'shin',
        'ankle': 'foot',
        'eye': 'head',
        'ear': 'head',
        'nose': 'head',
        'top': 'head',
        'thorax': 'chest',
        'spine': 'chest',
    }.get(part, part)
    if joint in ('neck', 'thorax'):
        return 'chest'
    if joint in ('upper_neck', 'head_top', 'nose') or part == 'head':
        return 'head'
    return f'{side}_{part}' if side in ('left', 'right') else part


@kernel
def _rotation(flexion, twist, side):
    """Rz(side) Rx(flexion) Ry(twist), angles in radians, (3, 3)."""
    cx, sx, cy, sy, cz, sz = np.cos(flexion), np.sin(flexion), np.cos(twist), np.sin(twist), np.cos(side), np.sin(side)
    r = np.empty((3, 3))
    r[0, 0], r[0, 1], r[0, 2] = cz * cy - sz * sx * sy, -sz * cx, cz * sy + sz * sx * cy
    r[1, 0], r[1, 1], r[1, 2] = sz * cy + cz * sx * sy, cz * cx, sz * sy - cz * sx * cy
    r[2, 0], r[2, 1], r[2, 2] = -cx * sy, sx, cx * cy
    return r


@kernel
def _frame_towards(out, origin, down, left):
    """Fills a (3, 4) frame at `origin` whose -y axis is `down` and whose x axis is nearest to `left`."""
    y = -down / np.sqrt((down * down).sum() + 1e-9)
    x = left - y * (left * y).sum()
    x = x / np.sqrt((x * x).sum() + 1e-9)
    out[0, 0], out[1, 0], out[2, 0] = x[0], x[1], x[2]
    out[0, 1], out[1, 1], out[2, 1] = y[0], y[1], y[2]
    out[0, 2] = x[1] * y[2] - x[2] * y[1]
    out[1, 2] = x[2] * y[0] - x[0] * y[2]
    out[2, 2] = x[0] * y[1] - x[1] * y[0]
    out[:, 3] = origin


@kernel
def _forward(angles, rest, parents, signs, frames):
    """Poses every bone, then the frames derived from bones (order of FRAMES). Returns (frames, 3, 4)."""
    n = rest.shape[0]
    out = np.zeros((frames, 3, 4))
    for b in range(n):
        a = angles[b] * signs[b] * (np.pi / 180)
        local = _rotation(a[0], a[1], a[2])
        p = parents[b]
        if p < 0:
            out[b, :, :3] = local
            out[b, :, 3] = rest[b]
        else:
            for i in range(3):
                out[b, i, 3] = out[p, i, 3]
                for j in range(3):
                    out[b, i, 3] += out[p, i, j] * (rest[b, j] - rest[p, j])
                    for k in range(3):
                        out[b, i, j] += out[p, i, k] * local[k, j]
    knees = 0.5 * (out[13, :, 3] + out[14, :, 3])
    left = out[0, :, 0].copy()
    down = np.array([0.0, -1.0, 0.0])
    _frame_towards(out[17], out[0, :, 3], knees - out[0, :, 3], left)
    for side in range(2):
        wrist, hand = out[9 + side, :, 3], out[9 + side, :, 1]
        _frame_towards(out[18 + side], wrist - 0.055 * (rest[3, 1]) * hand, down, left)
    _frame_towards(out[20], 0.5 * (out[9, :, 3] + out[10, :, 3]), -out[2, :, 1], out[2, :, 0].copy())
    return out


def frame_rest(body: Body) -> np.ndarray:
    """(len(FRAMES), 3) rest origin of every frame, mm: what a primitive's rest place is measured from."""
    rest = np.zeros((len(FRAMES), 3))
    rest[:NUM_BONES] = body.rest
    rest[BONE['skirt']] = body.rest[0]
    for side in ('left', 'right'):
        rest[BONE[f'{side}_carry']] = body.rest[BONE[f'{side}_hand']] - (0, 0.055 * body.rest[BONE['neck'], 1], 0)
    rest[BONE['lap']] = 0.5 * (body.rest[BONE['left_hand']] + body.rest[BONE['right_hand']])
    return rest


def pose_frames(body: Body, angles: np.ndarray) -> np.ndarray:
    """Forward kinematics.

    Args:
        body: the measures.
        angles: (NUM_BONES, 3) degrees; clipped to ANGLE_LIMITS.

    Returns:
        (len(FRAMES), 3, 4) affine maps from rest coordinates (body frame, mm) to posed coordinates.
    """
    angles = np.clip(angles, ANGLE_LIMITS[..., 0], ANGLE_LIMITS[..., 1])
    frames = _forward(angles, body.rest, PARENTS, ANGLE_SIGNS, len(FRAMES))
    frames[:, :, 3] -= np.einsum('fij,fj->fi', frames[:, :, :3], frame_rest(body))
    return frames


def posed_joints(body: Body, frames: np.ndarray) -> np.ndarray:
    """(NUM_JOINTS, 3) joints in posed coordinates, mm."""
    carried = frames[body.joint_bones]
    return np.einsum('jab,jb->ja', carried[:, :, :3], body.joints) + carried[:, :, 3]


def mirrored_pose(angles: np.ndarray) -> np.ndarray:
    """The same pose seen in a mirror: left and right change places, trunk twists and leans change sign."""
    out = angles.copy()
    for name in BONES:
        if name.startswith('left_'):
            a, b = BONE[name], BONE['right' + name[4:]]
            out[[a, b]] = angles[[b, a]]
        elif not name.startswith('right_'):
            out[BONE[name], 1:] *= -1
    return out
