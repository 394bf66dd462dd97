"""Seeded inputs of ``speed/metrics``; ``full`` has the size of the real test set, ``small`` runs in seconds."""
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

WIDTH, HEIGHT = 1280, 800


def written(records: Sequence[dict] | dict, name: str, lines: bool = False) -> str:
    """Path of a temporary file with the records."""
    path = Path(tempfile.mkdtemp(prefix='humanbench_speed_')) / name
    path.write_text('\n'.join(map(json.dumps, records)) if lines else json.dumps(records))
    return str(path)


def reid(size: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    """Arguments of ``reid``: 768 numbers an image, six cameras.

    Args:
        size: queries, gallery, identities.
    """
    queries, gallery, identities = size
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((identities, 768), np.float32)

    def side(images: int) -> tuple[np.ndarray, ...]:
        ids = rng.integers(1, identities + 1, images)
        features = rng.standard_normal((images, 768), np.float32)
        features *= 4
        features += centres[ids - 1]
        return features, ids, rng.integers(0, 6, images)

    return *side(queries), *side(gallery)


def crowdhuman(images: int) -> tuple[str, str]:
    """Paths of ground truth and detections: 29 boxes an image, a fifth to ignore, and about 80 detections."""
    rng = np.random.default_rng(0)
    truth, found = [], []
    for image in range(images):
        count = int(rng.integers(5, 54))
        height = rng.uniform(60, 500, count)
        place = rng.uniform(-20, 1, (count, 2)) + rng.uniform(0, 1, (count, 2)) * (WIDTH - 150, HEIGHT - 300)
        boxes = np.column_stack([place, height * 0.4, height]).round(1)
        tags = np.where(rng.uniform(size=count) < 0.22, 'mask', 'person').tolist()
        truth.append(dict(ID=str(image), gtboxes=[
            dict(fbox=box, hbox=box, tag=tag) for box, tag in zip(boxes.tolist(), tags)]))
        copies = np.repeat(boxes, 2, axis=0)
        copies += rng.normal(size=copies.shape) * copies[:, 3:] * 0.05
        noise = np.column_stack([rng.uniform(0, WIDTH, 20), rng.uniform(0, HEIGHT, 20), rng.uniform(20, 200, (20, 2))])
        boxes = np.concatenate([copies, noise]).round(1)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 2)
        scores = np.concatenate([rng.beta(4, 2, len(copies)), rng.beta(1, 5, 20)]).round(6)
        found.append(dict(ID=str(image), width=WIDTH, height=HEIGHT, dtboxes=[
            dict(box=box, score=score, tag=1) for box, score in zip(boxes.tolist(), scores.tolist())]))
    return written(truth, 'annotation_val.odgt', lines=True), written(found, 'detections.odgt', lines=True)


def coco(images: int) -> tuple[str, str]:
    """Paths of COCO keypoint ground truth and results: 2.2 people and 21 detections an image."""
    rng = np.random.default_rng(0)
    annotations, detections = [], []
    for image in range(images):
        for _ in range(int(rng.integers(0, 5))):
            x, y, w, h = rng.uniform((0, 0, 30, 60), (500, 300, 150, 250))
            joints = np.column_stack([x + rng.uniform(0, w, 17), y + rng.uniform(0, h, 17), rng.integers(0, 3, 17)])
            annotations.append(dict(
                id=len(annotations) + 1, image_id=image, category_id=1, bbox=[x, y, w, h], area=w * h * 0.6,
                iscrowd=int(rng.uniform() < 0.02), keypoints=joints.round(2).ravel().tolist(),
                num_keypoints=int((joints[:, 2] > 0).sum())))
            for _ in range(int(rng.integers(5, 14))):
                near = joints + rng.normal(size=(17, 3)) * (rng.choice([2, 6, 20]), rng.choice([2, 6, 20]), 0)
                detections.append(dict(image_id=image, category_id=1, score=round(float(rng.uniform()), 6),
                                       bbox=[round(v, 2) for v in (x + rng.normal() * 8, y + rng.normal() * 8, w, h)],
                                       keypoints=near.round(3).ravel().tolist()))
    truth = dict(images=[dict(id=i) for i in range(images)], categories=[dict(id=1, name='person')],
                 annotations=annotations)
    return written(truth, 'truth.json'), written(detections, 'detections.json')


def parsing(images: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Label maps of 800 x 600 in 20 classes, patches of 8 pixels, 1 % ignored, and predictions that are 80 % right."""
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(min(images, 20)):
        labels = np.kron(rng.integers(0, 20, (75, 100), dtype=np.uint8), np.ones((8, 8), np.uint8))
        wrong = rng.uniform(size=labels.shape) < 0.2
        predictions = np.where(wrong, rng.integers(0, 20, labels.shape, dtype=np.uint8), labels)
        labels[rng.uniform(size=labels.shape) < 0.01] = 255
        pairs.append((labels, predictions))
    return [pairs[i % len(pairs)] for i in range(images)]
