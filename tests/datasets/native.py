"""Hand-made datasets of a few files in the native layouts."""
import json
from pathlib import Path

import cv2
import numpy as np
import scipy.io


def image(path: Path, height: int = 40, width: int = 30, value: int = 128) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((height, width, 3), value, np.uint8))


def labels(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), values.astype(np.uint8))


def text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(f'{x}\n' for x in lines))


def data(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def mat(path: Path, **variables: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, variables)


def cells(*values: object) -> np.ndarray:
    """A MATLAB cell column."""
    column = np.empty((len(values), 1), object)
    column[:, 0] = values
    return column


def coco(folder: Path, names: list[str], num_keypoints: int = 17, **extra: object) -> dict:
    """A COCO-style annotation of one person in each named image; the images are written too, where they can be."""
    for name in names:
        if '..' not in name and not name.startswith('/'):
            image(folder / name)
    return {'images': [{'id': i, 'file_name': x, 'height': 40, 'width': 30} for i, x in enumerate(names)],
            'annotations': [{'id': 10 + i, 'image_id': i, 'category_id': 1, 'bbox': [2, 3, 20, 30], 'iscrowd': 0,
                             'keypoints': [5, 6, 2] * num_keypoints, 'area': 300, **extra} for i in range(len(names))]}


def crowdhuman(root: Path, *ids: str, split: str = 'train', boxes: list[dict] | None = None) -> Path:
    """CrowdHuman with one box in each image."""
    boxes = [{'tag': 'person', 'fbox': [1, 2, 10, 20]}] if boxes is None else boxes
    for id in ids:
        if '..' not in id:
            image(root / f'Images/{id}.jpg')
    text(root / f'annotation_{split}.odgt', *(json.dumps({'ID': x, 'gtboxes': boxes}) for x in ids))
    return root
