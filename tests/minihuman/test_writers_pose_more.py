"""Native formats of the pose datasets that are trained on alone, opened with the libraries a user would use."""
import pickle
from collections import Counter

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from humanbench import catalog
from humanbench.minihuman.scene import JOINTS
from humanbench.minihuman.writers.aist import IGNORED
from humanbench.minihuman.writers.base import Job
from humanbench.minihuman.writers.files import write_pickle
from humanbench.minihuman.writers.keypoints import joint_sets, middles

from .written import COUNTS, files, lines, load, writer

IDS = ('posetrack', 'jrdb', 'mhp', 'penn_action', 'halpe', 'threedpw', 'mpi_inf_3dhp', 'aist')
JRDB = 'train_dataset_with_activity'


@pytest.mark.parametrize('dataset', IDS)
def test_keypoint_tables(dataset):
    """Every keypoint is another place of the body, and the card's mirror pairs are pairs of such places."""
    card = catalog.card(dataset)
    names = [frozenset(JOINTS[i] for i in x) for x in joint_sets(card)]
    assert len(set(names)) == len(card.keypoints)
    other = [frozenset(x.replace('left', '*').replace('right', 'left').replace('*', 'right') for x in name)
             for name in names]
    assert [names[i] for i in card.flip_indices] == other


def test_middles_of_joints():
    card = catalog.card('jrdb')
    joints = np.random.default_rng(0).normal(size=(len(JOINTS), 3))
    points = middles(card, joints)
    hips = joints[[JOINTS.index('left_hip'), JOINTS.index('right_hip')]]
    assert np.allclose(points[card.keypoints.index('center_hip')], hips.mean(0))
    assert (points[card.keypoints.index('left_knee')] == joints[JOINTS.index('left_knee')]).all()


def test_pickles_hold_arrays_in_an_old_protocol(tmp_path):
    write_pickle(tmp_path / 'a.pkl', {'x': [np.arange(3.0)]})
    data = (tmp_path / 'a.pkl').read_bytes()
    assert data[:2] == b'\x80\x02' and pickle.loads(data)['x'][0].tolist() == [0, 1, 2]


@pytest.mark.parametrize('split', ['train', 'val'])
def test_posetrack(root, split):
    folder = root('posetrack') / f'annotations/{split}'
    count, boxes, labelled = 0, Counter(), Counter()
    for name in files(folder, 'json'):
        data = load(folder / name)
        assert len(data['categories'][0]['keypoints']) == 17
        count += len(data['images'])
        flags = {x['id']: x['is_labeled'] for x in data['images']}
        labelled.update(flags.values())
        for image in data['images']:
            assert (root('posetrack') / image['file_name']).is_file() and image['nframes'] == len(data['images'])
        for row in data['annotations']:
            points = np.reshape(row['keypoints'], (17, 3))
            assert flags[row['image_id']] and not points[3:5].any() and set(points[:, 2]) <= {0, 1}
            boxes['bbox' in row] += 1
    assert count == COUNTS['posetrack'][split] and labelled[False] and boxes[True]
    assert boxes[False] or split == 'val'


def test_jrdb(root):
    base, missing, cut, widths = root('jrdb') / JRDB, 0, 0, set()
    scenes = files(base / 'labels/labels_2d_pose_stitched_coco', 'json')
    assert scenes == files(base / 'labels/labels_2d_stitched', 'json') and len(scenes) == 2
    for scene in scenes:
        data = load(base / 'labels/labels_2d_pose_stitched_coco' / scene)
        labels = load(base / 'labels/labels_2d_stitched' / scene)['labels']
        names = {}
        for image in data['images']:
            names[image['id']] = image['file_name'].split('/')[-1]
            with Image.open(base / 'images/image_stitched' / image['file_name']) as picture:
                assert picture.width == 5 * image['width'] and picture.height == image['height']
                widths.add(picture.width)
        for row in data['annotations']:
            points = np.reshape(row['keypoints'], (17, 3))
            assert set(points[:, 2]) <= {0, 1, 2} and 'bbox' not in row
            box = {x['label_id']: x['box'] for x in labels[names[row['image_id']]]}.get(f'pedestrian:{row["track_id"]}')
            seen = points[points[:, 2] == 2, :2]
            if box is None:
                missing += 1
                cut += len(seen) > 0 and np.ptp(seen[:, 0]) > min(widths) / 2
            elif len(seen):
                x, y, w, h = box
                assert ((seen >= [x - 6, y - 6]) & (seen <= [x + w + 6, y + h + 6])).all()
    assert missing > cut and len(widths) == 1


@pytest.mark.parametrize('dataset, split, folder, annotations, count', [
    ('mhp', 'train', 'train/images', 'mhp_train', 16), ('mhp', 'val', 'val/images', 'mhp_val', 16),
    ('halpe', 'train', 'hico_20160224_det/images/train2015', 'halpe_train_v1', 136),
    ('halpe', 'val', 'val2017', 'halpe_val_v1', 136)])
def test_coco_style(root, dataset, split, folder, annotations, count):
    data = load(root(dataset) / f'annotations/{annotations}.json')
    assert sorted(x['file_name'] for x in data['images']) == files(root(dataset) / folder)
    assert len(data['images']) == COUNTS[dataset][split] and len({x['id'] for x in data['annotations']}) > 3
    for row in data['annotations']:
        points = np.reshape(row['keypoints'], (count, 3))
        assert set(points[:, 2]) <= {0, 1, 2} and (points[points[:, 2] == 0] == 0).all()
        assert row['num_keypoints'] == (points[:17, 2] > 0).sum()
        assert count == 16 or not points[26:].any()


def test_penn_action(root):
    folder, flags, short = root('penn_action'), Counter(), 0
    for name in files(folder / 'labels', 'mat'):
        mat = loadmat(folder / 'labels' / name)
        frames = int(mat['nframes'][0, 0])
        assert len(files(folder / 'frames' / name[:-4])) == frames == len(mat['x']) == len(mat['visibility'])
        assert mat['x'].shape == mat['y'].shape == mat['visibility'].shape == (frames, 13)
        assert 1 <= len(mat['bbox']) <= frames and (mat['bbox'][:, 2:] > mat['bbox'][:, :2]).all()
        hidden = mat['visibility'] == 0
        assert mat['x'][hidden].all()  # coordinates do not tell
        flags[int(mat['train'][0, 0])] += frames
        short += len(mat['bbox']) < frames
    assert dict(flags) == {1: COUNTS['penn_action']['train'], 0: COUNTS['penn_action']['test']} and short


def test_threedpw(root):
    frames, people = Counter(), set()
    for path in sorted((root('threedpw') / 'sequenceFiles').glob('*/*.pkl')):
        data = pickle.loads(path.read_bytes())
        images = files(root('threedpw') / 'imageFiles' / data['sequence'])
        frames[path.parent.name] += len(images)
        people.add(len(data['poses2d']))
        for joints, valid in zip(data['poses2d'], data['campose_valid'], strict=True):
            assert joints.shape == (len(images), 3, 18) and valid.shape == (len(images),)
            assert set(valid) == {0, 1} and (joints[:, 2] <= 1).all()
            found = (joints[:, 2] > 0.5).sum(1)
            assert ((found >= 6) | (joints.reshape(len(joints), -1) == 0).all(1)).all()
    counts = {'val' if x == 'validation' else x: n for x, n in frames.items()}
    assert counts == COUNTS['threedpw']
    assert people == {1, 2}


def test_mpi_inf_3dhp(root):
    count = 0
    for path in sorted(root('mpi_inf_3dhp').glob('S*/Seq*/annot.mat')):
        mat = loadmat(path)
        assert mat['annot2'].shape == mat['annot3'].shape == (14, 1)
        for camera in range(14):
            points, places = mat['annot2'][camera, 0], mat['annot3'][camera, 0]
            assert points.shape == (len(points), 56) and places.shape == (len(points), 84)
            images = files(path.parent / f'video_{camera}')
            assert len(images) == (len(points) if camera in (0, 1, 2, 4, 5, 6, 7, 8) else 0)
            count += len(images)
            if images:
                thigh = np.linalg.norm(np.diff(places.reshape(-1, 28, 3)[:, [18, 19]], axis=1), axis=-1)
                assert ((thigh > 200) & (thigh < 600)).all()  # millimetres
                across = points.reshape(-1, 28, 2)[:, 9] - points.reshape(-1, 28, 2)[:, 14]
                assert np.linalg.norm(across) > 0
    assert count == COUNTS['mpi_inf_3dhp']['train']


def test_aist_cameras_see_what_the_joints_say(root):
    """The 3-D joints, through each camera, lie where the detector saw them; through the next camera they do not."""
    folder = root('aist')
    cameras = {x['name']: x for x in load(folder / 'cameras/setting1.json')}
    mapping = dict(x.split() for x in lines(folder / 'cameras/mapping.txt'))
    assert lines(folder / 'ignore_list.txt') == [IGNORED] and IGNORED in mapping
    names = [x for split in COUNTS['aist'] for x in lines(folder / f'splits/pose_{split}.txt')]
    assert len(set(names)) == len(names) == len(mapping) - 1

    def seen(camera, places):
        camera = {k: np.array(v, float) for k, v in camera.items() if k != 'name'}
        return cv2.projectPoints(places.reshape(-1, 3), camera['rotation'], camera['translation'], camera['matrix'],
                                 camera['distortions'])[0].reshape(*places.shape[:-1], 2)
    for name in names:
        places = pickle.loads((folder / f'keypoints3d/{name}.pkl').read_bytes())['keypoints3d_optim']
        detected = pickle.loads((folder / f'keypoints2d/{name}.pkl').read_bytes())['keypoints2d']
        assert detected.shape == (9, len(places), 17, 3) and len(places) % 10 == 1
        for view in range(9):
            images = files(folder / 'images' / name.replace('cAll', f'c{view + 1:02d}'))
            assert [int(x[:-4]) for x in images] == list(range(0, len(places), 10))
            key = places[::10]
            error = np.abs(seen(cameras[f'c{view + 1:02d}'], key) - detected[view, ::10, :, :2])
            other = np.abs(seen(cameras[f'c{(view + 1) % 9 + 1:02d}'], key) - detected[view, ::10, :, :2])
            assert error.max() < 5 < other.max()


class EnoughError(Exception):
    """Stops a writer where its picture would be drawn."""


@pytest.mark.parametrize('dataset', ['posetrack', 'penn_action', 'threedpw'])
def test_a_video_shows_the_same_people(dataset, monkeypatch):
    seen = []

    def capture(rng, *, people, **_):
        seen.append({x.seed for x in people})
        raise EnoughError
    monkeypatch.setattr(f'humanbench.minihuman.writers.{dataset}.render_scene', capture)
    for index in (0, 1, 6):
        with pytest.raises(EnoughError):
            writer(dataset).write(Job('train', index))
    assert seen[0] == seen[1] and not seen[0] & seen[2]
