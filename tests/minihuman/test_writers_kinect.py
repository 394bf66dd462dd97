"""NTU RGB+D, NTURGBD-Parsing-4K and ITOP of the synthetic edition: depth, joints and labels of one scene agree."""
from itertools import chain
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from scipy.io import loadmat

from humanbench import catalog

from .written import COUNTS, files, lines

SIDES = {'left': 'right', 'right': 'left'}


def skeletons(path: Path) -> list[list[np.ndarray]]:
    """(25, 12) for every body of every frame, by a reader of the test's own."""
    rows, found = iter(lines(path)), []
    for _ in range(int(next(rows))):
        frame = []
        for _ in range(int(next(rows))):
            assert len(next(rows).split()) == 10 and next(rows) == '25'
            frame.append(np.array([next(rows).split() for _ in range(25)], float))
        found.append(frame)
    assert next(rows, None) is None
    return found


def depth_of(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image.dtype == np.uint16 and image.ndim == 2
    return image / 1000


@pytest.fixture
def clips(root) -> dict[str, list[list[np.ndarray]]]:
    return {x.stem: skeletons(x) for x in sorted((root('ntu_rgbd') / 'nturgb+d_skeletons').iterdir())}


def test_ntu_has_a_clip_of_every_kind(root, clips):
    folder = root('ntu_rgbd')
    assert len(clips) * 4 == COUNTS['ntu_rgbd']['train'] and all(len(x) == 4 for x in clips.values())
    colour, depth = folder / 'nturgb+d_rgb_warped_correction', folder / 'nturgb+d_depth_masked'
    assert {x.name for x in colour.iterdir()} == clips.keys() > {x.name for x in depth.iterdir()}
    for tag in clips:
        assert files(colour / tag) == [f'WRGB-{k:08d}.jpg' for k in (1, 2, 3, 4)]
    bodies = {tag: [len(frame) for frame in frames] for tag, frames in clips.items()}
    assert {1, 2} <= {x for one in bodies.values() for x in one}  # a chair is taken for a second body
    text = lines(folder / 'NTU_RGBD_samples_with_missing_skeletons.txt')
    assert text[2:] == [tag for tag, x in bodies.items() if not any(x)] and text[2:]
    assert any(x[0] == 0 and x[1] for x in bodies.values())  # nobody has come yet


def test_depth_and_joints_are_of_one_scene(root, clips):
    """A joint that is seen lies just behind the surface; or the sign, the unit or the frame would be wrong."""
    depth, behind = root('ntu_rgbd') / 'nturgb+d_depth_masked', []
    for tag, frames in clips.items():
        for k, frame in enumerate(frames, 1):
            path = depth / tag / f'MDepth-{k:08d}.png'
            if not frame or not path.exists():
                continue
            image, joints = depth_of(path), frame[0]
            assert 0.02 < (image > 0).mean() < 0.5 and image[image > 0].min() > 1 and image.max() < 5
            for x, y, z in joints[joints[:, 11] == 2][:, [3, 4, 2]]:
                surface = image[round(y), round(x)]
                behind += [z - surface] if surface else []
    assert len(behind) > 100 and np.mean(np.abs(behind) < 0.3) > 0.97 and 0 < np.median(behind) < 0.15


def test_nearer_limbs_are_nearer(root, clips):
    """Within a frame, the depth below the joints is ordered as the joints are."""
    depth, agreement = root('ntu_rgbd') / 'nturgb+d_depth_masked', []
    for tag, frames in clips.items():
        for k, frame in enumerate(frames, 1):
            path = depth / tag / f'MDepth-{k:08d}.png'
            if frame and path.exists():
                seen = frame[0][frame[0][:, 11] == 2]
                surface = depth_of(path)[seen[:, 4].round().astype(int), seen[:, 3].round().astype(int)]
                far = np.subtract.outer(seen[:, 2], seen[:, 2])
                pairs = (far > 0.2) & (surface[:, None] > 0) & (surface[None] > 0)
                agreement += (np.subtract.outer(surface, surface)[pairs] > 0).tolist()
    assert len(agreement) > 50 and np.mean(agreement) > 0.97


def test_both_views_are_of_pinhole_cameras_side_by_side(clips):
    for tag, frames in clips.items():
        joints = np.concatenate([x[0] for x in frames if x] or [np.empty((0, 12))])
        if not len(joints):
            continue
        for x, y, focal in ((3, 4, None), (5, 6, 1081)):
            right = np.column_stack([joints[:, 0] / joints[:, 2], np.ones(len(joints)), 1 / joints[:, 2]])
            solved, error, *_ = np.linalg.lstsq(right, joints[:, x], rcond=None)
            assert np.sqrt(error / len(joints)).max(initial=0) < 0.1  # pixels
            down = np.column_stack([-joints[:, 1] / joints[:, 2], np.ones(len(joints)), 1 / joints[:, 2]])
            assert np.linalg.lstsq(down, joints[:, y], rcond=None)[0][0] == pytest.approx(solved[0], rel=0.01)
            assert focal is None or solved[0] == pytest.approx(focal, rel=0.01)
            assert focal is None or solved[2] == pytest.approx(0.052 * 1081, rel=0.3)  # the way between the cameras
            assert tag[:4] in ('S001', 'S002')


def test_left_is_what_looks_like_right(clips):
    """A Kinect delivers its pictures mirrored. Of somebody who faces the camera its left lies to the left."""
    names = catalog.card('ntu_rgbd').keypoints
    left, right = names.index('left_shoulder'), names.index('right_shoulder')
    frames = [x[0] for clip in clips.values() for x in clip if x]
    assert frames and np.mean([x[left, 3] < x[right, 3] for x in frames]) > 0.9  # all look ahead, more or less


def test_labelled_frames(root):
    folder, card = root('nturgbd_parsing'), catalog.card('nturgbd_parsing')
    counts = COUNTS['nturgbd_parsing']
    listed = {split: lines(folder / f'{split}_list_v2.txt') for split in counts}
    assert {split: len(x) for split, x in listed.items()} == counts
    for split in counts:
        fifth = lines(folder / f'{split}_list_v3.txt')
        assert set(fifth) < set(listed[split]) and len(fifth) == -(-counts[split] // 5)
    heads = []
    for name in chain.from_iterable(listed.values()):
        tag = Path(name).stem
        labels = cv2.imread(str(folder / f'png_annotation_v2/{tag}.png'), cv2.IMREAD_UNCHANGED)
        depth = depth_of(folder / f'depth/MDepth-{tag}.png')
        assert set(np.unique(labels)) <= set(card.label_ids) and len(np.unique(labels)) > 8
        assert depth.shape == labels.shape and ((labels > 0) == (depth > 0)).mean() > 0.98
        frames = skeletons(folder / f'nturgb+d_skeletons/{tag[:20]}.skeleton')
        assert [len(x) for x in frames] == [0] * (int(tag[21:]) - 1) + [1]
        x, y = frames[-1][0][3, 3:5].round().astype(int)  # the head
        heads.append(labels[y, x] == card.label_ids[card.classes.index('head')])
    assert np.mean(heads) > 0.7  # some are covered by an arm


@pytest.mark.parametrize('split', COUNTS['itop_side'])
def test_itop(root, split):
    folder, count = root('itop_side'), COUNTS['itop_side'][split]
    with h5py.File(folder / f'ITOP_side_{split}_depth_map.h5') as file:
        depth = file['data'][()].astype(float)
    with h5py.File(folder / f'ITOP_side_{split}_labels.h5') as file:
        valid, points, places = (file[x][()] for x in ('is_valid', 'image_coordinates', 'real_world_coordinates'))
    assert depth.shape == (count, 240, 320) and points.shape == (count, 15, 2) and places.shape == (count, 15, 3)
    assert depth.min() > 0.5 and depth.max() < 8 and valid.sum() > 0 and (count < 7 or valid.sum() < count)
    seen = (160, 120) + places[..., :2] * (1, -1) / places[..., 2:] / 0.0035
    off = np.abs(seen - points).max((1, 2))
    assert off[valid == 1].max() < 1 and (off[valid == 0] > 5).all()
    behind = []
    for image, xy, z in zip(depth[valid == 1], points[valid == 1], places[valid == 1][..., 2]):
        inside = ((xy >= 0) & (xy < (320, 240))).all(1)
        behind += (z[inside] - image[xy[inside, 1], xy[inside, 0]]).tolist()
    assert np.mean(np.abs(behind) < 0.35) > 0.9 and np.median(behind) > 0
    boxes = loadmat(folder / 'itop_side_bndbox_test.mat')['FRbndbox_test']
    assert split == 'train' or (len(boxes) == valid.sum() and (boxes[:, 2:] > boxes[:, :2] + 20).all())
