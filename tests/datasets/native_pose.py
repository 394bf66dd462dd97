"""Hand-made pose datasets of a few records in the native layouts."""
import pickle
from pathlib import Path

import numpy as np

from . import native

JRDB_PART = 'train_dataset_with_activity'
AIST_NAME = 'gWA_sFM_cAll_d27_mWA2_ch{}'
IDS = ('posetrack', 'jrdb', 'mhp', 'halpe', 'penn_action', 'threedpw', 'mpi_inf_3dhp', 'aist')


def numbered(count: int, visibility: int = 2) -> list[int]:
    """Keypoint i lies at (10 + i, 20 + 2 i), so that a value tells its place in the file."""
    return [v for i in range(count) for v in (10 + i, 20 + 2 * i, visibility)]


def pickled(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=2))


def posetrack(root: Path, *, merged: bool = False) -> None:
    name = 'images/train/000001_bonn_train/{:06d}.jpg'
    for i in range(3):
        native.image(root / name.format(i))
    images = [{'id': 10 + i, 'file_name': name.format(i), 'is_labeled': i != 1, 'nframes': 3} for i in range(3)]
    people = [{'id': 100, 'image_id': 10, 'bbox': [1, 2, 20, 30], 'keypoints': numbered(17, 1)},
              {'id': 101, 'image_id': 11, 'bbox': [1, 2, 20, 30], 'keypoints': numbered(17, 1)},
              {'id': 102, 'image_id': 12, 'keypoints': numbered(17, 1)},
              {'id': 103, 'image_id': 12, 'keypoints': [0] * 51}]
    native.data(root / ('annotations/posetrack18_train.json' if merged else 'annotations/train/000001_bonn_train.json'),
                {'images': images, 'annotations': people})


def jrdb(root: Path, scene: str, people: dict[int, list[int]], boxes: dict[str, list[int]] | None) -> None:
    native.image(root / JRDB_PART / f'images/image_stitched/{scene}/000000.jpg')
    native.data(root / JRDB_PART / f'labels/labels_2d_pose_stitched_coco/{scene}.json', {
        'images': [{'id': 1, 'file_name': f'{scene}/000000.jpg', 'width': 752, 'height': 480}],
        'annotations': [{'id': 1, 'image_id': 1, 'track_id': track, 'keypoints': points}
                        for track, points in people.items()]})
    if boxes is not None:
        native.data(root / JRDB_PART / f'labels/labels_2d_stitched/{scene}.json', {'labels': {
            '000000.jpg': [{'label_id': f'pedestrian:{x}', 'box': box} for x, box in boxes.items()]}})


def penn(root: Path, video: str, frames: int, boxes: object, train: int, **changes: object) -> None:
    for i in range(frames):
        native.image(root / f'frames/{video}/{i + 1:06d}.jpg')
    x = np.arange(13.0)[None] + 100 * np.arange(frames)[:, None]
    native.mat(root / f'labels/{video}.mat', **{
        'x': x, 'y': 2 * x + 1, 'visibility': np.ones((frames, 13)), 'bbox': np.array(boxes, float).reshape(-1, 4),
        'train': np.array([[train]]), 'nframes': np.array([[frames]]), 'action': 'bowl', 'pose': 'left', **changes})


def dpw(root: Path, folder: str, name: str, frames: int, people: int = 1, **changes: object) -> None:
    for i in range(frames):
        native.image(root / f'imageFiles/{name}/image_{i:05d}.jpg')
    joints = np.stack([np.arange(18.0), 10 + 3 * np.arange(18), np.full(18, 0.8)])  # joint axis last
    poses = [np.stack([joints + [[i], [100 * a], [0]] for i in range(frames)]) for a in range(people)]
    pickled(root / f'sequenceFiles/{folder}/{name}.pkl', {
        'sequence': name, 'poses2d': poses, 'campose_valid': [np.ones(frames) for _ in range(people)], **changes})


def dhp(root: Path, sequence: str, frames: int, change=lambda points: None) -> None:
    cameras = []
    for camera in range(14):
        points = np.stack([10 * np.arange(28.0) + 5, 3 * np.arange(28.0) + 7], -1)
        points = np.stack([points + [camera, i] for i in range(frames)])
        change(points)
        cameras.append(points.reshape(frames, 56))
        for i in range(frames):
            native.image(root / f'{sequence}/video_{camera}/frame_{i + 1:06d}.jpg')
    native.mat(root / sequence / 'annot.mat', annot2=native.cells(*cameras))


def aist(root: Path, *numbers: int, frames: int = 21, ignored: int | None = None, places: object = None) -> None:
    """One camera looks along z from the origin, the others along -z (they see nothing)."""
    cloud = np.stack([np.arange(17.0), 2 * np.arange(17.0), np.full(17, 100.0)], -1)
    places = np.stack([cloud + [i, 0, 0] for i in range(frames)]) if places is None else places
    for number in numbers:
        name = AIST_NAME.format(number)
        pickled(root / f'keypoints3d/{name}.pkl', {'keypoints3d': places + 1e3, 'keypoints3d_optim': places})
        views = np.stack([places[..., :2] + 10 * v for v in range(9)])
        views = np.concatenate([views, np.ones((9, frames, 17, 1))], -1)
        pickled(root / f'keypoints2d/{name}.pkl', {'keypoints2d': views})
        for view in range(1, 10):
            for i in range(0, frames, 10):
                native.image(root / f'images/{name.replace("cAll", f"c{view:02d}")}/{i:06d}.jpg')
    native.text(root / 'cameras/mapping.txt', *(f'{AIST_NAME.format(x)} setting3' for x in numbers))
    native.data(root / 'cameras/setting3.json', [
        {'name': f'c{view:02d}', 'size': [1920, 1080], 'matrix': [[500, 0, 960], [0, 400, 540], [0, 0, 1]],
         'rotation': [0, 0, 0] if view == 4 else [0, np.pi, 0], 'translation': [0, 0, 50],
         'distortions': [0, 0, 0, 0, 0]} for view in range(9, 0, -1)])
    native.text(root / 'ignore_list.txt', *([AIST_NAME.format(ignored)] if ignored else []))
    native.text(root / 'splits/pose_train.txt', AIST_NAME.format(numbers[0]))
    native.text(root / 'splits/pose_val.txt', AIST_NAME.format(numbers[-1]).replace('cAll', 'c04'))


def make(root: Path, id: str) -> Path:
    """A sound dataset of a few records; returns one of its annotation files."""
    if id == 'posetrack':
        posetrack(root)
        return root / 'annotations/train/000001_bonn_train.json'
    if id == 'jrdb':
        jrdb(root, 'a', {1: numbered(17)}, {1: [1, 2, 30, 40]})
        return root / JRDB_PART / 'labels/labels_2d_stitched/a.json'
    if id in ('mhp', 'halpe'):
        path = root / f'annotations/{"mhp_train" if id == "mhp" else "halpe_train_v1"}.json'
        folder = 'train/images' if id == 'mhp' else 'hico_20160224_det/images/train2015'
        native.data(path, native.coco(root / folder, ['a.jpg'], 16 if id == 'mhp' else 136))
        return path
    if id == 'penn_action':
        penn(root, '0001', 2, [1, 2, 30, 40], 1)
        return root / 'labels/0001.mat'
    if id == 'threedpw':
        dpw(root, 'train', 'a', 2)
        return root / 'sequenceFiles/train/a.pkl'
    if id == 'mpi_inf_3dhp':
        dhp(root, 'S1/Seq1', 2)
        return root / 'S1/Seq1/annot.mat'
    aist(root, 1)
    return root / f'keypoints3d/{AIST_NAME.format(1)}.pkl'
