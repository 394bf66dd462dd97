"""Random poses inside the joint limits: stand, walk, run, sit, reach, bend."""

import numpy as np

from humanbench.errors import unknown_name
from humanbench.minihuman.body import ANGLE_LIMITS, BONE, NUM_BONES, POSES


def random_pose(rng: np.random.Generator, pose: str, carrying: str = 'none') -> np.ndarray:
    """Draws a pose.

    Args:
        rng: the only source of randomness.
        pose: one of POSES.
        carrying: 'none', 'front' (both hands before the body) or 'side' (the right arm hangs with a load).

    Returns:
        (NUM_BONES, 3) angles in degrees inside ANGLE_LIMITS.
    """
    if pose not in POSES:
        raise unknown_name('pose', pose, POSES)
    a = np.zeros((NUM_BONES, 3))
    a[BONE['neck'], 0] = rng.uniform(-5, 12)
    a[BONE['head']] = rng.normal(0, (6, 14, 4))
    a[BONE['neck'], 1] = rng.normal(0, 8)
    a[BONE['spine'], 2], a[BONE['chest'], 2] = rng.normal(0, 3, 2)
    for side in ('left', 'right'):
        a[BONE[f'{side}_arm'], 2] = rng.uniform(4, 14)
        a[BONE[f'{side}_arm'], 1] = rng.uniform(-25, 5)
        a[BONE[f'{side}_forearm'], 0] = rng.uniform(4, 25)
        a[BONE[f'{side}_hand'], 0] = rng.uniform(-5, 15)
        a[BONE[f'{side}_hand'], 1] = rng.uniform(-40, 10)
        a[BONE[f'{side}_foot'], 1] = rng.uniform(0, 15)
    _DRAW[pose](rng, a)
    if carrying == 'front':
        _carry_in_front(rng, a)
    elif carrying == 'side':
        a[BONE['right_arm']] = rng.uniform(-8, 12), rng.uniform(-15, 0), rng.uniform(6, 14)
        a[BONE['right_forearm'], 0] = rng.uniform(3, 18)
    return np.clip(a, ANGLE_LIMITS[..., 0], ANGLE_LIMITS[..., 1])


def _carry_in_front(rng: np.random.Generator, a: np.ndarray) -> None:
    for side in ('left', 'right'):
        a[BONE[f'{side}_arm']] = rng.uniform(5, 25), rng.uniform(-35, -20), rng.uniform(4, 10)
        a[BONE[f'{side}_forearm'], 0] = rng.uniform(75, 100)


def _stand(rng: np.random.Generator, a: np.ndarray) -> None:
    for side in ('left', 'right'):
        a[BONE[f'{side}_thigh'], 2] = rng.uniform(1, 8)
        a[BONE[f'{side}_thigh'], 0] = rng.normal(0, 3)
        a[BONE[f'{side}_shin'], 0] = rng.uniform(0, 6)
    style = rng.integers(5)
    side = 'left' if rng.integers(2) else 'right'
    if style == 0:  # a hand on the hip
        a[BONE[f'{side}_arm']] = -18, -48, rng.uniform(38, 48)
        a[BONE[f'{side}_forearm'], 0] = rng.uniform(85, 105)
    elif style == 1:  # telephone or a wave
        a[BONE[f'{side}_arm']] = rng.uniform(35, 60), -25, rng.uniform(10, 30)
        a[BONE[f'{side}_forearm'], 0] = rng.uniform(120, 142)
    elif style == 2:  # reading from the hand
        a[BONE[f'{side}_arm']] = rng.uniform(15, 30), -25, 6
        a[BONE[f'{side}_forearm'], 0] = rng.uniform(80, 110)
        a[BONE['neck'], 0] = 22
    if rng.integers(3) == 0:  # weight on one leg
        a[BONE[f'{side}_thigh'], 0] = rng.uniform(8, 16)
        a[BONE[f'{side}_shin'], 0] = rng.uniform(14, 24)
        a[BONE['pelvis'], 2] = -3 if side == 'left' else 3


def _stride(rng: np.random.Generator, a: np.ndarray, swing: float, knee: float, elbow: float) -> None:
    """One moment of a gait: legs in opposite phase, arms opposite to the legs."""
    phase = rng.uniform(0, 2 * np.pi)
    for side, p in (('left', phase), ('right', phase + np.pi)):
        a[BONE[f'{side}_thigh'], 0] = 0.2 * swing + swing * np.sin(p)
        a[BONE[f'{side}_shin'], 0] = 4 + knee * max(0.0, np.cos(p)) ** 1.5
        a[BONE[f'{side}_foot'], 0] = 8 * np.sin(p) - 6 * max(0.0, np.cos(p + 0.6))
        a[BONE[f'{side}_arm'], 0] = -0.75 * swing * np.sin(p)
        a[BONE[f'{side}_forearm'], 0] = elbow + 0.3 * swing * (1 - np.sin(p)) * 0.5
    a[BONE['pelvis'], 1] = -0.15 * swing * np.sin(phase)
    a[BONE['chest'], 1] = 0.3 * swing * np.sin(phase)


def _walk(rng: np.random.Generator, a: np.ndarray) -> None:
    _stride(rng, a, rng.uniform(18, 27), rng.uniform(45, 60), rng.uniform(8, 25))
    a[BONE['pelvis'], 0] = rng.uniform(0, 4)


def _run(rng: np.random.Generator, a: np.ndarray) -> None:
    _stride(rng, a, rng.uniform(36, 50), rng.uniform(85, 110), rng.uniform(75, 95))
    a[BONE['pelvis'], 0] = rng.uniform(8, 14)


def _sit(rng: np.random.Generator, a: np.ndarray) -> None:
    for side in ('left', 'right'):
        a[BONE[f'{side}_thigh']] = rng.uniform(80, 95), 0, rng.uniform(2, 14)
        a[BONE[f'{side}_shin'], 0] = rng.uniform(70, 100)
        a[BONE[f'{side}_arm']] = rng.uniform(15, 40), rng.uniform(-25, -5), rng.uniform(4, 16)
        a[BONE[f'{side}_forearm'], 0] = rng.uniform(40, 80)
    a[BONE['spine'], 0] = rng.uniform(-5, 18)


def _reach(rng: np.random.Generator, a: np.ndarray) -> None:
    _stand(rng, a)
    sides = (('left',), ('right',), ('left', 'right'))[rng.integers(3)]
    for side in sides:
        a[BONE[f'{side}_arm']] = rng.uniform(60, 165), rng.uniform(-20, 10), rng.uniform(0, 40)
        a[BONE[f'{side}_forearm'], 0] = rng.uniform(2, 35)
    a[BONE['spine'], 0] = rng.uniform(-8, 10)


def _bend(rng: np.random.Generator, a: np.ndarray) -> None:
    depth = rng.uniform(0.5, 1)
    a[BONE['pelvis'], 0] = 38 * depth
    a[BONE['spine'], 0], a[BONE['chest'], 0] = 32 * depth, 16 * depth
    a[BONE['neck'], 0] = -15 * depth
    knee = rng.uniform(5, 50) * depth
    for side in ('left', 'right'):
        a[BONE[f'{side}_thigh']] = 38 * depth + knee * 0.55, 0, rng.uniform(2, 10)
        a[BONE[f'{side}_shin'], 0] = knee
        a[BONE[f'{side}_foot'], 0] = 0.45 * knee
        a[BONE[f'{side}_arm']] = rng.uniform(55, 95) * depth, -10, rng.uniform(4, 16)
        a[BONE[f'{side}_forearm'], 0] = rng.uniform(10, 45)


_DRAW = {'stand': _stand, 'walk': _walk, 'run': _run, 'sit': _sit, 'reach': _reach, 'bend': _bend}
