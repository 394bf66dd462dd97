"""What ``score`` does for each task: files in, numbers out. The formats are in its help."""
import argparse
import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

import humanbench.datasets  # noqa: F401  (registers the readers)
from humanbench import catalog
from humanbench.errors import UserError, unknown_name
from humanbench.evaluation import (
    attributes,
    box_ap,
    confusion_matrix,
    counting,
    crowdhuman,
    epe,
    keypoint_ap,
    miss_rate,
    parsing,
    pckh,
    reid,
)
from humanbench.evaluation.coco import load_detections, load_ground_truth
from humanbench.evaluation.inputs import distinct, field, load_json, positions, table
from humanbench.evaluation.miss_rate import RULES
from humanbench.registry import DATASETS


def load_arrays(path: str, what: str) -> dict[str, np.ndarray]:
    """Arrays of an .npz; one .npy is called ``values``. Nothing in them is executed."""
    try:
        loaded = np.load(path, allow_pickle=False)
        return {'values': loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f'{what}: {path} is not an array file of NumPy ({error}).') from error


def load_mat(path: str, what: str) -> dict[str, Any]:
    """Variables of a MATLAB file."""
    try:
        return scipy.io.loadmat(path)
    except (OSError, ValueError, NotImplementedError, TypeError) as error:
        raise UserError(f'{what}: {path} is not a MATLAB file of version 7 or older ({error}).') from error


def load_table(path: str, what: str) -> list[dict[str, str]]:
    """Rows of a .csv with a head line."""
    try:
        with open(path, newline='', encoding='utf-8-sig') as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f'{what}: cannot read {path} ({error}).') from error
    if not rows or any(None in row or None in row.values() for row in rows):
        raise UserError(f'{what}: {path} has no rows, or rows that do not fit its head line.')
    return rows


def by_name(path: str, what: str) -> dict[str, Any]:
    """{name: value} of a .json or .csv; of a .csv with more than two columns a value is a list."""
    if path.endswith('.json'):
        values = load_json(path, what)
        if not isinstance(values, dict):
            raise UserError(f'{what}: {path} holds a {type(values).__name__}; expected an object of names.')
        return values
    rows = load_table(path, what)
    first, *columns = rows[0]
    distinct([row[first] for row in rows], f'{what}, {path}')
    try:
        values = {row[first]: [float(row[column]) for column in columns] for row in rows}
    except ValueError as error:
        raise UserError(f'{what}: {path} holds something that is not a number ({error}).') from error
    return {name: value[0] for name, value in values.items()} if len(columns) == 1 else values


def aligned(values: dict[str, Any], names: Sequence[str], what: str) -> list:
    """Values in the order of ``names``, exactly those."""
    positions(list(values), names, what)
    missing = [name for name in names if name not in values]
    if missing:
        raise UserError(f'{what}: {len(missing)} of {len(names)} are missing, {missing[0]!r} first. Predict every one.')
    return [values[name] for name in names]


def card(dataset: str | None) -> Any:
    """The dataset's card, or None."""
    return None if dataset is None else catalog.card(dataset)


def records(dataset: str, root: Path, split: str, **options: Any) -> list[dict]:
    """What the dataset's reader makes of its native files."""
    reader = next(x for x in DATASETS.module_dict.values() if dataset in getattr(x, 'datasets', ()))
    data = reader(root=root, split=split, dataset=dataset, **options)
    return [data.get_data_info(i) for i in range(len(data))]


def from_file(dataset: str, path: str, split: str) -> list[dict]:
    """Records of one native annotation file, wherever its images are."""
    return records(dataset, Path(path).resolve().parent, split, ann_file=Path(path).name, img_dir='.')


def reid_sides(args: argparse.Namespace) -> list[tuple[list[str] | None, np.ndarray, np.ndarray]]:
    """Names (or None), ids and cameras of query and gallery."""
    if args.gt.endswith('.npz'):
        arrays = load_arrays(args.gt, 'reid ground truth')
        missing = {f'{side}_{kind}' for side in ('query', 'gallery') for kind in ('ids', 'cams')} - set(arrays)
        if missing:
            raise UserError(f'reid ground truth: {args.gt} lacks {", ".join(sorted(missing))}.')
        return [(arrays[f'{side}_names'].tolist() if f'{side}_names' in arrays else None, arrays[f'{side}_ids'],
                 arrays[f'{side}_cams']) for side in ('query', 'gallery')]
    if os.path.isdir(args.gt):
        if args.dataset is None:
            raise UserError('reid ground truth: a folder needs --dataset.')
        rows = [(x['split'], os.path.basename(x['img_path']), x['pid'], x['camid'])
                for x in records(args.dataset, Path(args.gt).resolve(), args.split)]
    else:
        table = load_table(args.gt, 'reid ground truth')
        try:
            rows = [(row['split'], row['name'], int(row['id']), int(row['camera'])) for row in table]
        except (KeyError, ValueError) as error:
            raise UserError(f'reid ground truth: {args.gt}: {error}; expected the columns split, name, id, camera, the '
                            'last two integers.') from error
    sides = []
    for split in ('query', 'gallery'):
        own = [row[1:] for row in rows if row[0] == split]
        sides.append(([x[0] for x in own], *(np.array([x[i] for x in own], np.int64) for i in (1, 2))))
    return sides


def score_reid(args: argparse.Namespace) -> dict[str, float]:
    arrays = load_arrays(args.pred, 'reid predictions')
    inputs = []
    for side, (names, ids, cams) in zip(('query', 'gallery'), reid_sides(args)):
        if f'{side}_features' not in arrays:
            raise UserError(f'reid predictions: {args.pred} lacks {side}_features; it has {", ".join(sorted(arrays))}.')
        features = arrays[f'{side}_features']
        if f'{side}_names' in arrays:
            found = arrays[f'{side}_names'].tolist()
            if names is None:
                raise UserError('reid predictions have names, but the ground truth has none to compare them with.')
            distinct(found, f'reid predictions, {side}_names')
            if len(found) != len(features):
                raise UserError(f'reid predictions: {len(found)} {side}_names for {len(features)} features.')
            features = features[aligned({name: i for i, name in enumerate(found)}, names, f'reid predictions, {side}')]
        inputs += [features, ids, cams]
    return reid(*inputs, distance=args.distance, rerank=args.rerank)


def score_attribute(args: argparse.Namespace) -> dict[str, float]:
    names = None
    if args.gt.endswith('.mat'):
        if args.dataset is None:
            raise UserError('attribute ground truth: a .mat file needs --dataset (pa100k, peta or rapv2).')
        people = from_file(args.dataset, args.gt, args.split)
        names = [os.path.basename(x['img_path']) for x in people]
        labels = np.stack([x['attributes'] for x in people])
    elif args.gt.endswith('.npy'):
        labels = load_arrays(args.gt, 'attribute ground truth')['values']
    else:
        truth = by_name(args.gt, 'attribute ground truth')
        names, labels = list(truth), list(truth.values())
    if args.pred.endswith('.npy'):
        scores = load_arrays(args.pred, 'attribute predictions')['values']
    elif names is None:
        raise UserError('attribute predictions have names, but the ground truth has none to compare them with.')
    else:
        scores = aligned(by_name(args.pred, 'attribute predictions'), names, 'attribute predictions')
    return attributes(labels, scores, args.threshold)


def score_pckh(args: argparse.Namespace) -> dict[str, float]:
    if args.pred.endswith('.mat'):
        mat = load_mat(args.pred, 'pose predictions')
        if 'preds' not in mat:
            raise UserError(f"pose predictions: {args.pred} has no variable 'preds'.")
        predictions = mat['preds'] - 1.0  # counted from 1
    elif args.pred.endswith('.npy'):
        predictions = load_arrays(args.pred, 'pose predictions')['values']
    else:
        predictions = load_json(args.pred, 'pose predictions')
    return pckh(predictions, load_mat(args.gt, 'pose ground truth'), args.threshold)


def score_epe(truth: Any, args: argparse.Namespace) -> dict[str, float]:
    joints = 3 * len(card(args.dataset).keypoints)
    sides = []
    for people, what in ((load_ground_truth(truth, 'pose ground truth')['annotations'], 'pose ground truth'),
                         (load_detections(args.pred, 'pose predictions'), 'pose predictions')):
        images = field(people, 'image_id', what)
        distinct(images, f'{what}, image_id')
        points = table(field(people, 'keypoints', what), joints, what).reshape(-1, joints // 3, 3)
        sides.append(dict(zip(images, points)))
    target = np.stack(list(sides[0].values()))
    found = np.stack(aligned(sides[1], list(sides[0]), 'pose predictions'))
    return epe(found[..., :2], target[..., :2], target[..., 2])


def score_pose(args: argparse.Namespace) -> dict[str, float]:
    if args.gt.endswith('.mat'):
        return score_pckh(args)
    truth, known = load_json(args.gt, 'pose ground truth'), card(args.dataset)
    if known is not None and known.metric[0] == 'EPE':
        return score_epe(truth, args)
    if isinstance(truth, list) and args.dataset == 'aic':  # the native list of images
        people = [dict(x['raw_ann_info']) for x in from_file('aic', args.gt, 'val')]
        truth = dict(images=[dict(id=x['image_id']) for x in truth], categories=[dict(id=1)], annotations=people)
    sigmas = known.sigmas if known is not None and known.sigmas else None
    return keypoint_ap(truth, args.pred, sigmas, use_area=not args.box_area)


def label_map(path: Path) -> np.ndarray:
    """(H, W) ids of a label map; of a palette image, the indices."""
    try:
        with Image.open(path) as image:
            values = np.asarray(image)
    except OSError as error:
        raise UserError(f'parsing: cannot read {path} ({error}).') from error
    if values.ndim != 2:
        raise UserError(f'parsing: {path} has {values.ndim} dimensions; expected one channel of label ids.')
    return values


def score_parsing(args: argparse.Namespace) -> dict[str, float]:
    known = card(args.dataset)
    classes = args.num_classes or (len(known.classes) if known is not None else 0)
    if not classes:
        raise UserError('parsing: give --dataset or --num-classes.')
    to_class = np.arange(2 ** 16)
    if known is not None and known.label_ids:
        to_class = np.full(2 ** 16, 2 ** 16 - 1)
        to_class[list(known.label_ids)] = np.arange(classes)
        to_class[args.ignore_index] = args.ignore_index
    names = sorted(x.relative_to(args.gt) for x in Path(args.gt).rglob('*.png'))
    if not names:
        raise UserError(f'parsing ground truth: no .png in {args.gt}; expected the folder of native label maps.')
    absent = [name for name in names if not (Path(args.pred) / name).is_file()]
    if absent:
        raise UserError(f'parsing predictions: {len(absent)} of {len(names)} label maps are not in {args.pred}, '
                        f"'{absent[0]}' first.")
    total = np.zeros((classes, classes), np.int64)
    for name in names:
        try:
            total += confusion_matrix(to_class[label_map(Path(args.gt) / name)],
                                      to_class[label_map(Path(args.pred) / name)], classes, args.ignore_index)
        except UserError as error:
            raise UserError(f'{name}: {error}') from error
    return parsing(total)


def score_detection(args: argparse.Namespace) -> dict[str, float]:
    if args.dataset == 'crowdhuman' or args.gt.endswith('.odgt'):
        return crowdhuman(args.gt, args.pred)
    if args.dataset not in RULES:
        return box_ap(args.gt, args.pred)
    rates = {subset: miss_rate(args.gt, args.pred, subset, args.dataset)['MR'] for subset in args.subset}
    return {'MR' if i == 0 else f'MR_{subset}': rate for i, (subset, rate) in enumerate(rates.items())}


def true_counts(path: str) -> dict[str, float]:
    """{image name without suffix: number of people}."""
    if not os.path.isdir(path):
        values = by_name(path, 'counting ground truth')
        return {name: len(x) if isinstance(x, list) else x for name, x in values.items()}
    counts = {}
    for file in sorted(Path(path).glob('GT_*.mat')):
        mat = load_mat(str(file), 'counting ground truth')
        try:
            counts[file.stem.removeprefix('GT_')] = len(mat['image_info'][0, 0]['location'][0, 0])
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise UserError(f'counting ground truth: {file} has no image_info with a location ({error}).') from error
    if not counts:
        raise UserError(f'counting ground truth: no GT_*.mat in {path}.')
    return counts


def score_counting(args: argparse.Namespace) -> dict[str, float]:
    truth = {Path(name).stem: count for name, count in true_counts(args.gt).items()}
    found = {Path(name).stem: count for name, count in by_name(args.pred, 'counting predictions').items()}
    return counting(list(truth.values()), aligned(found, list(truth), 'counting predictions'))


SCORERS = {'reid': score_reid, 'attribute': score_attribute, 'pose': score_pose, 'parsing': score_parsing,
           'detection': score_detection, 'counting': score_counting}


def score(args: argparse.Namespace) -> dict[str, float]:
    """The scores that a command line asks for."""
    if args.task not in SCORERS:
        raise unknown_name('task', args.task, SCORERS)
    for what, path in (('--gt', args.gt), ('--pred', args.pred)):
        if not os.path.exists(path):
            raise UserError(f'{what}: {path} does not exist.')
    tasks = ('detection',) if args.dataset == 'citypersons' else card(args.dataset).tasks if args.dataset else ()
    if args.dataset and args.task not in tasks:
        raise UserError(f"--dataset: {args.dataset} is for {', '.join(tasks)}, not {args.task}.")
    return SCORERS[args.task](args)
