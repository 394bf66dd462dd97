"""Pictures and their labels: every label must agree with the geometry and with every other label."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from humanbench.minihuman import (
    GARMENTS,
    JOINTS,
    POSES,
    SEGMENTS,
    make_person,
    render_crowd,
    render_person,
    render_scene,
)
from humanbench.minihuman.body import JOINT, mirrored_pose
from humanbench.minihuman.camera import camera_style, look
from humanbench.minihuman.poses import random_pose
from humanbench.minihuman.primitives import Builder
from humanbench.minihuman.render import JOINT_DEPTHS, Actor, compose_picture, stand_on_ground

CROPS = [
    render_person(make_person(i), np.random.default_rng(i), (256, 128), i % 8, pose=POSES[i % 6]) for i in range(24)
]
SCENES = [render_scene(np.random.default_rng(i), (240, 320), 6) for i in range(6)]


def digest(*renders):
    h = hashlib.sha256()
    for r in renders:
        for a in (r.image, r.depth_mm, r.garment, r.segment, r.person_map):
            h.update(np.ascontiguousarray(a).tobytes())
        for p in r.people:
            for a in (p.joints, p.joints_3d, p.visible, p.full_box, p.visible_box, p.head_box, p.head_point):
                h.update(a.tobytes())
    return h.hexdigest()


_PROGRAM = """
import sys; sys.path.insert(0, {tests!r})
import numpy as np
from humanbench.minihuman import make_person, render_crowd, render_person, render_scene
from test_scene import digest
print(digest(render_person(make_person(3), np.random.default_rng(1), (96, 48), 2, occluded=True),
             render_scene(np.random.default_rng(2), (96, 128), 3),
             render_crowd(np.random.default_rng(4), (96, 128), 12)))
"""


def test_pictures_are_bit_identical_in_another_process():
    here = digest(
        render_person(make_person(3), np.random.default_rng(1), (96, 48), 2, occluded=True),
        render_scene(np.random.default_rng(2), (96, 128), 3),
        render_crowd(np.random.default_rng(4), (96, 128), 12),
    )
    program = _PROGRAM.format(tests=str(Path(__file__).parent))
    run = subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'PYTHONHASHSEED': '77'},
    )
    assert run.stdout.strip().endswith(here)
    assert digest(render_scene(np.random.default_rng(3), (96, 128), 3)) != digest(
        render_scene(np.random.default_rng(2), (96, 128), 3)
    )


@pytest.mark.parametrize('render', CROPS + SCENES, ids=str)
def test_maps_have_their_types_and_agree_with_each_other(render):
    h, w = render.image.shape[:2]
    assert render.image.dtype == render.garment.dtype == render.segment.dtype == np.uint8 and render.image.shape == (
        h,
        w,
        3,
    )
    assert render.depth_mm.dtype == np.uint16 and render.person_map.dtype == np.int16
    assert render.garment.max() < len(GARMENTS) and render.segment.max() < len(SEGMENTS)
    person, occluder = render.person_map >= 0, render.garment == GARMENTS.index('occluder')
    np.testing.assert_array_equal(render.depth_mm > 0, person | occluder)
    np.testing.assert_array_equal(render.garment > 0, person | occluder)
    assert not (person & occluder).any() and not render.segment[~person].any()
    carried = np.isin(render.garment, [GARMENTS.index(n) for n in ('bag', 'held_object', 'scarf')])
    assert (render.segment[person & ~carried] > 0).all()


def _near(segment, x, y, wanted, radius):
    patch = segment[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
    return np.isin(patch, [SEGMENTS.index(n) for n in wanted]).any()


def _parts(joint):
    side, _, part = joint.partition('_')
    return [
        f'{side}_{p}'
        for p in {
            'wrist': ('forearm', 'hand'),
            'elbow': ('arm', 'elbow', 'forearm'),
            'knee': ('thigh', 'knee', 'calf'),
            'ankle': ('calf', 'foot'),
        }[part]
    ]


def test_visible_limb_joints_lie_on_their_own_side_s_segments():
    """Left is never taken for right: where a joint is visible, its own side's part is there."""
    own, other, total = 0, 0, 0
    for r in CROPS:
        p = r.people[0]
        for joint in (
            'left_wrist',
            'right_wrist',
            'left_elbow',
            'right_elbow',
            'left_knee',
            'right_knee',
            'left_ankle',
            'right_ankle',
        ):
            if p.visible[JOINT[joint]] != 2:
                continue
            x, y = np.rint(p.joints[JOINT[joint]]).astype(int)
            if GARMENTS[r.garment[y, x]] in ('bag', 'held_object', 'coat', 'skirt', 'dress'):
                continue
            total += 1
            own += _near(r.segment, x, y, _parts(joint), 1)
            swapped = joint.replace('left', '#').replace('right', 'left').replace('#', 'right')
            other += _near(r.segment, x, y, _parts(swapped), 0)
    assert total > 60 and own / total > 0.97 and other / total < 0.03


@pytest.mark.parametrize('render', CROPS + SCENES, ids=str)
def test_joint_visibility_is_what_the_depth_map_says(render):
    h, w = render.garment.shape
    for index, p in enumerate(render.people):
        for j in range(len(JOINTS)):
            x, y = np.rint(p.joints[j]).astype(int)
            inside = 0 <= x < w and 0 <= y < h
            assert (p.visible[j] == 0) == (not inside)
            if not inside:
                continue
            surface, own = float(render.depth_mm[y, x]), render.person_map[y, x] == index
            if p.visible[j] == 1:  # hidden: something really is nearer
                assert 0 < surface < p.joints_3d[j, 2] - (JOINT_DEPTHS[j] * p.person.body.height if own else 0)
            elif own:  # visible: no more of the own body before it than its limb
                assert surface >= p.joints_3d[j, 2] - JOINT_DEPTHS[j] * p.person.body.height


def test_most_joints_of_a_free_standing_person_are_visible_and_a_covered_one_s_are_not():
    person = make_person(11)
    free = render_person(person, np.random.default_rng(0), (256, 128), 1, 'stand', 'front')
    assert (free.people[0].visible == 2).mean() > 0.85
    hidden = [
        render_person(person, np.random.default_rng(s), (256, 128), 1, 'stand', 'front', occluded=True)
        for s in range(8)
    ]
    assert np.mean([(r.people[0].visible == 1).mean() for r in hidden]) > (free.people[0].visible == 1).mean() + 0.08
    back = render_person(person, np.random.default_rng(0), (256, 128), 1, 'stand', 'back').people[0]
    assert (back.visible[[JOINT['nose'], JOINT['left_eye'], JOINT['right_eye']]] == 1).all()


def test_person_s_left_is_right_in_the_picture_from_the_front_and_left_from_the_back():
    for view, sign in (('front', 1), ('back', -1)):
        for seed in range(5):
            p = render_person(make_person(seed), np.random.default_rng(seed), (128, 64), seed, 'stand', view).people[0]
            assert sign * (p.joints[JOINT['left_shoulder'], 0] - p.joints[JOINT['right_shoulder'], 0]) > 0
            assert p.view == view


@pytest.mark.parametrize('render', CROPS, ids=str)
def test_boxes_enclose_the_pixels_and_little_else(render):
    p = render.people[0]
    y, x = np.nonzero(render.person_map == 0)
    np.testing.assert_array_equal(p.visible_box, [x.min(), y.min(), x.max(), y.max()])
    assert (p.visible_box[:2] >= p.full_box[:2] - 1).all() and (p.visible_box[2:] <= p.full_box[2:] + 1).all()
    if p.pose != 'sit':  # a seat may cover a side
        h, w = render.garment.shape
        clipped = np.clip(p.full_box, 0, [w - 1, h - 1, w - 1, h - 1])
        assert np.abs(clipped - p.visible_box).max() <= 2.5
    head = p.head_box
    assert head[0] < p.head_point[0] < head[2] and head[1] < p.head_point[1] < head[3]
    assert head[0] - 1 <= p.joints[JOINT['nose'], 0] <= head[2] + 1
    shown = np.isin(render.garment, [GARMENTS.index(n) for n in ('face', 'hat', 'glasses')]) & (render.person_map == 0)
    if not shown.any():
        return
    y, x = np.nonzero(shown)
    assert x.min() >= head[0] - 1 and x.max() <= head[2] + 1 and y.min() >= head[1] - 1 and y.max() <= head[3] + 1


def test_depth_is_in_millimetres_around_the_skeleton():
    for r in CROPS:
        p = r.people[0]
        own = r.depth_mm[r.person_map == 0].astype(float)
        z = p.joints_3d[:, 2]
        assert z.min() - 450 < own.min() and own.max() < z.max() + 450
        assert 1500 < z.mean() < 15000
        # the picture's scale follows: pixels between two joints = mm / depth * one focal length for all pairs
        focal = [
            np.linalg.norm(p.joints[a] - p.joints[b])
            / np.linalg.norm(p.joints_3d[a, :2] / z[a] - p.joints_3d[b, :2] / z[b])
            for a, b in ((0, JOINT['left_ankle']), (JOINT['head_top'], JOINT['pelvis']))
        ]
        assert focal[0] == pytest.approx(focal[1], rel=1e-3)


def _alone(person, angles, yaw, flip):
    """One person before a camera on its own middle plane; `flip` mirrors the pose and the turn."""
    style = camera_style(1)
    frames = stand_on_ground(person, mirrored_pose(angles) if flip else angles, -yaw if flip else yaw, 0, 0)
    camera = look((0, 1500, 6000), 0.1, 520, (79.5, 79.5))
    blank = np.full((192, 160, 3), 128, np.float32)
    return compose_picture(
        [Actor(person, 'stand', frames)],
        Builder(),
        np.zeros((1, 3)),
        camera,
        style,
        blank,
        np.zeros((192, 160), np.float32),
        np.random.default_rng(0),
    )


def test_mirrored_pose_gives_the_mirrored_segments_with_sides_swapped():
    person = next(
        p
        for p in map(make_person, range(100))
        if p.traits.bag == 'none' and not p.traits.scarf and not p.traits.holds_object
    )
    swap = np.array(
        [SEGMENTS.index(n.replace('left', '#').replace('right', 'left').replace('#', 'right')) for n in SEGMENTS]
    )
    for seed, pose in enumerate(('walk', 'reach', 'bend')):
        angles = random_pose(np.random.default_rng(seed), pose)
        plain, mirrored = _alone(person, angles, 0.6, False), _alone(person, angles, 0.6, True)
        foreground = (plain.person_map >= 0) | (mirrored.person_map[:, ::-1] >= 0)
        agree = plain.segment == swap[mirrored.segment[:, ::-1]]
        assert agree[foreground].mean() > 0.985
        unswapped = plain.segment == mirrored.segment[:, ::-1]
        assert unswapped[foreground].mean() < 0.6  # negative control


def test_scene_has_the_people_asked_for_in_the_heights_asked_for():
    people = [make_person(i) for i in range(3)]
    r = render_scene(np.random.default_rng(0), (200, 300), 7, people=people, min_height=0.3, max_height=0.5)
    assert len(r.people) == 7 and [v.person for v in r.people] == [people[i % 3] for i in range(7)]
    for v in r.people:
        a, b = v.joints[JOINT['head_top']], v.joints[JOINT['left_ankle']]
        a3, b3 = v.joints_3d[JOINT['head_top']], v.joints_3d[JOINT['left_ankle']]
        focal = np.linalg.norm(a - b) / np.linalg.norm(a3[:2] / a3[2] - b3[:2] / b3[2])
        assert 0.26 < 1700 * focal / v.joints_3d[:, 2].mean() / 200 < 0.56  # a standing adult's share of the picture
    overlapping = sum(len(np.unique(s.person_map[s.person_map >= 0])) > 1 for s in SCENES)
    assert overlapping == len(SCENES)


@pytest.mark.parametrize('count', [1, 40, 200])
def test_crowd_heads_lie_inside_and_most_are_seen(count):
    r = render_crowd(np.random.default_rng(count), (240, 320), count)
    assert len(r.people) == count
    points = np.array([p.head_point for p in r.people])
    assert (points >= 0).all() and (points[:, 0] <= 319).all() and (points[:, 1] <= 239).all()
    assert np.mean([p.visible_box.any() for p in r.people]) > 0.9
    heights = np.array([p.head_box[3] - p.head_box[1] for p in r.people])
    if count > 30:  # perspective: the lower in the picture, the larger
        assert np.corrcoef(points[:, 1], heights)[0, 1] > 0.6


def test_empty_scene_is_a_picture_without_people():
    r = render_scene(np.random.default_rng(0), (64, 64), 0)
    assert r.people == [] and (r.person_map == -1).all() and r.image.std() > 1


def test_wrong_requests_say_what_is_wrong():
    person, rng = make_person(0), np.random.default_rng(0)
    with pytest.raises(ValueError, match="Did you mean 'front'"):
        render_person(person, rng, (64, 32), 0, view='frnt')
    with pytest.raises(ValueError, match='at least 8 x 8'):
        render_person(person, rng, (4, 4), 0)
    with pytest.raises(ValueError, match='min_height'):
        render_scene(rng, (64, 64), 1, min_height=0.5, max_height=0.2)
