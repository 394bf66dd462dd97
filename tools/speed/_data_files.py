"""Files for timing data pipelines: noisy photographs and label maps in the native layouts of six datasets."""
import json
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import scipy.io

PEOPLE = 23  # boxes in a scene
DATASETS = {'reid': 'market1501', 'attribute': 'pa100k', 'pose': 'coco_pose', 'parsing': 'lip',
            'detection': 'crowdhuman', 'counting': 'shanghaitech_a'}
_SIZES = {'reid': (128, 64), 'attribute': (200, 80), 'counting': (768, 1024)}  # of the rest: 480 x 640


def photographs(rng: np.random.Generator, height: int, width: int, count: int, noise: float = 8.5) -> Iterator[bytes]:
    """JPEG files of smooth pictures with noise: some 99 KB at 640 x 480."""
    for _ in range(count):
        colours = rng.integers(0, 255, (max(height // 40, 2), max(width // 40, 2), 3), np.uint8)
        smooth = cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(smooth + rng.normal(0, noise, smooth.shape), 0, 255).astype(np.uint8)
        yield cv2.imencode('.jpg', noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def label_map(rng: np.random.Generator, height: int, width: int) -> bytes:
    """A PNG file of patches of 20 classes with some specks: some 29 KB at 640 x 480."""
    labels = cv2.resize(rng.integers(0, 20, (height // 20, width // 20), np.uint8), (width, height),
                        interpolation=cv2.INTER_NEAREST)
    specks = rng.random(labels.shape) < 0.009
    labels[specks] = rng.integers(0, 20, specks.sum())
    return cv2.imencode('.png', labels)[1].tobytes()


def boxes(rng: np.random.Generator, count: int) -> list[list[int]]:
    """x, y, width, height of people in 640 x 480, some of them large."""
    height = np.clip(rng.lognormal(4.6, 0.5, count), 30, 460)
    width = np.clip(height * rng.uniform(0.35, 0.6, count), 12, 620)
    left, top = rng.uniform(0, 640 - width), rng.uniform(0, 480 - height)
    return np.stack([left, top, width, height], 1).round().astype(int).tolist()


def write(folder: Path, count: int) -> dict[str, Path]:
    """The six datasets below a folder, with the same scenes in three of them.

    Returns:
        The root of each by task.
    """
    rng = np.random.default_rng(0)
    scenes = list(photographs(rng, 480, 640, count))
    roots = {}
    for task, id in DATASETS.items():
        roots[task] = root = folder / id
        images = list(photographs(rng, *_SIZES[task], count)) if task in _SIZES else scenes
        _LAYOUTS[task](rng, root, images)
    return roots


def _put(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def _reid(rng: np.random.Generator, root: Path, images: list[bytes]) -> None:
    for i, data in enumerate(images):
        _put(root / f'bounding_box_train/{i // 4 + 1:04d}_c{i % 6 + 1}s1_{i:06d}_00.jpg', data)


def _attribute(rng: np.random.Generator, root: Path, images: list[bytes]) -> None:
    names = np.empty((len(images), 1), object)
    for i, data in enumerate(images):
        names[i, 0] = f'{i:06d}.jpg'
        _put(root / 'data' / names[i, 0], data)
    scipy.io.savemat(root / 'annotation.mat', {
        'train_images_name': names, 'train_label': rng.integers(0, 2, (len(images), 26), np.uint8)})


def _pose(rng: np.random.Generator, root: Path, images: list[bytes]) -> None:
    rows = []
    for i, (x, y, w, h) in enumerate(boxes(rng, len(images))):
        points = np.column_stack([rng.uniform(x, x + w, 17), rng.uniform(y, y + h, 17), np.full(17, 2)])
        rows.append(dict(id=i, image_id=i, category_id=1, iscrowd=0, area=w * h, bbox=[x, y, w, h], num_keypoints=17,
                         keypoints=points.round().astype(int).ravel().tolist()))
        _put(root / f'train2017/{i:012d}.jpg', images[i])
    _put(root / 'annotations/person_keypoints_train2017.json', json.dumps(dict(
        annotations=rows, categories=[dict(id=1, name='person')],
        images=[dict(id=i, file_name=f'{i:012d}.jpg', width=640, height=480) for i in range(len(images))])))


def _parsing(rng: np.random.Generator, root: Path, images: list[bytes]) -> None:
    for i, data in enumerate(images):
        _put(root / f'data/train_images/{i:06d}.jpg', data)
        _put(root / f'TrainVal_parsing_annotations/train_segmentations/{i:06d}.png', label_map(rng, 480, 640))
    _put(root / 'data/train_id.txt', ''.join(f'{i:06d}\n' for i in range(len(images))))


def _detection(rng: np.random.Generator, root: Path, images: list[bytes]) -> None:
    lines = []
    for i, data in enumerate(images):
        _put(root / f'Images/{i:06d}.jpg', data)
        people = [dict(tag='person', fbox=box, vbox=box, hbox=box, head_attr={}, extra=dict(box_id=n))
                  for n, box in enumerate(boxes(rng, PEOPLE))]
        lines.append(json.dumps(dict(ID=f'{i:06d}', gtboxes=people)))
    _put(root / 'annotation_train.odgt', '\n'.join(lines))


def _counting(rng: np.random.Generator, root: Path, images: list[bytes]) -> None:
    labels = root / 'train_data/ground_truth'
    os.makedirs(labels)
    for i, data in enumerate(images):
        _put(root / f'train_data/images/IMG_{i}.jpg', data)
        heads = rng.uniform((0, 0), (1024, 768), (500, 2))
        scipy.io.savemat(labels / f'GT_IMG_{i}.mat', {'image_info': _cell(_structure(heads))})


def _cell(value: object) -> np.ndarray:
    cell = np.empty((1, 1), object)
    cell[0, 0] = value
    return cell


def _structure(points: np.ndarray) -> np.ndarray:
    fields = np.empty((1, 1), [('location', object), ('number', object)])
    fields[0, 0] = points, len(points)
    return fields


_LAYOUTS = {'reid': _reid, 'attribute': _attribute, 'pose': _pose, 'parsing': _parsing, 'detection': _detection,
            'counting': _counting}
