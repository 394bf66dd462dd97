"""Our transforms against the slow way, the library's way, or geometry that can be checked by eye."""
import copy
import pickle
import random

import cv2
import numpy as np
import pytest
import torch
from mmdet.structures.bbox import HorizontalBoxes
from mmpose.datasets import transforms as mmpose_transforms

from humanbench import catalog
from humanbench.datasets import transforms
from humanbench.datasets.transforms.geometry import ResizeLabelMap, flip_labels, nearest, resize_image
from humanbench.structures import HumanSample, InstanceData, PixelData


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """An image without fine detail, so that half a pixel makes little difference."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def person(seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    card = catalog.card('coco_pose')
    return {
        'img': smooth(120, 160), 'img_shape': (120, 160), 'bbox': np.array([[30, 20, 110, 100]], np.float32),
        'keypoints': rng.uniform(30, 100, (1, 17, 2)).astype(np.float32),
        'keypoints_visible': np.ones((1, 17), np.float32),
        'flip_indices': np.array(card.flip_indices), 'upper_body_ids': list(card.upper_body),
        'lower_body_ids': list(card.lower_body)}


def boxed(record: dict) -> dict:
    return mmpose_transforms.GetBBoxCenterScale(padding=1.25)(record)


# ------------------------------------------------------------------------------------------------------------- pose
@pytest.mark.parametrize('rotation', [0.0, 33.0, -80.0])
def test_topdown_affine_equals_mmpose(rotation):
    ours, theirs = boxed(person()), boxed(person())
    for record in (ours, theirs):
        record['bbox_rotation'] = np.array([rotation], np.float32)
    transforms.TopdownAffine(input_size=(48, 64))(ours)
    mmpose_transforms.TopdownAffine(input_size=(48, 64), use_udp=True)(theirs)
    assert (ours['img'] == theirs['img']).all()
    for key in ('transformed_keypoints', 'input_center', 'input_scale', 'bbox_scale', 'input_size'):
        assert np.allclose(ours[key], theirs[key], atol=1e-3), key
    biased = boxed(person())
    mmpose_transforms.TopdownAffine(input_size=(48, 64), use_udp=False)(biased)
    assert not np.allclose(ours['transformed_keypoints'], biased['transformed_keypoints'], atol=1e-3)


def test_flip_of_the_crop_equals_the_crop_of_the_flip():
    """Flipping first, as MMPose does, and mirroring the crop give the same picture and keypoints."""
    ours, theirs = boxed(person()), person()
    theirs.update(mmpose_transforms.RandomFlip(prob=1.0)(dict(theirs)))
    theirs['img'] = np.ascontiguousarray(theirs['img'])
    theirs = boxed(theirs)
    transforms.RandomFlip(prob=1.0)(transforms.TopdownAffine(input_size=(48, 64))(ours))
    mmpose_transforms.TopdownAffine(input_size=(48, 64), use_udp=True)(theirs)
    assert np.abs(ours['img'].astype(int) - theirs['img']).max() <= 2  # fixed-point interpolation is not symmetric
    assert np.allclose(ours['transformed_keypoints'], theirs['transformed_keypoints'], atol=1e-3)
    assert ours['flip'] is True


def test_half_body_has_the_library_s_distribution():
    def share(transform) -> float:
        return np.mean([(transform(dict(record))['bbox_scale'] != record['bbox_scale']).any() for _ in range(2000)])
    record = boxed(person())
    np.random.seed(0)
    ours, theirs = share(transforms.RandomHalfBody(prob=0.3)), share(mmpose_transforms.RandomHalfBody(prob=0.3))
    assert ours == pytest.approx(0.3, abs=0.04) and theirs == pytest.approx(ours, abs=0.05)
    few = dict(record, keypoints_visible=np.zeros((1, 17), np.float32))
    assert transforms.RandomHalfBody(prob=1.0)(few)['bbox_scale'] is not None
    assert (few['bbox_scale'] == record['bbox_scale']).all()


@pytest.mark.parametrize('labelled', [range(17), [*range(5), 11, 12, 13, 14], range(11), [0, 5, *range(9, 17)]])
@pytest.mark.parametrize('upper', [0.0, 1.0])
def test_half_body_equals_mmpose(labelled, upper):
    """With everything drawn for certain: the same half, centre and size; a person with too few keypoints stays."""
    for seed in range(5):
        ours, theirs = boxed(person(seed)), boxed(person(seed))
        for record in (ours, theirs):
            record['keypoints_visible'] = np.isin(np.arange(17), list(labelled))[None].astype(np.float32)
        before = ours['bbox_center'].copy()
        transforms.RandomHalfBody(prob=1.0, upper_prioritized_prob=upper)(ours)
        mmpose_transforms.RandomHalfBody(prob=1.0, upper_prioritized_prob=upper)(theirs)
        assert (ours['bbox_center'] != before).all()
        for key in ('bbox_center', 'bbox_scale'):
            assert ours[key].shape == theirs[key].shape and ours[key].dtype == theirs[key].dtype == np.float32
            assert np.allclose(ours[key], theirs[key], atol=1e-4), key


def test_box_transform_draws_what_the_recipe_says():
    np.random.seed(0)
    transform = transforms.RandomBoxTransform(scale_factor=0.5, rotate_factor=40, rotate_prob=0.6, shift_prob=0.3)
    drawn = [transform({'bbox_center': np.zeros((1, 2), np.float32), 'bbox_scale': np.full((1, 2), 100, np.float32)})
             for _ in range(3000)]
    scale = np.array([x['bbox_scale'][0, 0] for x in drawn]) / 100
    angle = np.array([x['bbox_rotation'][0] for x in drawn])
    shift = np.array([x['bbox_center'][0] for x in drawn])
    assert scale.min() == pytest.approx(0.5) and scale.max() == pytest.approx(1.5)
    assert np.mean(scale == 0.5) == pytest.approx(0.159, abs=0.03)  # the clipped tails of a normal of deviation s
    assert np.abs(angle).max() == pytest.approx(80) and np.mean(angle != 0) == pytest.approx(0.6, abs=0.04)
    assert np.std(angle[np.abs(angle) > 0]) == pytest.approx(40 * 0.96, rel=0.1)
    assert np.mean((shift != 0).any(1)) == pytest.approx(0.3, abs=0.04) and np.abs(shift).max() <= 150 * 0.16


def test_centre_jitter_is_a_share_of_the_annotated_box():
    np.random.seed(0)
    record = boxed(person())
    moved = [transforms.JitterBoxCenter(prob=0.3, factor=0.2)(dict(record))['bbox_center'] - record['bbox_center']
             for _ in range(2000)]
    moved = np.concatenate(moved)
    assert np.mean((moved != 0).any(1)) == pytest.approx(0.3, abs=0.04)
    assert 14 < np.abs(moved).max() <= 16  # 0.2 of 80 pixels


# ------------------------------------------------------------------------------------------------------- all tasks
def test_flip_moves_every_label():
    boxes = HorizontalBoxes(torch.tensor([[2.0, 3.0, 10.0, 8.0]]))
    record = {'img': smooth(20, 40), 'gt_points': np.array([[0, 5], [39, 6]], np.float32), 'gt_bboxes': boxes,
              'gt_seg_map': np.tile(np.arange(40, dtype=np.uint8) % 20, (20, 1)),
              'flip_indices': np.array(catalog.card('lip').flip_indices)}
    image, labels, points = record['img'].copy(), record['gt_seg_map'].copy(), record['gt_points'].copy()
    transforms.RandomFlip(prob=1.0)(record)
    assert (record['img'] == image[:, ::-1]).all()
    assert record['gt_points'].tolist() == [[39, 5], [0, 6]]
    assert record['gt_bboxes'].tensor.tolist() == [[30, 3, 38, 8]]
    assert (record['gt_seg_map'] == flip_labels(labels, record['flip_indices'])).all()
    transforms.RandomFlip(prob=1.0)(record)
    assert (record['img'] == image).all() and (record['gt_seg_map'] == labels).all()
    assert (record['gt_points'] == points).all()
    assert transforms.RandomFlip(prob=0.0)(record)['flip'] is False and (record['img'] == image).all()


@pytest.mark.parametrize('id', catalog.ids('parsing'))
def test_flipping_labels_twice_changes_nothing(id):
    card = catalog.card(id)
    labels = np.random.default_rng(0).integers(0, len(card.classes), (9, 7), np.uint8)
    labels[0, 0] = 255
    once = flip_labels(labels, np.array(card.flip_indices))
    assert once[0, 6] == 255
    assert (once != labels[:, ::-1]).any() == bool(card.flip_pairs)  # sides were exchanged, where there are any
    assert (flip_labels(once, np.array(card.flip_indices)) == labels).all()


def test_pad_crop_equals_padding_and_cropping():
    for seed in range(20):
        np.random.seed(seed)
        image = smooth(32, 24, seed)
        ours = transforms.PadCrop(padding=10)({'img': image})['img']
        np.random.seed(seed)
        down, right = np.random.randint(-10, 11, 2)
        padded = cv2.copyMakeBorder(image, 10, 10, 10, 10, cv2.BORDER_CONSTANT)
        assert (ours == padded[10 - down:42 - down, 10 - right:34 - right]).all()
        assert ours.shape == image.shape


def test_random_erasing():
    np.random.seed(0)
    image = np.full((256, 128, 3), 100, np.uint8)
    shares = []
    for _ in range(600):
        erased = transforms.RandomErasing(prob=0.5)({'img': image})['img']
        mask = (erased != 100).any(2)
        if mask.any():
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            window = erased[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
            assert (window == window[0, 0]).all()  # one colour
            shares.append(mask.mean())
    assert len(shares) / 600 == pytest.approx(0.5, abs=0.07)
    assert 0.01 < min(shares) < 0.05 and 0.3 < max(shares) < 0.41
    assert (image == 100).all()  # the picture that came in is untouched


def test_erasing_with_noise_draws_every_pixel():
    image = np.full((128, 64, 3), 100, np.uint8)
    np.random.seed(0)
    erased = transforms.RandomErasing(prob=1.0, area=(0.4, 0.4), noise=True)({'img': image})['img']
    mask = (erased != 100).any(2)
    assert mask.mean() == pytest.approx(0.4, abs=0.03) and erased[mask].mean() == pytest.approx(127.5, abs=5)
    assert len(np.unique(erased[mask], axis=0)) > 0.99 * mask.sum() and (image == 100).all()


def test_a_label_map_at_another_size_moves_the_size_of_predictions_too():
    labels = np.repeat(np.array([[2] * 50, [8] * 50], np.uint8), (40, 62), axis=0)  # class 8 below class 2
    made = {}
    for interpolate in (False, True):
        results = ResizeLabelMap((100, 50), interpolate)(
            dict(gt_seg_map=labels.copy(), ori_shape=(102, 50)))
        assert results['gt_seg_map'].shape == results['ori_shape'] == (100, 50)
        made[interpolate] = set(np.unique(results['gt_seg_map']).tolist())
    assert made[False] == {2, 8} < made[True]  # the release makes classes between two that meet
    same = ResizeLabelMap((102, 50), True)(
        dict(gt_seg_map=labels.copy(), ori_shape=(102, 50)))
    assert np.array_equal(same['gt_seg_map'], labels)


def test_resize_averages_where_it_shrinks():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::2] = 200
    assert np.abs(resize_image(stripes, (16, 16)).astype(int) - 100).max() <= 1
    assert np.ptp(resize_image(stripes, (48, 48))) > 50  # bilinear keeps stripes
    assert transforms.Resize(size=(16, 8))({'img': stripes})['img_shape'] == (16, 8)


# ---------------------------------------------------------------------------------------------------------- parsing
@pytest.mark.parametrize('scale', [0.5, 0.8, 1.0, 1.3, 1.6])
def test_scale_crop_equals_resize_then_crop(scale):
    image, labels = smooth(160, 120), np.zeros((160, 120), np.uint8)
    labels[40:120, 30:90] = 7
    for seed in range(5):
        np.random.seed(seed)
        record = transforms.RandomScaleCrop(size=(96, 80), scales=(scale,))({'img': image, 'gt_seg_map': labels})
        np.random.seed(seed)
        np.random.randint(1)
        height, width = round(96 * scale), round(80 * scale)
        top, left = np.random.randint(max(height - 96, 0) + 1), np.random.randint(max(width - 80, 0) + 1)
        slow = cv2.resize(image, (width, height))[top:top + 96, left:left + 80]
        slow_labels = nearest(labels, (height, width))[top:top + 96, left:left + 80]
        h, w = slow.shape[:2]
        assert record['img'].shape == (96, 80, 3) and record['gt_seg_map'].shape == (96, 80)
        assert np.abs(record['img'][:h, :w].astype(int) - slow).mean() < 4
        assert (record['gt_seg_map'][:h, :w] != slow_labels).mean() < 0.04
        assert not record['img'][h:].any() and not record['img'][:, w:].any()
        assert (record['gt_seg_map'][h:] == 255).all() and (record['gt_seg_map'][:, w:] == 255).all()


@pytest.mark.parametrize('scale', [0.7, 1.4])
def test_scale_crop_mirrors_what_it_keeps(scale):
    rng, order = np.random.default_rng(0), np.array(catalog.card('lip').flip_indices)
    image, labels = smooth(160, 120), rng.integers(0, 20, (160, 120), np.uint8)
    flips = []
    for seed in range(30):
        found = []
        for prob in (0.0, 1.0, 0.5):
            np.random.seed(seed)
            found.append(transforms.RandomScaleCrop(size=(96, 80), scales=(scale,), flip_prob=prob)(
                {'img': image, 'gt_seg_map': labels, 'flip_indices': order}))
        plain, mirrored, either = found
        width = min(round(80 * scale), 80)
        assert (mirrored['img'][:, :width] == plain['img'][:, :width][:, ::-1]).all()
        assert (mirrored['gt_seg_map'][:, :width] == flip_labels(
            np.ascontiguousarray(plain['gt_seg_map'][:, :width]), order)).all()
        assert not mirrored['img'][:, width:].any() and (mirrored['gt_seg_map'][:, width:] == 255).all()
        assert (either['img'] == (mirrored if either['flip'] else plain)['img']).all()
        flips.append(either['flip'])
    assert 6 < sum(flips) < 24


# --------------------------------------------------------------------------------------------------------- counting
def dots(height: int, width: int, points: np.ndarray) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    for x, y in points:
        cv2.circle(image, (round(x), round(y)), 4, (255, 255, 255), -1)
    return image


def test_counting_crop_moves_points_with_the_picture():
    points = np.stack(np.meshgrid(np.arange(20, 400, 40), np.arange(20, 300, 40)), -1).reshape(-1, 2).astype(np.float32)
    image = dots(300, 400, points)
    for seed in range(20):
        np.random.seed(seed)
        record = transforms.RandomCountingCrop(size=128)({'img': image, 'gt_points': points.copy()})
        found = record['gt_points']
        assert record['img'].shape == (128, 128, 3) and found.dtype == np.float32
        assert (found >= 0).all() and (found <= 127).all()
        inner = found[((found > 8) & (found < 119)).all(1)]
        assert all(record['img'][round(float(y)), round(float(x)), 0] > 128 for x, y in inner)
        blobs, _, _, centres = cv2.connectedComponentsWithStats((record['img'][..., 0] > 128).astype(np.uint8))
        for centre in centres[1:blobs]:
            if ((centre > 8) & (centre < 119)).all():
                assert np.abs(found - centre).max(1).min() < 1.5


def test_counting_crop_loses_nobody_who_is_in_it():
    """A crop of the whole image keeps everybody, those on the border too."""
    points = np.array([[0, 0], [63, 63], [-0.4, 30], [63.4, 30], [64.2, 5], [20, -3]], np.float32)
    record = transforms.RandomCountingCrop(size=64, scale=(1.0, 1.0))({'img': smooth(64, 64), 'gt_points': points})
    assert record['gt_points'].tolist() == [[0, 0], [63, 63], [0, 30], [63, 30]]


def test_small_images_are_enlarged():
    points = np.array([[0, 0], [39.7, 59.9], [20, 30]], np.float32)
    record = transforms.EnlargeSmall(min_side=80)({'img': smooth(60, 40), 'gt_points': points})
    assert record['img'].shape == (120, 80, 3) == (*record['img_shape'], 3)
    assert len(record['gt_points']) == 3  # the count of the image is its label
    assert np.allclose(record['gt_points'][2], [40.5, 60.5]) and record['scale_factor'] == (2, 2)
    large = transforms.EnlargeSmall(min_side=40)({'img': smooth(60, 40), 'gt_points': points})
    assert large['img'].shape == (60, 40, 3) and large['gt_points'] is points and 'scale_factor' not in large
    crop = transforms.RandomCountingCrop(size=128, scale=(0.7, 0.7))({'img': smooth(60, 40), 'gt_points': points})
    assert crop['img'].shape == (128, 128, 3)


def test_colour_change_is_mild_and_keeps_grey_grey():
    np.random.seed(0)
    image, grey = smooth(32, 32), np.full((32, 32, 3), 90, np.uint8)
    changed = [transforms.RandomColor(strength=0.1, prob=1.0)({'img': image})['img'] for _ in range(50)]
    assert all(0 < np.abs(x.astype(int) - image).mean() < 30 for x in changed)
    for _ in range(50):
        out = transforms.RandomColor(strength=0.1, prob=1.0)({'img': grey})['img']
        assert np.ptp(out.reshape(-1, 3), axis=0).max() == 0 and len(np.unique(out)) == 1 and 80 <= out[0, 0, 0] <= 100
    same = sum(transforms.RandomColor(prob=0.2)({'img': image})['img'] is image for _ in range(500))
    assert same / 500 == pytest.approx(0.8, abs=0.07)


# -------------------------------------------------------------------------------------------------------- detection
def test_crop_as_resized_equals_mmdet_s_order():
    """Resize, then crop (as the recipe says) and crop, then resize show the same window and boxes."""
    from mmdet.datasets.transforms import Resize as ResizeWithBoxes
    image = smooth(90, 120)
    boxes = torch.tensor([[5.0, 5, 30, 40], [50, 20, 110, 85], [0, 0, 120, 90]])
    for seed in range(10):
        np.random.seed(seed)
        ours = {'img': image, 'gt_bboxes': HorizontalBoxes(boxes.clone()), 'gt_bboxes_labels': np.arange(3),
                'gt_ignore_flags': np.zeros(3, bool)}
        transforms.CropAsResized(shorts=(180,), size=(100, 170))(ours)
        height, width = ours['img_shape']
        ResizeWithBoxes(scale=(2 * width, 2 * height), keep_ratio=False)(ours)
        np.random.seed(seed)
        np.random.randint(1)
        (top, h), (left, w) = (_drawn(2 * x) for x in image.shape[:2])
        slow = cv2.resize(image, (240, 180))[top:top + h, left:left + w]
        assert np.abs(np.subtract(ours['img'].shape[:2], (h, w))).max() <= 2
        common = tuple(slice(0, min(a, b)) for a, b in zip(slow.shape, ours['img'].shape))
        assert np.abs(slow[common].astype(int) - ours['img'][common]).mean() < 5
        expected = (2 * boxes - torch.tensor([left, top, left, top])).clamp(min=0)
        expected = torch.minimum(expected, torch.tensor([w, h, w, h]))
        kept = ours['gt_bboxes_labels']
        assert torch.allclose(ours['gt_bboxes'].tensor, expected[kept], atol=2.5)
        dropped = expected[[i for i in range(3) if i not in kept]]
        assert ((dropped[:, 2:] - dropped[:, :2]).min(1).values <= 2).all()
        assert len(ours['gt_ignore_flags']) == len(kept)


@pytest.mark.parametrize('count', [0, 1, 5])
def test_boxes_are_loaded_and_resized_as_by_mmdet(count):
    """The same picture, boxes and labels as MMDetection's own steps with the same draws."""
    from mmcv.transforms import RandomChoiceResize
    from mmdet.datasets.transforms import LoadAnnotations
    from mmdet.datasets.transforms import Resize as ResizeWithBoxes
    rng, scales = np.random.default_rng(count), [(200, 100), (333, 77), (160, 150)]
    corners = np.sort(rng.uniform(-20, 140, (count, 2, 2)), axis=1)[:, :, ::-1].reshape(count, 4)
    instances = [dict(bbox=box, bbox_label=0, ignore_flag=i % 2) for i, box in enumerate(corners.tolist())]
    sizes = set()
    for seed in range(12):
        found = []
        for load, resize in ((transforms.LoadBoxes(), transforms.RandomResizeWithBoxes(scales, keep_ratio=seed < 6)),
                             (LoadAnnotations(with_bbox=True), RandomChoiceResize(
                                 scales, resize_type=ResizeWithBoxes, keep_ratio=seed < 6))):
            np.random.seed(seed)
            found.append(resize(load({'img': smooth(90, 120, seed), 'instances': instances})))
        ours, theirs = found
        assert (ours['img'] == theirs['img']).all() and ours['img_shape'] == theirs['img_shape']
        assert ours['scale_factor'] == theirs['scale_factor']
        assert ours['gt_bboxes'].tensor.shape == (count, 4) and ours['gt_bboxes'].tensor.dtype == torch.float32
        assert torch.allclose(ours['gt_bboxes'].tensor, theirs['gt_bboxes'].tensor, atol=1e-4)
        for key in ('gt_bboxes_labels', 'gt_ignore_flags'):
            assert ours[key].dtype == theirs[key].dtype and (ours[key] == theirs[key]).all()
        sizes.add(ours['img_shape'])
    assert len(sizes) == 6  # each was drawn


def test_boxes_flip_as_in_mmdet():
    boxes = HorizontalBoxes(torch.tensor(np.random.default_rng(0).uniform(0, 30, (9, 4)), dtype=torch.float32))
    theirs = boxes.clone()
    record = transforms.RandomFlip(prob=1.0)({'img': smooth(20, 40), 'gt_bboxes': boxes})
    theirs.flip_((20, 40))
    assert torch.equal(record['gt_bboxes'].tensor, theirs.tensor)


def test_crop_happens_as_often_as_said():
    np.random.seed(0)
    record = {'img': smooth(90, 120), 'gt_bboxes_labels': np.zeros(1, int), 'gt_ignore_flags': np.zeros(1, bool)}
    cropped = [transforms.CropAsResized(shorts=(180,), size=(60, 100), prob=0.3)(
        dict(record, gt_bboxes=HorizontalBoxes(torch.tensor([[5.0, 5, 30, 40]]))))['img'].shape != (90, 120, 3)
        for _ in range(600)]
    assert np.mean(cropped) == pytest.approx(0.3, abs=0.06)


def _drawn(virtual: int) -> tuple[int, int]:
    kept = np.random.randint(min(100, virtual), min(170, virtual) + 1)
    return np.random.randint(virtual - kept + 1), kept


# ------------------------------------------------------------------------------------------------------------- pack
def test_pack_gives_views_and_the_size_of_the_input():
    record = {'img': smooth(20, 30), 'img_shape': (99, 99), 'task': 'reid', 'pid': 7, 'identity': 3, 'img_path': 'x'}
    packed = transforms.PackHumanInputs()(record)
    assert packed['inputs'].shape == (3, 20, 30) and packed['inputs'].dtype == torch.uint8
    assert (packed['inputs'].permute(1, 2, 0).numpy() == record['img']).all()
    sample = packed['data_samples']
    assert sample.img_shape == (20, 30) and sample.pid == 7 and sample.gt_identity.item() == 3
    assert 'gt_instances' not in sample and 'camid' not in sample


def test_pack_fills_structures_as_mmengine_does():
    """What is filled at once cannot be told from what was set field by field, and takes part in all that follows."""
    record = {'img': smooth(20, 30), 'pid': 7, 'gt_points': np.ones((3, 2), np.float32),
              'gt_seg_map': np.zeros((20, 30), np.uint8)}
    ours = transforms.PackHumanInputs()(record)['data_samples']
    theirs = HumanSample(metainfo=dict(img_shape=(20, 30), pid=7))
    theirs.gt_instances = InstanceData(points=torch.ones(3, 2))
    theirs.gt_sem_seg = PixelData(data=torch.zeros(1, 20, 30, dtype=torch.uint8))
    for sample in (ours, copy.deepcopy(ours), ours.new(), pickle.loads(pickle.dumps(ours))):
        assert sample.metainfo == theirs.metainfo and set(sample.keys()) == set(theirs.keys())
        assert vars(sample).keys() == vars(theirs).keys()
        assert len(sample.gt_instances) == 3 and sample.gt_sem_seg.shape == (20, 30)
        assert torch.equal(sample.gt_instances.points, theirs.gt_instances.points)
        assert len(sample.gt_instances[:2]) == 2
    with pytest.raises(AttributeError, match='pid'):
        ours.pid = 8  # meta information stays what it is
    del ours.gt_instances
    assert 'gt_instances' not in ours


def test_pack_sorts_boxes():
    boxes = torch.tensor([[0.0, 0, 5, 5], [1, 1, 9, 9], [4, 4, 4, 8]])
    record = {'img': smooth(20, 30), 'gt_bboxes': HorizontalBoxes(boxes), 'gt_ignore_flags': np.array([0, 1, 0]),
              'gt_bboxes_labels': np.array([0, 0, 0])}
    sample = transforms.PackHumanInputs()(record)['data_samples']
    assert sample.gt_instances.bboxes.tolist() == [[0, 0, 5, 5]]  # the third has no width
    assert sample.ignored_instances.bboxes.tolist() == [[1, 1, 9, 9]]
    assert sample.gt_instances.labels.tolist() == [0]


def test_draws_come_from_numpy_s_global_generator_alone():
    """Another state of Python's generator or of PyTorch's changes nothing; another state of NumPy's does."""
    def run(seed: int, others: int) -> np.ndarray:
        np.random.seed(seed)
        random.seed(others)
        torch.manual_seed(others)
        record = boxed(person())
        for transform in (transforms.JitterBoxCenter(prob=1.0), transforms.RandomHalfBody(prob=0.5),
                          transforms.RandomBoxTransform(shift_prob=0.5), transforms.TopdownAffine(input_size=(48, 64)),
                          transforms.RandomFlip(), transforms.PadCrop(), transforms.RandomErasing(),
                          transforms.RandomColor(prob=1.0)):
            record = transform(record)
        return record['img']
    assert (run(1, 1) == run(1, 2)).all()
    assert (run(1, 1) != run(2, 1)).any()
