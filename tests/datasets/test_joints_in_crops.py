"""Crops that move joints: drawn as torchvision draws them, and each joint where its pixel is."""
import cv2
import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop as TorchCrop

from humanbench import catalog
from humanbench.datasets import transforms
from humanbench.datasets.transforms import RandomFlip, RandomResizedCrop, Resize, geometry
from humanbench.datasets.transforms.geometry import move_keypoints, resize_image
from humanbench.datasets.transforms.loading import EncodedImage
from humanbench.errors import UserError

SIZE = (256, 128)
FLIP = np.array(catalog.card('coco_pose').flip_indices)


def record(height: int = 160, width: int = 72, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    points = np.stack([rng.integers(8, width - 8, 17), rng.integers(8, height - 8, 17)], -1).astype(np.float32)
    return dict(img=np.zeros((height, width, 3), np.uint8), keypoints=points[None],
                keypoints_visible=np.ones((1, 17), np.float32), flip_indices=FLIP)


# ---------------------------------------------------------------------------------------------------- distribution
def drawn(shape: tuple[int, int], n: int, monkeypatch, **options) -> np.ndarray:
    """(n, 4) top, left, height, width of the crops of one image."""
    windows = []
    with monkeypatch.context() as patch:
        patch.setattr(geometry, 'move_keypoints', lambda results, window, size: windows.append(window))
        crop, image = RandomResizedCrop((8, 4), **options), np.zeros((*shape, 3), np.uint8)
        np.random.seed(1)
        for _ in range(n):
            crop(dict(img=image))
    found = np.array(windows)
    found[:, 2:] -= found[:, :2]
    return found


def theirs(shape: tuple[int, int], n: int, scale: tuple, aspect: tuple) -> np.ndarray:
    torch.manual_seed(1)
    image = torch.zeros(1, *shape)
    return np.array([TorchCrop.get_params(image, scale, aspect) for _ in range(n)])


def differences(a: np.ndarray, b: np.ndarray) -> list[float]:
    """p of area, aspect, top and left being drawn alike."""
    facts = [(x[:, 2] * x[:, 3], x[:, 3] / x[:, 2], x[:, 0], x[:, 1]) for x in (a, b)]
    return [ks_2samp(x, y).pvalue for x, y in zip(*facts)]


@pytest.mark.parametrize('shape', [(256, 128), (200, 70), (150, 90), (120, 120)])
@pytest.mark.parametrize('scale', [(0.8, 1.0), (0.2, 1.0)])
def test_crops_are_drawn_as_by_torchvision(shape, scale, monkeypatch):
    aspect = (0.375, 0.6667)
    ours = drawn(shape, 2500, monkeypatch, scale=scale, aspect=aspect)
    assert (ours[:, :2] >= 0).all() and (ours[:, :2] + ours[:, 2:] <= shape).all()
    assert min(differences(ours, theirs(shape, 2500, scale, aspect))) > 1e-3
    other = theirs(shape, 2500, (0.5, 0.7), (0.3, 0.5))  # controls
    assert min(differences(ours, other)) < 1e-9


def test_the_aspect_is_even_in_its_logarithm(monkeypatch):
    ours = drawn((400, 400), 4000, monkeypatch, scale=(0.05, 0.1), aspect=(0.2, 2.0))
    aspect = np.log(ours[:, 3] / ours[:, 2])
    even = np.linspace(np.log(0.2), np.log(2), 4000)
    assert ks_2samp(aspect, even).pvalue > 1e-3
    assert ks_2samp(aspect, np.log(np.linspace(0.2, 2, 4000))).pvalue < 1e-9  # control


@pytest.mark.parametrize('shape', [(30, 300), (300, 30), (1, 1), (1, 200), (200, 1), (100, 100)])
def test_an_image_in_which_nothing_fits_gives_its_middle(shape, monkeypatch):
    ours = drawn(shape, 5, monkeypatch, scale=(0.99, 1.0), aspect=(0.4, 0.6))
    assert (ours == theirs(shape, 1, (0.99, 1.0), (0.4, 0.6)).clip((0, 0, 1, 1))).all()


@pytest.mark.parametrize('options', [dict(scale=(0.8, 1.2)), dict(scale=(0, 1)), dict(scale=(0.9, 0.8)),
                                     dict(aspect=(0, 1)), dict(aspect=(2, 1)), dict(interpolation='cubic')])
def test_options_that_mean_nothing(options):
    with pytest.raises(UserError):
        RandomResizedCrop(SIZE, **options)
    RandomResizedCrop(SIZE)


def test_erasing_draws_what_it_has_always_drawn():
    """Crops and erasing share the drawing of a window, each with its own aspect."""
    np.random.seed(3)
    found = transforms.RandomErasing(prob=1.0)(dict(img=np.full((256, 128, 3), 7, np.uint8)))['img']
    np.random.seed(3)
    np.random.random()
    area, aspect = 256 * 128 * np.random.uniform(0.02, 0.4), np.random.uniform(0.3, 3.33)
    h, w = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
    top, left = np.random.randint(256 - h + 1), np.random.randint(128 - w + 1)
    expected = np.full((256, 128, 3), 7, np.uint8)
    expected[top:top + h, left:left + w] = np.random.randint(0, 256, 3)
    assert (found == expected).all() and (found != 7).any()


# -------------------------------------------------------------------------------------------------- joints and pixels
def marked(joint: int, seed: int, steps: list, height: int = 160, width: int = 72) -> tuple[np.ndarray, dict]:
    """Where a white square around one joint is after some transforms (centre of its light), and the record."""
    found = record(height, width, seed)
    x, y = found['keypoints'][0, joint].astype(int)
    found['img'][y - 2:y + 3, x - 2:x + 3] = 255
    np.random.seed(seed)
    for step in steps:
        found = step(found)
    light = found['img'][..., 0].astype(float)
    rows, columns = np.indices(light.shape)
    return np.array([(light * columns).sum(), (light * rows).sum()]) / max(light.sum(), 1), found


@pytest.mark.parametrize('interpolation', ['bicubic', 'bilinear'])
@pytest.mark.parametrize('flip', [0.0, 1.0])
@pytest.mark.parametrize('shape', [(160, 72), (600, 300), (90, 44)])  # enlarged, averaged, enlarged much
def test_a_joint_is_where_its_pixel_is(interpolation, flip, shape, monkeypatch):
    steps = [RandomResizedCrop(SIZE, interpolation=interpolation), RandomFlip(flip)]
    compared = 0
    for seed in range(40):
        joint = seed % 17
        place, found = marked(joint, seed, steps, *shape)
        index = FLIP[joint] if flip else joint
        moved = found['transformed_keypoints'][0, index]
        if (moved > 12).all() and (moved < np.array([115, 243])).all():  # all of the square is on the picture
            assert np.abs(place - moved).max() < 0.3
            assert found['keypoints_visible'][0, index] == 1
            others = np.delete(found['transformed_keypoints'][0], index, 0)
            assert np.median(np.abs(others - place).max(1)) > 3  # control: those of other joints are elsewhere
            compared += 1
    assert compared > 20


@pytest.mark.parametrize('shape', [(160, 72), (600, 300), (256, 128)])
def test_a_joint_is_where_its_pixel_is_in_a_test(shape):
    for seed in range(10):
        place, found = marked(seed, seed, [Resize(SIZE)], *shape)
        assert np.abs(place - found['transformed_keypoints'][0, seed]).max() < 0.3
        assert found['keypoints_visible'].all() and found['img'].shape[:2] == SIZE
        if shape != SIZE:
            assert np.abs(place - found['keypoints'][0, seed]).max() > 3  # control: they have moved


def test_joints_beyond_the_crop_are_not_visible_and_others_are(monkeypatch):
    found = record()
    found['keypoints'][0, :6] = [[10, 20], [29.5, 79.4], [9.4, 30], [30, 40], [20, 19.4], [20, 79.6]]
    found['keypoints_visible'][0, 6] = 0
    before = found['keypoints_visible'].copy()
    move_keypoints(found, (20, 10, 80, 30), (120, 40))
    assert found['keypoints_visible'][0, :6].tolist() == [1, 0, 0, 0, 0, 0]
    assert found['keypoints_visible'][0, 6] == 0 and before[0, :6].all()  # the record's own array is left alone
    assert found['transformed_keypoints'][0, 0].tolist() == [0.5, 0.5]
    found = record()
    found['keypoints'][0, :2] = [[9.7, 19.6], [29.4, 79.4]]  # on the first and the last pixel, beyond their centres
    move_keypoints(found, (20, 10, 80, 30), (120, 40))
    assert found['transformed_keypoints'][0, :2].tolist() == [[0, 0], [39, 119]]
    assert found['keypoints_visible'][0, :2].all()


def test_what_is_visible_lies_on_the_picture_also_when_mirrored():
    steps, lost = [RandomResizedCrop(SIZE, scale=(0.2, 0.6)), RandomFlip(0.5)], 0
    for seed in range(60):
        _, found = marked(0, seed, steps)
        shown = found['transformed_keypoints'][found['keypoints_visible'] > 0]
        assert (shown >= 0).all() and (shown <= [127, 255]).all()
        lost += 17 - len(shown)
    assert lost > 50


def test_left_and_right_change_places_in_a_mirror_image():
    _, straight = marked(0, 5, [Resize(SIZE)])
    _, mirrored = marked(0, 5, [Resize(SIZE), RandomFlip(1.0)])
    expected = straight['transformed_keypoints'][0, FLIP].copy()
    expected[:, 0] = 127 - expected[:, 0]
    assert np.allclose(mirrored['transformed_keypoints'][0], expected)


def test_records_without_joints_are_resized_as_ever():
    image = np.random.default_rng(0).integers(0, 256, (90, 50, 3), np.uint8)
    found = Resize(SIZE)(dict(img=image))
    assert set(found) == {'img', 'img_shape'}
    assert (found['img'] == cv2.resize(image, (128, 256), interpolation=cv2.INTER_LINEAR)).all()
    cubic = Resize(SIZE, 'bicubic')(dict(img=image))['img']
    assert (cubic == cv2.resize(image, (128, 256), interpolation=cv2.INTER_CUBIC)).all()
    assert (cubic != found['img']).any()
    with pytest.raises(UserError, match="Did you mean 'bicubic'"):
        Resize(SIZE, 'bicubik')


def test_what_shrinks_much_is_averaged_whatever_is_asked_for():
    image = np.random.default_rng(0).integers(0, 256, (600, 300, 3), np.uint8)
    assert (resize_image(image, (200, 100), 'bicubic') == cv2.resize(image, (100, 200), interpolation=cv2.INTER_AREA)
            ).all()


def test_a_crop_decodes_no_more_than_it_shows(tmp_path, monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (20, 10, 3), np.uint8)
    image = cv2.resize(image, (100, 200), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / 'a.jpg'), image)
    lazy, whole = transforms.LoadImage(lazy=True), transforms.LoadImage()
    crop, decode, rows = RandomResizedCrop((64, 32), scale=(0.3, 0.6)), EncodedImage.decode, []
    monkeypatch.setattr(EncodedImage, 'decode', lambda self, n=None: rows.append(n) or decode(self, n))
    joints = {k: v for k, v in record().items() if k != 'img'}
    for seed in range(12):
        found = []
        for load in (lazy, whole):
            np.random.seed(seed)
            found.append(crop(load(dict(img_path=str(tmp_path / 'a.jpg'), **joints))))
        assert (found[0]['img'] == found[1]['img']).all()
        assert (found[0]['transformed_keypoints'] == found[1]['transformed_keypoints']).all()
    assert rows[1::2] == [None] * 12 and min(rows[::2]) < 150 and all(x <= 200 for x in rows[::2])
