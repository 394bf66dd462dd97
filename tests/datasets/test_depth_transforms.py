"""Colour, depth, labels and joints move together; depth is never mixed; what a sample of HCMoCo holds."""
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose

from humanbench import datasets
from humanbench.datasets.transforms import (
    DepthBoxCrop,
    HideJointsOutside,
    HideModality,
    JointCrop,
    LoadDepth,
    LoadImage,
    PackHumanInputs,
    RandomFlip,
    RandomJointCrop,
    RandomResizedCrop,
    RandomScaleCrop,
    Resize,
    SelectJoints,
)
from humanbench.datasets.transforms.geometry import padded_window
from humanbench.errors import UserError
from humanbench.joint_sets import MPII16

MIDDLE = np.array([30, 20])


def scene(joints: int = 25, **more) -> dict:
    """A 60 x 80 image of one bright square at MIDDLE, which is 2 m away and class 5; the joints lie in it."""
    image, depth, labels = np.zeros((60, 80, 3), np.uint8), np.zeros((60, 80), np.float32), np.zeros((60, 80), np.uint8)
    x, y = MIDDLE
    for array, value in ((image, 200), (depth, 2.0), (labels, 5)):
        array[y - 6:y + 7, x - 6:x + 7] = value
    points = MIDDLE + np.random.default_rng(0).uniform(-4, 4, (1, joints, 2))
    return dict(img=image, img_shape=(60, 80), img_path='a.jpg', sample_idx=3, gt_depth=depth, has_depth=True,
                gt_seg_map=labels, keypoints=points.astype(np.float32), dataset='ntu_rgbd',
                keypoints_visible=np.ones((1, joints), np.float32), flip_indices=np.arange(25), **more)


def assert_maps_agree(results: dict) -> None:
    """Bright, near and labelled are the same pixels, but for those on the border; visible joints lie in them."""
    bright, near, labelled = results['img'][..., 0] > 100, results['gt_depth'] > 0, results['gt_seg_map'] == 5
    assert near.any() and set(np.unique(results['gt_depth'])) <= {np.float32(0), np.float32(2)}
    assert (near == labelled).mean() > 0.97 and (near == bright).mean() > 0.97
    points = results['transformed_keypoints'][0][results['keypoints_visible'][0] > 0]
    assert len(points) and all(near[y, x] for x, y in np.round(points).astype(int))


@pytest.mark.parametrize('step', [
    RandomJointCrop((64, 64), (0.05, 0.2)), RandomJointCrop((96, 96), (0.5, 1.2)), JointCrop((48, 48), 2.5),
    Resize((90, 120)), Resize((45, 40))], ids=lambda x: type(x).__name__)
def test_all_maps_move_together(step):
    for seed in range(12):
        np.random.seed(seed)
        results = scene()
        if isinstance(step, Resize):  # of which label maps keep their own size
            del results['gt_seg_map']
        results = step.transform(results)
        if isinstance(step, Resize):
            results['gt_seg_map'] = np.where(results['gt_depth'] > 0, 5, 0).astype(np.uint8)
        assert_maps_agree(results)
        assert_maps_agree(RandomFlip(1.0).transform(results))


def test_scaled_crops_take_depth_with_them():
    for seed in range(12):
        np.random.seed(seed)
        results = RandomScaleCrop((60, 80), (0.8, 1.2, 1.5), 0.5).transform(scene())
        near, labelled = results['gt_depth'] > 0, results['gt_seg_map'] == 5
        assert results['gt_depth'].shape == (60, 80) and (near == labelled).all()


def test_a_transform_that_forgets_depth_is_refused():
    results = PackHumanInputs().transform(SelectJoints('mpii16').transform(scene()))
    assert results['data_samples'].gt_depth.shape == (1, 60, 80)
    cropped = RandomResizedCrop((32, 32)).transform(SelectJoints('mpii16').transform(scene()))
    with pytest.raises(UserError, match=r'\(32, 32\) and its depth of \(60, 80\)'):
        PackHumanInputs().transform(cropped)


def test_windows_beyond_the_border_are_filled():
    image = np.arange(12).reshape(3, 4).astype(np.uint8)
    assert padded_window(image, (1, 1, 3, 3)).tolist() == [[5, 6], [9, 10]]
    assert padded_window(image, (-1, -2, 2, 2), 255).tolist() == [[255] * 4, [255, 255, 0, 1], [255, 255, 4, 5]]
    assert padded_window(image, (2, 3, 5, 6)).tolist() == [[11, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert not padded_window(image, (-9, -9, -4, -4)).any() and padded_window(image, (7, 7, 9, 9)).shape == (2, 2)
    assert padded_window(image.astype(np.float32), (0, -1, 1, 1)).dtype == np.float32


def test_random_squares_are_drawn_around_the_joints_and_of_all_sizes():
    shares, middles = [], []
    for seed in range(200):
        np.random.seed(seed)
        results = RandomJointCrop((60, 60), (0.08, 1.2)).transform(scene())
        area = (results['gt_depth'] > 0).sum() / 169  # how many times the square of 13 x 13 pixels was enlarged
        shares.append(3600 / area / 4800)
        shown = results['transformed_keypoints'][0]
        middles.append(((shown.max(0) + shown.min(0)) / 2 - 29.5) * (shares[-1] * 4800) ** 0.5 / 60)
    assert 0.05 < min(shares) < 0.2 and 1.0 < max(shares) < 1.3 and 0.5 < np.mean(shares) < 0.8
    assert np.abs(middles).max() < 6 and np.std(middles, axis=0).min() > 1  # pixels: the box of the joints is 8 wide


def test_a_square_shows_a_joint_and_some_depth():
    def apart(seed: int, attempts: int) -> tuple[bool, bool]:
        np.random.seed(seed)
        results = scene()
        results['keypoints'][0, 0] = 79, 59  # far from all others, where there is no depth
        results = RandomJointCrop((32, 32), (0.02, 0.05), attempts).transform(results)
        return bool(results['gt_depth'].any()), bool(results['keypoints_visible'].any())
    several = [apart(seed, 40) for seed in range(30)]
    assert all(a and b for a, b in several) and not all(a and b for a, b in (apart(seed, 1) for seed in range(30)))


def test_without_joints_the_square_is_around_the_depth():
    results = scene()
    results['keypoints_visible'][:] = 0
    cropped = JointCrop((50, 50), 1.5).transform(results)
    assert (cropped['gt_depth'] > 0).mean() == pytest.approx((13 / 18) ** 2, abs=0.05)
    del results['keypoints']
    results.update(scene(), has_depth=False)
    del results['keypoints'], results['gt_depth']
    assert JointCrop((50, 50)).transform(results)['img'].shape == (50, 50, 3)


@pytest.mark.parametrize('build', [lambda: RandomJointCrop((32, 48)), lambda: JointCrop((10, 20)),
                                   lambda: RandomJointCrop((32, 32), (0.5, 0.1)), lambda: SelectJoints('mpii')])
def test_what_cannot_be_built(build):
    with pytest.raises(UserError):
        build()


# ------------------------------------------------------------------------------------------------------------ joints
def test_joints_of_a_set_replace_the_datasets_own():
    results = scene()
    results['keypoints'][0] = np.arange(25)[:, None]
    results['keypoints_visible'][0, 5] = 0
    results['keypoints'][0, 3] = 90, 5  # to the right of the image
    results = SelectJoints('mpii16').transform(results)
    assert results['keypoints'][0, :, 0].tolist() == [14, 13, 12, 16, 17, 18, 0, 1, 2, 90, 6, 5, 4, 8, 9, 10]
    assert np.flatnonzero(results['keypoints_visible'][0] == 0).tolist() == [9, 11]


def test_a_crop_leaves_the_skeleton_as_it_was():
    shown = []
    for seed in range(9):
        np.random.seed(seed)
        whole = SelectJoints('mpii16').transform(scene())
        joints, known = whole['keypoints'].copy(), whole['keypoints_visible'].copy()
        packed = PackHumanInputs().transform(RandomJointCrop((32, 32), (0.01, 0.05)).transform(whole))
        instances = packed['data_samples'].gt_instances
        assert np.array_equal(instances.skeleton, joints) and np.array_equal(instances.skeleton_visible, known)
        assert not np.array_equal(instances.keypoints, joints)
        shown.append(instances.keypoints_visible.sum() / known.sum())
    assert min(shown) < 1  # small crops do not show all of them


def test_a_record_without_joints_has_none_that_is_known():
    results = scene()
    del results['keypoints'], results['keypoints_visible']
    results = SelectJoints('reduced13').transform(results)
    assert results['keypoints'].shape == (1, 13, 2) and not results['keypoints_visible'].any()


def test_a_mirror_exchanges_joints_by_their_set_and_classes_by_theirs():
    results = scene()
    results['flip_indices'] = np.array([0, 2, 1, 3, 4, 6, 5, *range(7, 25)])
    results = JointCrop((40, 40)).transform(SelectJoints('mpii16').transform(results))
    before = results['transformed_keypoints'].copy()
    flipped = RandomFlip(1.0).transform(results)
    assert np.allclose(flipped['transformed_keypoints'][0, :, 0], 39 - before[0, MPII16.flip_indices, 0])
    assert set(np.unique(flipped['gt_seg_map'])) <= {0, 6}


def test_joints_that_an_affine_crop_does_not_show_are_hidden():
    results = dict(img=np.zeros((10, 20, 3), np.uint8), keypoints_visible=np.ones((1, 4), np.float32),
                   transformed_keypoints=np.array([[[0, 0], [19.4, 9.4], [19.6, 5], [5, -0.6]]], np.float32))
    assert HideJointsOutside().transform(results)['keypoints_visible'].tolist() == [[1, 1, 0, 0]]


# ------------------------------------------------------------------------------------------------------- what comes out
def test_a_crop_without_any_depth_has_none():
    results = SelectJoints('mpii16').transform(scene())
    results['gt_depth'][:] = 0
    sample = PackHumanInputs().transform(results)['data_samples']
    assert sample.has_depth is False and sample.gt_depth.sum() == 0 and sample.index == 3
    assert PackHumanInputs().transform(scene())['data_samples'].has_depth is True


def test_samples_of_frames_and_photos_are_alike(edition):
    """The contract of HCMoCo, by the shipped pipelines."""
    from tests.datasets.test_minihuman import config
    steps = config('rgbd')
    ntu = datasets.NTURGBD('minihuman:tiny', pipeline=steps['rgbd_train_pipeline'])
    photos = [reader('minihuman:tiny', pipeline=[dict(x, joint_set='reduced13') if 'joint_set' in x else x
                                                 for x in steps['depthless_train_pipeline']])
              for reader in (datasets.MPII, datasets.CocoKeypoints)]
    labelled = datasets.NTURGBDParsing('minihuman:tiny', pipeline=steps['rgbd_parsing_train_pipeline'])
    for data, depth, joints in ((ntu, {True, False}, 16), (photos[0], {False}, 13), (photos[1], {False}, 13),
                                (labelled, {True}, 16)):
        found = set()
        for i in range(len(data)):
            np.random.seed(i)
            item = data[i]
            sample = item['data_samples']
            assert item['inputs'].shape == (3, 320, 320) and item['inputs'].dtype == torch.uint8
            assert sample.gt_depth.shape == (1, 320, 320) and sample.gt_depth.dtype == torch.float32
            assert sample.has_depth == bool(sample.gt_depth.any()) and sample.index == i
            points, visible = sample.gt_instances.keypoints, sample.gt_instances.keypoints_visible
            assert points.shape == (1, joints, 2) and visible.shape == (1, joints)
            assert set(visible.ravel().tolist()) <= {0, 1}
            shown = points[visible > 0]
            assert ((shown >= -0.5) & (shown < 319.5)).all()
            found.add(sample.has_depth)
        assert found == depth
    assert sample.gt_sem_seg.data.shape == (1, 320, 320)


# -------------------------------------------------------------------------------------------------------------- ITOP
def depth_record() -> dict:
    image = np.zeros((60, 80), np.float32)
    image[10:50, 20:50] = 3.0
    image[25:30, 30:35] = 1.5
    points = np.array([[[32, 27], [20, 10], [49, 49]]], np.float32)
    return dict(img=image, keypoints=points, keypoints_visible=np.ones((1, 3), np.float32), task='pose_3d',
                keypoints_3d=np.array([[[0, 0, 1.5], [0, 0, 3], [0, 0, 3]]], np.float32),
                bbox=np.array([[20, 10, 49, 49]], np.float32), img_path='a.h5')


def test_the_box_fills_the_crop_and_the_warp_says_how():
    results = DepthBoxCrop((96, 64)).transform(depth_record())
    assert results['img'].shape == (96, 64) and results['img'].dtype == np.float32
    assert set(np.unique(results['img'])) == {np.float32(1.5), np.float32(3)}
    assert np.allclose(results['transformed_keypoints'][0, 1:], [[0, 0], [63, 95]], atol=1e-3)
    x, y = results['transformed_keypoints'][0, 0].round().astype(int)
    assert results['img'][y, x] == 1.5 and results['keypoints_visible'].all()
    packed = PackHumanInputs().transform(dict(results, camera=(1, 2, 3)))
    assert packed['inputs'].shape == (1, 96, 64) and packed['inputs'].dtype == torch.float32
    assert len(packed['data_samples'].warp) == 6 and packed['data_samples'].gt_instances.keypoints_3d.shape == (1, 3, 3)


def test_random_crops_of_depth_keep_joints_on_their_pixels():
    for seed in range(20):
        np.random.seed(seed)
        results = DepthBoxCrop((96, 96), shift=5, rotate=15, scale=(0.5, 1.5)).transform(depth_record())
        x, y = results['transformed_keypoints'][0, 0].round().astype(int)
        assert set(np.unique(results['img'])) <= {np.float32(0), np.float32(1.5), np.float32(3)}
        assert not results['keypoints_visible'][0, 0] or results['img'][y, x] == 1.5


def test_the_cut_behind_true_joints_is_off_unless_asked_for():
    record = depth_record()
    record['img'][0, 0], record['bbox'] = 5.0, np.array([[0, 0, 79, 59]], np.float32)
    assert DepthBoxCrop((60, 80)).transform(dict(record))['img'].max() == 5
    assert DepthBoxCrop((60, 80), cut=0.05).transform(dict(record))['img'].max() == 3


def test_mirrored_joints_lose_their_places():
    """Where a mirror shows a place depends on the camera: better none than a wrong one."""
    results = DepthBoxCrop((64, 64)).transform(dict(depth_record(), flip_indices=np.arange(3)))
    assert 'keypoints_3d' not in RandomFlip(1.0).transform(results)


@pytest.mark.parametrize('modality', ['rgb', 'depth'])
def test_a_hidden_modality_is_as_if_it_had_never_been_seen(modality):
    found = PackHumanInputs().transform(HideModality(modality).transform(scene()))
    sample = found['data_samples']
    assert sample.has_depth == (modality != 'depth') == bool(sample.gt_depth.any())
    assert sample.get('has_rgb', True) == (modality != 'rgb') == bool(found['inputs'].any())
    with pytest.raises(UserError, match="Did you mean 'depth'"):
        HideModality('dept')


def test_files_are_loaded_as_they_are(edition):
    steps = Compose([dict(type=LoadImage, lazy=True), dict(type=LoadDepth)])
    data = datasets.NTURGBD('minihuman:tiny')
    loaded = [steps(data.get_data_info(i)) for i in range(len(data))]
    assert {x['has_depth'] for x in loaded} == {True, False}
