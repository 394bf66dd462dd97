"""Masks in COCO's form, and drawings."""
import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from humanbench.apis import ImageResult, PersonResult
from humanbench.apis.overlay import SIDES, draw_result
from humanbench.apis.results import run_lengths

SIZE = (120, 200)
WINDOWS = [(0, 0, *SIZE), (10, 20, 50, 60), (0, 5, 120, 9), (119, 199, 120, 200), (0, 0, 1, 1), (30, 0, 31, 200)]


@pytest.mark.parametrize('window', WINDOWS)
@pytest.mark.parametrize('share', [0.0, 0.3, 0.9, 1.0])
def test_masks_are_those_of_coco(window, share):
    top, left, bottom, right = window
    mask = np.random.default_rng(0).random((bottom - top, right - left)) < share
    whole = np.zeros(SIZE, np.uint8)
    whole[top:bottom, left:right] = mask
    found = run_lengths(mask, window, SIZE)
    assert found == json.loads(json.dumps(found)) and found['size'] == list(SIZE)
    assert np.array_equal(coco_mask.decode(found), whole)
    expected = coco_mask.encode(np.asfortranarray(whole))
    assert found['counts'].encode() == expected['counts']  # to the letter: no run is cut in two
    moved = run_lengths(mask, (top, left, bottom, right), (SIZE[0], SIZE[1] + 1))
    assert moved['counts'] != found['counts']  # control


def person(left: int, number: int) -> PersonResult:
    random = np.random.default_rng(number)
    window = (10, left, 110, left + 40)
    return PersonResult(
        box=np.array([left, 10, left + 40, 110], np.float32), window=window, score=0.9,
        keypoints=random.uniform((left, 10), (left + 40, 110), (17, 2)).astype(np.float32),
        keypoint_scores=np.full(17, 0.8, np.float32), parsing=np.full((100, 40), 3, np.uint8),
        attributes=random.random(4).astype(np.float32), feature=np.ones(3, np.float32))


def result(persons: list[PersonResult]) -> ImageResult:
    names = dict(pose=tuple(f'left_{i}' for i in range(17)), parsing=('Background', 'Hat', 'Hair', 'Dress'),
                 attribute=('Female', 'Hat', 'Bag', 'Boots'))
    return ImageResult('a.jpg', SIZE, names, {}, persons, count=12.25)


def test_everything_is_drawn():
    image = np.full((*SIZE, 3), 200, np.uint8)
    people = [person(10, 0), person(100, 1)]
    plain = draw_result(image, result(people), panel=False)
    assert plain.shape == image.shape and (plain != image).any(2).mean() > 0.2 and (image == 200).all()
    page = draw_result(image, result(people))
    assert page.shape[1] > SIDES[0] and page.shape[0] > SIDES[0] * SIZE[0] / SIZE[1]
    for field, task in (('keypoints', 'pose'), ('parsing', 'parsing'), ('attributes', 'attribute')):
        fewer = [person(10, 0), person(100, 1)]
        for x in fewer:
            setattr(x, field, None)
        other = draw_result(image, result(fewer))
        assert other.shape != page.shape or (other != page).any(), task


@pytest.mark.parametrize('size', [(40, 3000), (3000, 40), (8, 8), (900, 700)])
@pytest.mark.parametrize('count', [0, 1, 40])
def test_pictures_of_all_sizes_and_crowds(size, count):
    height, width = size
    people = []
    for i in range(count):
        left = i * (width - 1) // max(count, 1)
        window = (0, left, height, left + 1)
        people.append(PersonResult(np.array([left, 0, left + 1, height]), window, attributes=np.array([0.9, 0.1])))
    image = np.zeros((*size, 3), np.uint8)
    drawn = draw_result(image, ImageResult('a', size, {}, {}, people))
    assert drawn.dtype == np.uint8 and drawn.ndim == 3 and max(drawn.shape[:2]) >= SIDES[0]
