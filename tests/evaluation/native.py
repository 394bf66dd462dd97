"""MiniHuman's native files of any benchmark dataset, and predictions for them in the format that ``score`` documents.

Everything goes by a dataset's task and the metric on its card: a new one needs no edit.
"""
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

from humanbench import catalog, evaluation, minihuman
from humanbench.datasets.base import HumanDataset
from humanbench.evaluation.miss_rate import populated
from humanbench.registry import DATASETS
from humanbench.resources import folder

BENCHMARK = {path.stem: path.parent.name
             for place in ('benchmark/*/*.py', 'downstream/text_reid/*.py', 'downstream/person_search/*.py')
             for path in sorted(folder('configs').glob(place))} | {
    'citypersons': 'detection', 'itop_side': 'pose_3d', 'nturgbd_parsing': 'parsing'}
BEST = {'mAP': 1, 'rank1': 1, 'mA_present': 1, 'AP50': 1, 'mean': 1, 'EPE': 0, 'mIoU_present': 1, 'pixel_accuracy': 1,
        'mean_precision': 1, 'JI': 1, 'accuracy': 1, 'MPJPE': 0, 'MR': 0, 'MAE': 0, 'RMSE': 0}


@dataclass(frozen=True)
class Predicted:
    """A prediction file, and what the pure functions say of it."""
    path: Path
    expected: dict[str, float]


def benchmark_split(dataset: str, base: Path) -> HumanDataset:
    """The split of a dataset's tiny edition that the benchmark tests on."""
    minihuman.ensure(base, 'tiny', 0, [dataset])
    kind = next(x for x in DATASETS.module_dict.values() if dataset in getattr(x, 'datasets', ()))
    split = 'test' if 'test' in kind.splits else 'val'
    return kind(root=base / catalog.card(dataset).layout.root, split=split, dataset=dataset)


def predict(data: HumanDataset, out: Path, noise: float) -> Predicted:
    """Predictions that are right (``noise`` 0), or more or less wrong."""
    return WRITERS[data.card.tasks[0]](data, out, noise, np.random.default_rng(0))


def _records(data: HumanDataset) -> list[dict]:
    return [data.get_data_info(i) for i in range(len(data))]


def _json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def _reid(data: HumanDataset, out: Path, noise: float, rng: np.random.Generator) -> Predicted:
    arrays, inputs = {}, []
    records = _records(data)
    people = sorted({x['pid'] for x in records})
    for side in ('query', 'gallery'):
        own = [x for x in records if x['split'] == side]
        features = np.eye(len(people), dtype=np.float32)[[people.index(x['pid']) for x in own]]
        features += 2 * noise * rng.normal(size=features.shape).astype(np.float32)
        inputs += [features, np.array([x['pid'] for x in own]), np.array([x['camid'] for x in own])]
        order = rng.permutation(len(own))
        arrays |= {f'{side}_features': features[order],
                   f'{side}_names': np.array([Path(own[i]['img_path']).name for i in order])}
    np.savez(out / 'features.npz', **arrays)
    return Predicted(out / 'features.npz', evaluation.reid(*inputs))


def _text_reid(data: HumanDataset, out: Path, noise: float, rng: np.random.Generator) -> Predicted:
    records, folder = _records(data), Path(data.root, 'imgs')
    ids = np.array([x['pid'] for x in records])
    of_text = ids.repeat([len(x['captions']) for x in records])
    people, order = sorted(set(ids.tolist())), rng.permutation(len(ids))
    images, texts = (np.eye(len(people), dtype=np.float32)[np.searchsorted(people, x)] for x in (ids, of_text))
    images += 2 * noise * rng.normal(size=images.shape).astype(np.float32)
    np.savez(out / 'features.npz', image_features=images[order], text_features=texts, image_names=np.array(
        [str(Path(records[i]['img_path']).relative_to(folder)) for i in order]))
    return Predicted(out / 'features.npz', evaluation.text_to_image(texts, of_text, images, ids))


def _person_search(data: HumanDataset, out: Path, noise: float, rng: np.random.Generator) -> Predicted:
    records = _records(data)
    people = sorted({x['pid'] for record in records for x in record['instances']})
    frames, queries, names = [], [], []
    for record in records:
        boxes, pids = (np.array([x[key] for x in record['instances']], float) for key in ('bbox', 'pid'))
        boxes = boxes.reshape(-1, 4)
        looks = np.eye(len(people), dtype=np.float32)[np.searchsorted(people, pids)]
        frames.append(dict(id=record['frame'], boxes=boxes, people=pids.astype(int), scores=1 - 0.01 * pids.clip(0, 9),
                           found=boxes + 20 * noise * rng.normal(size=boxes.shape),
                           features=looks + 2 * noise * rng.normal(size=looks.shape).astype(np.float32)))
        names += [record['img_id']] * len(boxes)
        queries += [(x['query'], dict(
            x, frame=record['frame'], person=x['pid'], feature=np.eye(len(people))[people.index(x['pid'])]))
            for x in record['queries']]
    found, order = np.concatenate([x['found'] for x in frames]), rng.permutation(len(names))
    found = np.column_stack([found[:, :2], found[:, 2:] - found[:, :2]])
    queries = [x for _, x in sorted(queries, key=lambda x: x[0])]
    np.savez(out / 'found.npz', frames=np.array(names)[order], boxes=found[order], **{
        key: np.concatenate([x[key] for x in frames])[order] for key in ('scores', 'features')},
        query_features=np.array([x['feature'] for x in queries]))
    return Predicted(out / 'found.npz', evaluation.person_search(frames, queries))


def _attribute(data: HumanDataset, out: Path, noise: float, rng: np.random.Generator) -> Predicted:
    records = _records(data)
    labels = np.stack([x['attributes'] for x in records])
    scores = np.where(rng.uniform(size=labels.shape) < noise, rng.uniform(size=labels.shape), 0.1 + 0.8 * (labels == 1))
    rows = {Path(x['img_path']).name: row.tolist() for x, row in zip(records, scores)}
    return Predicted(_json(out / 'scores.json', dict(reversed(rows.items()))), evaluation.attributes(labels, scores))


def _pose(data: HumanDataset, out: Path, noise: float, rng: np.random.Generator) -> Predicted:
    records, card, file = _records(data), data.card, Path(data.metainfo['ann_file'])
    joints = np.stack([np.array(x['raw_ann_info']['keypoints'], float).reshape(-1, 3) for x in records])
    guess = joints + 20 * noise * rng.normal(size=joints.shape) * (1, 1, 0)
    if card.metric[0] == 'mean':
        np.save(out / 'joints.npy', guess[..., :2])
        truth = scipy.io.loadmat(file.with_name('mpii_gt_val.mat'))
        return Predicted(out / 'joints.npy', {**evaluation.pckh(guess[..., :2], truth), 'mean@0.1': evaluation.pckh(
            guess[..., :2], truth, 0.1)['mean']})
    people = [x['raw_ann_info'] for x in records]
    found = [dict(image_id=x['image_id'], category_id=1, keypoints=row.ravel().tolist(), score=1 - i / 1000)
             for i, (x, row) in enumerate(zip(people, guess))]
    path = _json(out / 'results.json', found)
    if card.metric[0] == 'EPE':
        return Predicted(path, evaluation.epe(guess[..., :2], joints[..., :2], joints[..., 2]))
    truth = json.loads(file.read_text())
    if isinstance(truth, list):
        truth = dict(images=[dict(id=x['image_id']) for x in truth], categories=[dict(id=1)], annotations=people)
    return Predicted(path, evaluation.keypoint_ap(truth, found, card.sigmas, use_area=not card.box_area))


def _parsing(data: HumanDataset, out: Path, noise: float, rng: np.random.Generator) -> Predicted:
    card, total = data.card, 0
    ids = np.array(card.label_ids or range(len(card.classes)), np.uint8)
    for record in _records(data):
        path = Path(record['seg_map_path'])
        with Image.open(path) as image:
            labels = np.asarray(image)
        wrong = rng.uniform(size=labels.shape) < noise
        guess = np.where(wrong & (labels != 255), ids[rng.integers(0, len(ids), labels.shape)], labels).astype(np.uint8)
        target = out / 'maps' / path.relative_to(data.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(guess).save(target)
        to_class = np.full(256, 255)
        to_class[ids] = np.arange(len(ids))
        total = total + evaluation.confusion_matrix(to_class[labels], to_class[guess], len(ids))
    return Predicted(out / 'maps', evaluation.parsing(total))


def _detection(data: HumanDataset, out: Path, noise: float, rng: np.random.Generator) -> Predicted:
    found, records, native = [], [], data.metainfo['ann_file']
    for number, record in enumerate(_records(data), 1):
        with Image.open(record['img_path']) as image:
            width, height = image.size
        boxes = np.array([x['bbox'] for x in record['instances'] if not x['ignore_flag']], float).reshape(-1, 4)
        boxes[:, 2:] -= boxes[:, :2]
        boxes += noise * 20 * rng.normal(size=boxes.shape)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 2)
        scores = rng.uniform(0.5, 1, len(boxes)).round(6).tolist()
        found.append(dict(ID=record['img_id'], width=width, height=height, dtboxes=[
            dict(box=box, score=score) for box, score in zip(boxes.tolist(), scores)]))
        name = record['img_id'] if native.endswith('.json') else number
        records += [dict(image_id=name, category_id=1, bbox=box, score=score)
                    for box, score in zip(boxes.tolist(), scores)]
    if 'JI' in data.card.metric:
        (out / 'found.odgt').write_text('\n'.join(map(json.dumps, found)))
        return Predicted(out / 'found.odgt', evaluation.crowdhuman(native, found))
    if data.dataset == 'citypersons':
        ranked, *also = 'reasonable', 'reasonable_small', 'heavy', 'all'
        native = city_truth(Path(native), len(data))
    else:
        ranked, *also = 'heavy', 'reasonable', 'all'
    rates = {'MR' if name == ranked else f'MR_{name}': evaluation.miss_rate(native, records, name, data.dataset)['MR']
             if populated(native, name, data.dataset) else np.nan for name in (ranked, *also)}
    return Predicted(_json(out / 'found.json', records), rates)


def city_truth(file: Path, count: int) -> dict:
    """``anno_val.mat`` as the public evaluator has it in ``val_gt.json``."""
    cells, annotations = scipy.io.loadmat(file)['anno_val_aligned'].ravel(), []
    assert len(cells) == count
    for i, cell in enumerate(cells, 1):
        for kind, *box, _, x, y, width, height in cell[0, 0]['bbs'].reshape(-1, 10).astype(int).tolist():
            annotations.append(dict(image_id=i, category_id=1, bbox=box, vis_bbox=[x, y, width, height],
                                    vis_ratio=width * height / (box[2] * box[3]), height=box[3], iscrowd=0,
                                    ignore=int(kind != 1)))
    return dict(images=[dict(id=i, height=1024, width=2048) for i in range(1, count + 1)], categories=[dict(id=1)],
                annotations=annotations)


def _counting(data: HumanDataset, out: Path, noise: float, rng: np.random.Generator) -> Predicted:
    records = _records(data)
    counts = np.array([len(x['gt_points']) for x in records], float)
    guess = counts + 5 * noise * rng.normal(size=len(counts))
    names = [Path(x['img_path']).name for x in records]
    return Predicted(_json(out / 'counts.json', dict(zip(names, guess.tolist()))), evaluation.counting(counts, guess))


def _pose_3d(data: HumanDataset, out: Path, noise: float, rng: np.random.Generator) -> Predicted:
    truth = np.concatenate([x['keypoints_3d'] for x in _records(data)])
    found = truth + 0.3 * noise * rng.normal(size=truth.shape)
    np.save(out / 'places.npy', found)
    return Predicted(out / 'places.npy', evaluation.pose_3d(found, truth))


WRITERS = {'reid': _reid, 'attribute': _attribute, 'pose': _pose, 'parsing': _parsing, 'detection': _detection,
           'counting': _counting, 'text_reid': _text_reid, 'person_search': _person_search,
           'pose_3d': _pose_3d}
