"""Keypoint and box AP by hand, and against pycocotools where it is pushed; ``test_judges`` has the usual inputs."""
import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest

from humanbench.errors import UserError
from humanbench.evaluation import box_ap, keypoint_ap

from . import seeded
from .installed import BOX_KEYS, KEYPOINT_KEYS, pycocotools

REALDATA = Path(os.environ.get('HUMANBENCH_REALDATA', Path(__file__).parents[3] / 'shared' / 'realdata'))


def without(detections: list[dict], key: str) -> list[dict]:
    return [{k: v for k, v in x.items() if k != key} for x in detections]


def test_more_detections_than_count():
    """21 to 30 people, 101 and more boxes in an image: only the highest scores take part, ties in order."""
    rng = np.random.default_rng(0)
    truth, detections = seeded.coco(0)
    detections = [dict(x, score=round(float(rng.uniform()), 1)) for x in detections for _ in range(30)]
    found = without(detections, 'bbox')
    assert tuple(keypoint_ap(truth, found)) == KEYPOINT_KEYS and tuple(box_ap(truth, detections)) == BOX_KEYS
    assert keypoint_ap(truth, found) == pytest.approx(pycocotools(truth, found, 'keypoints'), abs=1e-12)
    found = without(detections, 'keypoints')
    assert box_ap(truth, found) == pytest.approx(pycocotools(truth, found, 'bbox'), abs=1e-12)


@pytest.mark.skipif(not (REALDATA / 'coco').is_dir(), reason=f'real samples are not at {REALDATA}')
def test_real_annotations():
    """Values in the samples' README, of pycocotools 2.0.11 and faster-coco-eval 1.8.0."""
    folder = REALDATA / 'coco'
    result = keypoint_ap(folder / 'test_coco.json', str(folder / 'jitter_seed0_keypoints.json'))
    assert [round(result[key], 6) for key in ('AP', 'AP50', 'AP75', 'APm', 'APl', 'AR')] == [
        0.846337, 1.0, 1.0, 0.817657, 0.885149, 0.891667]


def square(x: float, size: float = 100, **more) -> dict:
    return dict(image_id=1, category_id=1, bbox=[x, 0, size, size], **more)


def one_image(*boxes: dict) -> dict:
    annotations = [dict(box, id=i, area=box['bbox'][2] ** 2, iscrowd=box.get('iscrowd', 0))
                   for i, box in enumerate(boxes)]
    return dict(images=[dict(id=1)], categories=[dict(id=1)], annotations=annotations)


def test_box_ap_by_hand():
    """Two people, one found at an IoU of exactly 0.6 behind a false one: precision 1/2 up to recall 1/2."""
    truth = one_image(square(0), square(500))
    found = [square(1000, score=0.9), square(25, score=0.8)]
    result = box_ap(truth, found)
    assert result['AP50'] == pytest.approx(0.5 * 51 / 101)
    assert result['AP'] == pytest.approx(3 * 0.5 * 51 / 101 / 10)  # matched at 0.50, 0.55 and 0.60
    assert (result['AR1'], result['AR10']) == (0, pytest.approx(0.5 * 3 / 10))
    assert (result['APs'], result['APm']) == (-1, -1)


def test_ground_truth_with_the_id_zero_can_be_matched():
    """pycocotools takes a match with id 0 for none; here ids are only names."""
    truth = one_image(square(0))
    found = [square(0, score=0.5)]
    assert box_ap(truth, found)['AP'] == pytest.approx(1)
    assert pycocotools(truth, found, 'bbox')['AP'] == 0


def test_nothing_found_and_nothing_there():
    truth, _ = seeded.coco(0)
    assert box_ap(truth, [])['AP'] == 0 and keypoint_ap(truth, [])['AR'] == 0
    crowds = one_image(square(0, iscrowd=1))
    assert set(box_ap(crowds, [square(0, score=0.5)]).values()) == {-1}
    empty = dict(images=[], categories=[dict(id=1)], annotations=[])
    assert set(box_ap(empty, []).values()) == {-1}


def test_area_of_people_without_an_area():
    truth, detections = seeded.coco(0)
    surrogate = copy.deepcopy(truth)
    for annotation in surrogate['annotations']:
        annotation['area'] = 0.53 * annotation['bbox'][2] * annotation['bbox'][3]
    assert keypoint_ap(truth, detections, use_area=False) == keypoint_ap(surrogate, detections)
    assert keypoint_ap(truth, detections, use_area=False) != keypoint_ap(truth, detections)


def broken(kind: str) -> tuple:
    truth, detections = seeded.coco(0)
    if kind == 'score':
        detections[3]['score'] = float('nan')
    elif kind == 'image':
        detections[3]['image_id'] = 'nobody'
    elif kind == 'category':
        detections[3]['category_id'] = 9
    elif kind == 'joints':
        detections[3]['keypoints'] = [1, 2, 3]
    elif kind == 'missing':
        del detections[3]['score']
    elif kind == 'layout':
        truth = detections
    elif kind == 'results':
        detections = dict(truth)
    elif kind == 'word':
        detections[3]['keypoints'][0] = 'x'
    elif kind == 'box':
        truth['annotations'][0]['bbox'][2] = float('inf')
    elif kind == 'twice':
        truth['images'].append(truth['images'][0])
    return truth, detections


@pytest.mark.parametrize('kind, message', [
    ('score', 'score: nan at index'), ('image', "'nobody' is not in the ground truth"), ('category', '9 is not in'),
    ('joints', 'record 3 has 3 numbers; expected 51'), ('missing', "record 3 has no 'score'"), ('layout', 'COCO file'),
    ('results', 'results list'), ('word', 'not rows of 51 numbers'), ('box', 'inf at index'),
    ('twice', 'more than once')])
def test_bad_input(kind, message):
    with pytest.raises(UserError, match=message):
        keypoint_ap(*broken(kind))


def test_bad_files(tmp_path):
    truth, detections = seeded.coco(0)
    (tmp_path / 'torn.json').write_text(json.dumps(detections)[:-20])
    with pytest.raises(UserError, match='is not JSON'):
        box_ap(truth, tmp_path / 'torn.json')
    with pytest.raises(UserError, match='cannot read'):
        box_ap(str(tmp_path / 'absent.json'), detections)
