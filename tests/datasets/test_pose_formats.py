"""Rules of the pose formats that no real sample at hand shows, on hand-made files; each trap with what it would do."""
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from humanbench import catalog, datasets
from humanbench.datasets import base
from humanbench.datasets.pose_common import BOX_MARGIN, box_around
from humanbench.errors import DataError

from . import native
from .native_pose import IDS, JRDB_PART, jrdb, make, numbered, posetrack


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def places(record: dict) -> list[int]:
    """Which places of :func:`.native_pose.numbered` a record's keypoints come from."""
    return (record['keypoints'][0, :, 0] - 10).astype(int).tolist()


# ------------------------------------------------------------------------------------------------ boxes
def test_box_around_keypoints():
    points = np.array([[10, 100], [30, 180], [-500, 900]], float)
    box = box_around(points, np.array([1, 2, 0]))
    room = BOX_MARGIN * 80
    assert box.tolist() == [10 - room, 100 - room, 30 + room, 180 + room] and box.dtype == np.float32
    assert box_around(points, [1, 1, 1])[0] < -500  # the one that is not labelled would spoil it
    assert box_around(points, [0, 0, 0]) is None and box_around(points, [0, 1, 0]) is None


# ------------------------------------------------------------------------------------------------ PoseTrack18
@pytest.mark.parametrize('merged', [False, True])
def test_posetrack_17_keypoints_become_15(tmp_path, merged):
    posetrack(tmp_path, merged=merged)
    found = records(datasets.PoseTrack18(tmp_path))
    assert [x['id'] for x in found] == [100, 102]  # 101: in an image nobody labelled; 103: no keypoint
    assert places(found[0]) == [0, 1, 2, *range(5, 17)]  # 3 and 4 are the ears
    names = found[0]['flip_indices']
    assert catalog.card('posetrack').keypoints[3:5] == ('left_shoulder', 'right_shoulder') and names[3] == 4
    assert found[0]['bbox'].tolist() == [[1, 2, 21, 32]]
    assert found[1]['bbox'][0] == pytest.approx([10 - 3.2, 20 - 3.2, 26 + 3.2, 52 + 3.2])  # has none of its own
    assert found[0]['img_path'] == f'{tmp_path}/images/train/000001_bonn_train/000000.jpg'


def test_posetrack_has_the_files_of_one_split(tmp_path):
    posetrack(tmp_path)
    with pytest.raises(DataError, match='is missing: expected an annotation file of PoseTrack18, split .val'):
        datasets.PoseTrack18(tmp_path, 'val')


# ------------------------------------------------------------------------------------------------ JRDB
def shifted(points: list[int], dx: int) -> list[int]:
    return [v + dx * (i % 3 == 0) for i, v in enumerate(points)]


def test_jrdb_boxes_come_from_the_track_or_from_the_keypoints(tmp_path):
    far, near = shifted(numbered(17), 3000), numbered(17)
    cut = shifted(near, 3700)[:27] + near[27:]  # its keypoints lie at both ends of the panorama
    jrdb(tmp_path, 'a', {7: far, 8: near, 9: cut}, {7: [2990, 5, 60, 90], 70: [0, 0, 1, 1]})
    jrdb(tmp_path, 'b', {7: near, 9: cut}, {9: [3600, 5, 60, 90]})
    jrdb(tmp_path, 'c', {7: near}, None)
    found = records(datasets.JRDBPose(tmp_path))
    assert [x['img_id'] for x in found] == ['a/000000.jpg'] * 2 + ['b/000000.jpg'] * 2 + ['c/000000.jpg']
    assert found[0]['bbox'].tolist() == [[2990, 5, 3050, 95]]  # far beyond the 752 pixels that the file states
    derived = box_around(found[1]['keypoints'][0], np.ones(17))
    for i in (1, 2, 4):  # no box of that track, or no file of boxes
        assert found[i]['bbox'][0] == pytest.approx(derived)
    assert found[3]['bbox'].tolist() == [[3600, 5, 3660, 95]]  # cut, and has a box; the one without is left out
    assert len({x['id'] for x in found}) == 5


def test_jrdb_visibility_and_sides(tmp_path):
    points = numbered(17)
    points[2], points[5] = 0, 1
    jrdb(tmp_path, 'a', {7: points}, None)
    record = records(datasets.JRDBPose(tmp_path))[0]
    assert record['keypoints_visible'][0].tolist() == [0] + [1] * 16
    names = catalog.card('jrdb').keypoints
    assert names[record['flip_indices'][names.index('left_eye')]] == 'right_eye'
    released = catalog.card('mpi_inf_3dhp').flip_indices  # PATH's pairs for JRDB
    assert names[released[names.index('left_eye')]] == 'left_shoulder'


def test_jrdb_person_of_an_image_that_is_not_there(tmp_path):
    jrdb(tmp_path, 'a', {7: numbered(17)}, None)
    path = tmp_path / JRDB_PART / 'labels/labels_2d_pose_stitched_coco/a.json'
    data = json.loads(path.read_text())
    data['annotations'][0]['image_id'] = 5
    native.data(path, data)
    with pytest.raises(DataError, match=r'a\.json.*image 5, which it does not list'):
        datasets.JRDBPose(tmp_path)


# ------------------------------------------------------------------------------------------------ MHP, Halpe
@pytest.mark.parametrize('split', ['train', 'val'])
def test_mhp(tmp_path, split):
    native.data(tmp_path / f'annotations/mhp_{split}.json',
                native.coco(tmp_path / split / 'images', ['1004.jpg'], 16))
    found = records(datasets.MHP(tmp_path, split))
    assert found[0]['img_path'] == f'{tmp_path}/{split}/images/1004.jpg' and found[0]['keypoints'].shape == (1, 16, 2)


@pytest.mark.parametrize('file', ['annotations/halpe_train_v1.json', 'halpe_train_v1.json'])
@pytest.mark.parametrize('count', [136, 26])
def test_halpe_first_20(tmp_path, file, count):
    data = native.coco(tmp_path / 'hico_20160224_det/images/train2015', ['a.jpg', 'b.jpg'])
    data['annotations'][0].update(keypoints=numbered(count), num_keypoints=17)
    data['annotations'][1].update(keypoints=[0] * 60 + numbered(count)[60:])  # feet only
    native.data(tmp_path / file, data)
    found = records(datasets.Halpe(tmp_path))
    assert [places(x) for x in found] == [list(range(20))]
    assert found[0]['raw_ann_info']['num_keypoints'] == 20 and len(found[0]['raw_ann_info']['keypoints']) == 60


def test_halpe_of_another_layout(tmp_path):
    data = native.coco(tmp_path / 'val2017', ['a.jpg'], 133)
    native.data(tmp_path / 'annotations/halpe_val_v1.json', data)
    with pytest.raises(DataError, match=r'halpe_val_v1\.json.* has 133 keypoints; expected 136'):
        datasets.Halpe(tmp_path, 'val')


# ------------------------------------------------------------------------------------------------ all of them
READERS = {id: x for x in datasets.READERS for id in x.datasets if id in IDS}


@pytest.mark.parametrize('how', ['truncated', 'empty', 'binary', 'other'])
@pytest.mark.parametrize('id', READERS)
def test_unreadable_annotations_are_named(tmp_path, id, how):
    path = make(tmp_path, id)
    assert len(READERS[id](tmp_path)) > 0
    whole = path.read_bytes()
    other = {'.json': b'{"x": [1, 2]}', '.pkl': pickle.dumps({'x': np.ones(3)}), '.mat': b''}[path.suffix]
    path.write_bytes({'truncated': whole[:len(whole) // 2], 'empty': b'', 'binary': bytes(range(256)) * 4,
                      'other': other}[how])
    if path.suffix == '.mat' and how == 'other':
        native.mat(path, x=np.ones(3))
    with pytest.raises(DataError, match=path.name):
        READERS[id](tmp_path)


@pytest.mark.parametrize('id', ['posetrack', 'mhp', 'halpe'])
def test_names_stay_inside(tmp_path, id):
    path = make(tmp_path, id)
    data = json.loads(path.read_text())
    data['images'][0]['file_name'] = '../../secret.jpg'
    native.data(path, data)
    with pytest.raises(DataError, match='leads out of'):
        READERS[id](tmp_path)


@pytest.mark.parametrize('id', READERS)
def test_an_index_gives_the_same_records(tmp_path, monkeypatch, id):
    """As for a million records: written to disk by the first reading, mapped by the second."""
    make(tmp_path, id)
    first = READERS[id](tmp_path)
    expected = [{k: v for k, v in x.items() if k != 'sample_idx'} for x in records(first)]
    monkeypatch.setattr(base, 'INDEX_FROM', 1)
    READERS[id](tmp_path)
    monkeypatch.setattr(READERS[id], 'load_records', lambda self: pytest.fail('read again'))
    mapped = READERS[id](tmp_path)
    assert mapped.fingerprint() == first.fingerprint()
    for row, record in zip(expected, records(mapped), strict=True):
        assert all(np.array_equal(value, record[key]) for key, value in row.items())


@pytest.mark.parametrize('id', ['penn_action', 'threedpw', 'mpi_inf_3dhp', 'aist'])
def test_half_extracted_frames(tmp_path, id):
    make(tmp_path, id)
    first = READERS[id](tmp_path).get_data_info(0)['img_path']
    Path(first).unlink()
    with pytest.raises(DataError, match=f'{Path(first).name}. is missing: expected a file that the annotation lists'):
        READERS[id](tmp_path)
