"""What ``score`` does for each task: files in, numbers out. The formats are in its help."""
import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _score_files import (
    aligned,
    by_name,
    card,
    label_map,
    load_arrays,
    load_mat,
    load_table,
    once,
    one_file,
    reader,
    results,
    suffix,
)
from _score_pose import coverage, score_pose
from _score_pose_3d import score_pose_3d
from _score_record import Scored
from _score_search import score_person_search

from humanbench import catalog
from humanbench.errors import DataError, UserError, unknown_name
from humanbench.evaluation import (
    attributes,
    box_ap,
    confusion_matrix,
    counting,
    crowdhuman,
    heavy_by_crowdhuman,
    miss_rate,
    parsing,
    reid,
    text_to_image,
)
from humanbench.evaluation.coco import load_ground_truth
from humanbench.evaluation.inputs import distinct, load_json_lines
from humanbench.evaluation.miss_rate import RULES, populated

SUBSETS = {'caltech': ('heavy', 'reasonable', 'all'), 'citypersons': ('reasonable', 'reasonable_small', 'heavy', 'all')}
"""Of the miss rate, the ranked one first."""
RELEASED_SIZE = (1000, 1000)
"""At which PATH's release scores Human3.6M's label maps."""


# ---------------------------------------------------------------------------------------------------------------- ReID
def _reid_rows(args: argparse.Namespace, gt: Path) -> tuple[list[tuple], dict[str, Any]]:
    """(side, name, id, camera) of every image, and what is known of where they are from."""
    if gt.is_dir():
        if args.dataset is None:
            raise UserError('reid ground truth: a folder needs --dataset.')
        data = reader(args.dataset, gt, args.split)
        records = [data.get_data_info(i) for i in range(len(data))]
        return ([(x['split'], Path(x['img_path']).name, x['pid'], x['camid']) for x in records],
                dict(truth=[], split=data.split, split_hash=data.fingerprint()))
    if suffix(gt, 'reid ground truth', '.npz', '.csv') == '.npz':
        arrays = load_arrays(gt, 'reid ground truth')
        missing = {f'{side}_{kind}' for side in ('query', 'gallery') for kind in ('ids', 'cams')} - set(arrays)
        if missing:
            raise UserError(f'reid ground truth: {gt} lacks {", ".join(sorted(missing))}.')
        return [(side, name, person, camera) for side in ('query', 'gallery') for name, person, camera in zip(
            arrays.get(f'{side}_names', [None] * len(arrays[f'{side}_ids'])), arrays[f'{side}_ids'],
            arrays[f'{side}_cams'], strict=True)], dict(truth=[gt])
    try:
        return [(row['split'], row['name'], int(row['id']), int(row['camera']))
                for row in load_table(gt, 'reid ground truth')], dict(truth=[gt])
    except (KeyError, ValueError) as error:
        raise UserError(f'reid ground truth: {gt}: {error}; expected the columns split, name, id, camera, the '
                        'last two integers.') from error


def score_reid(args: argparse.Namespace, gt: Path, pred: Path) -> Scored:
    suffix(pred, 'reid predictions', '.npz')
    arrays, (rows, known) = load_arrays(pred, 'reid predictions'), _reid_rows(args, gt)
    inputs: list[np.ndarray] = []
    for side in ('query', 'gallery'):
        own = [row[1:] for row in rows if row[0] == side]
        names, ids, cams = [x[0] for x in own], *(np.array([x[i] for x in own], np.int64) for i in (1, 2))
        if f'{side}_features' not in arrays:
            raise UserError(f'reid predictions: {pred} lacks {side}_features; it has {", ".join(sorted(arrays))}.')
        features = arrays[f'{side}_features']
        if f'{side}_names' in arrays:
            found = arrays[f'{side}_names'].tolist()
            if None in names:
                raise UserError('reid predictions have names, but the ground truth has none to compare them with.')
            distinct(found, f'reid predictions, {side}_names')
            if len(found) != len(features):
                raise UserError(f'reid predictions: {len(found)} {side}_names for {len(features)} features.')
            features = features[aligned({name: i for i, name in enumerate(found)}, names, f'reid predictions, {side}')]
        inputs += [features, ids, cams]
    scores = reid(*inputs, distance=args.distance, rerank=args.rerank)
    return Scored(scores, ('reid',), predictions=[pred], images=len(rows), **known)


# ---------------------------------------------------------------------------------------------------------------- text
def _text_rows(args: argparse.Namespace, gt: Path) -> tuple[list[str] | None, np.ndarray, np.ndarray, dict[str, Any]]:
    """Names of the images (None where they have none), ids of the images, ids of the captions, and where they are from.

    Captions are in the order of the list: all of the first image, then all of the second.
    """
    if not gt.is_dir() and suffix(gt, 'text_reid ground truth', '.json', '.npz') == '.npz':
        arrays = load_arrays(gt, 'text_reid ground truth')
        missing = {'image_ids', 'text_ids'} - set(arrays)
        if missing:
            raise UserError(f'text_reid ground truth: {gt} lacks {", ".join(sorted(missing))}.')
        names = arrays['image_names'].tolist() if 'image_names' in arrays else None
        return names, arrays['image_ids'], arrays['text_ids'], dict(truth=[gt])
    if args.dataset is None:
        raise UserError('text_reid ground truth: a folder or a native list needs --dataset.')
    data = (reader if gt.is_dir() else one_file)(args.dataset, gt, args.split)
    records = [data.record(i) for i in range(len(data))]
    if not all('captions' in x for x in records):
        raise UserError(f"text_reid ground truth: split '{data.split}' is for training; give --split test or val.")
    ids = np.array([x['pid'] for x in records], np.int64)
    names = [os.path.relpath(x['img_path'], data.image_folder('imgs').path) for x in records]
    return names, ids, ids.repeat([len(x['captions']) for x in records]), dict(
        truth=[Path(data.metainfo['ann_file'])], split=data.split, split_hash=data.fingerprint())


def score_text_reid(args: argparse.Namespace, gt: Path, pred: Path) -> Scored:
    suffix(pred, 'text_reid predictions', '.npz')
    arrays, (names, image_ids, text_ids, known) = load_arrays(pred, 'text_reid predictions'), _text_rows(args, gt)
    missing = {'image_features', 'text_features'} - set(arrays)
    if missing:
        raise UserError(f'text_reid predictions: {pred} lacks {", ".join(sorted(missing))}; it has '
                        f'{", ".join(sorted(arrays))}.')
    images = arrays['image_features']
    if 'image_names' in arrays:
        found = arrays['image_names'].tolist()
        if names is None:
            raise UserError('text_reid predictions have names, but the ground truth has none to compare them with.')
        distinct(found, 'text_reid predictions, image_names')
        if len(found) != len(images):
            raise UserError(f'text_reid predictions: {len(found)} image_names for {len(images)} image_features.')
        images = images[aligned({name: i for i, name in enumerate(found)}, names, 'text_reid predictions')]
    for what, features, ids in (('image', images, image_ids), ('text', arrays['text_features'], text_ids)):
        if len(features) != len(ids):
            raise UserError(f'text_reid predictions: {len(features)} {what}_features, but the ground truth has '
                            f"{len(ids)} {'captions' if what == 'text' else 'images'}. Predict every one, in order.")
    scores = text_to_image(arrays['text_features'], text_ids, images, image_ids)
    return Scored(scores, ('text_to_image',), predictions=[pred], images=len(image_ids), **known)


# ---------------------------------------------------------------------------------------------------------- attributes
def score_attribute(args: argparse.Namespace, gt: Path, pred: Path) -> Scored:
    names, known = None, dict(truth=[gt])
    if gt.is_dir() or suffix(gt, 'attribute ground truth', '.mat', '.npy', '.csv', '.json') == '.mat':
        if args.dataset is None:
            raise UserError(f'attribute ground truth: {gt} needs --dataset (pa100k, peta, rapv2 or rap_v1).')
        data = (reader if gt.is_dir() else one_file)(args.dataset, gt, args.split)
        people = [data.get_data_info(i) for i in range(len(data))]
        names = [Path(x['img_path']).name for x in people]
        labels = np.stack([x['attributes'] for x in people])
        known = dict(truth=[Path(data.metainfo['ann_file'])], split=data.split, split_hash=data.fingerprint())
    elif gt.suffix == '.npy':
        labels = load_arrays(gt, 'attribute ground truth')['values']
    else:
        truth = by_name(gt, 'attribute ground truth')
        names, labels = list(truth), list(truth.values())
    if suffix(pred, 'attribute predictions', '.npy', '.csv', '.json') == '.npy':
        scores = load_arrays(pred, 'attribute predictions')['values']
    elif names is None:
        raise UserError('attribute predictions have names, but the ground truth has none to compare them with.')
    else:
        scores = aligned(by_name(pred, 'attribute predictions'), names, 'attribute predictions')
    result = attributes(labels, scores, args.threshold)
    if args.variants and (np.asarray(labels) < 0).any():
        absent = attributes(np.maximum(labels, 0), scores, args.threshold)
        result |= {f'{key}_unknown_absent': value for key, value in absent.items()}
    return Scored(result, ('attributes',), predictions=[pred], images=len(labels), **known)


# ------------------------------------------------------------------------------------------------------------- parsing
def _label_maps(args: argparse.Namespace, gt: Path) -> tuple[list[Path], dict[str, Any]]:
    """The native label maps, of a dataset's folder or of one that holds nothing else."""
    if not gt.is_dir():
        raise UserError(f'parsing ground truth: {gt} is a file; expected a folder of native label maps, or of the '
                        'dataset.')
    if args.dataset is not None:
        try:
            data = reader(args.dataset, gt, args.split)
            paths = [Path(data.record(i)['seg_map_path']) for i in range(len(data))]
            return paths, dict(split=data.split, split_hash=data.fingerprint())
        except DataError:
            if not any(gt.glob('*.png')):  # label maps lie there themselves, so it is no broken dataset
                raise
    paths = sorted(gt.rglob('*.png'))
    if not paths:
        raise UserError(f'parsing ground truth: no .png in {gt}; expected the folder of native label maps.')
    return paths, {}


def _predicted_maps(paths: list[Path], gt: Path, pred: Path) -> list[Path]:
    """The file of each label map in ``pred``: under its path below ``gt``, or the same without its first folders."""
    names = [path.relative_to(gt).parts for path in paths]
    best: list[Path] = []
    for depth in range(max(map(len, names))):
        found = [pred.joinpath(*parts[min(depth, len(parts) - 1):]) for parts in names]
        if len(set(found)) < len(found):
            break  # without these folders two label maps have one name
        if all(path.is_file() for path in found):
            return found
        if not best or sum(x.is_file() for x in found) > sum(x.is_file() for x in best):
            best = found
    absent = [path for path in best if not path.is_file()]
    raise UserError(f'parsing predictions: {len(absent)} of {len(names)} label maps are not in {pred}, '
                    f"'{absent[0].relative_to(pred)}' first.")


def _to_class(args: argparse.Namespace, known: Any, classes: int) -> np.ndarray:
    """(65536,) class of each raw label id."""
    table = np.arange(2 ** 16)
    if known is not None and known.label_ids:
        table = np.full(2 ** 16, 2 ** 16 - 1)
        table[list(known.label_ids)] = np.arange(classes)
        table[args.ignore_index] = args.ignore_index
    return table


def released_size(labels: np.ndarray, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both at 1000 x 1000: class ids of the labels interpolated as PATH's release does it, the prediction's nearest."""
    return (cv2.resize(labels.astype(np.uint8), RELEASED_SIZE, interpolation=cv2.INTER_LINEAR_EXACT),
            cv2.resize(predictions.astype(np.uint8), RELEASED_SIZE, interpolation=cv2.INTER_NEAREST))


def score_parsing(args: argparse.Namespace, gt: Path, pred: Path) -> Scored:
    known = card(args.dataset)
    classes = args.num_classes or (len(known.classes) if known is not None else 0)
    if not classes:
        raise UserError('parsing: give --dataset or --num-classes.')
    paths, source = _label_maps(args, gt)
    found = _predicted_maps(paths, gt, pred)
    to_class = _to_class(args, known, classes)
    both_sizes = args.variants and args.dataset == 'h36m_parsing'
    total, resized = np.zeros((2, classes, classes), np.int64)
    for path, guess in zip(paths, found):
        labels, predictions = to_class[label_map(path)], to_class[label_map(guess)]
        try:
            total += confusion_matrix(labels, predictions, classes, args.ignore_index)
            if both_sizes:
                resized += confusion_matrix(*released_size(labels, predictions), classes, args.ignore_index)
        except UserError as error:
            raise UserError(f'{guess}: {error}') from error
    result = parsing(total)
    if both_sizes:
        released = parsing(resized)
        result |= {f'{key}_1000': released[key] for key in ('mIoU_present', 'mean_precision', 'pixel_accuracy')}
    return Scored(result, ('confusion_matrix', 'parsing'), truth=paths, predictions=found, images=len(paths), **source)


# ----------------------------------------------------------------------------------------------------------- detection
def _numbered_boxes(gt: Path, split: str | None) -> tuple[dict, dict[str, Any]]:
    """CityPersons' boxes as its evaluator has them, and where they are from: results number all images from 1, in the
    order of ``anno_val.mat`` and of their names."""
    place = dict(root=gt) if gt.is_dir() else dict(root=gt.parent, ann_file=gt.name, img_dir='.')
    data = reader('citypersons', split=split, empty=True, **place)
    records = [data.record(i) for i in range(len(data))]
    truth = dict(
        images=[dict(id=i) for i in range(1, len(records) + 1)], categories=[dict(id=1)],
        annotations=[dict(row, image_id=i) for i, x in enumerate(records, 1) for row in x['raw_ann_info']])
    file = data.metainfo.get('ann_file')
    return truth, dict(truth=[Path(file)] if file else [], split=data.split, split_hash=data.fingerprint())


def score_detection(args: argparse.Namespace, gt: Path, pred: Path) -> Scored:
    source: dict[str, Any] = {}
    if args.dataset == 'citypersons' and (gt.is_dir() or gt.suffix == '.mat'):
        return _score_boxes(args, *_numbered_boxes(gt, args.split), pred)
    if gt.is_dir():
        if args.dataset is None:
            raise UserError('detection ground truth: a folder needs --dataset.')
        data = reader(args.dataset, gt, args.split)
        source, file = dict(split=data.split), data.metainfo.get('ann_file')
        if file is None or not file.endswith(('.json', '.odgt')):
            raise UserError(f'detection ground truth: {gt} has no .json or .odgt file of its boxes. Give --gt one.')
        gt = Path(file)
    source |= dict(truth=[gt])
    if args.dataset == 'crowdhuman' or gt.suffix == '.odgt':
        return _score_crowdhuman(gt, pred, dict(source, predictions=[pred]))
    suffix(gt, 'detection ground truth', '.json')
    return _score_boxes(args, load_ground_truth(gt, 'detection ground truth'), source, pred)


def _score_boxes(args: argparse.Namespace, truth: dict, source: dict[str, Any], pred: Path) -> Scored:
    """COCO results against ground truth in its style."""
    suffix(pred, 'detection predictions', '.json')
    found = results(pred, 'detection predictions')
    source = dict(source, predictions=[pred], images=len(truth['images']), notes=coverage(truth, found))
    if args.dataset not in RULES:
        return Scored(box_ap(truth, found), ('box_ap',), **source)
    subsets = args.subset or SUBSETS[args.dataset]
    rates, functions = {}, ['miss_rate']
    for i, subset in enumerate(subsets):
        there = i == 0 or populated(truth, subset, args.dataset)
        rates[f'MR_{subset}' if i else 'MR'] = miss_rate(truth, found, subset, args.dataset)['MR'] if there else np.nan
    if args.variants and args.dataset == 'caltech':
        rates |= heavy_by_crowdhuman(truth, found)
        functions.append('heavy_by_crowdhuman')
    return Scored(rates, tuple(functions), **source)


def _score_crowdhuman(gt: Path, pred: Path, source: dict[str, Any]) -> Scored:
    suffix(gt, 'crowdhuman ground truth', '.odgt')
    truth = load_json_lines(gt, 'crowdhuman ground truth')
    found = load_json_lines(pred, 'crowdhuman detections')
    if not found:
        raise UserError(f'crowdhuman detections: {pred} is empty. Were the predictions written?')
    scores = crowdhuman(truth, found)
    for record in found:
        once(record['dtboxes'], f"crowdhuman detections of '{record['ID']}'")
    notes = [] if len(found) == len(truth) else [
        f'{len(truth) - len(found):,} of {len(truth):,} images have no record in the predictions']
    return Scored(scores, ('crowdhuman',), images=len(truth), notes=notes, **source)


# ------------------------------------------------------------------------------------------------------------ counting
def _true_counts(args: argparse.Namespace, gt: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """{image name without suffix: number of people}, and where they are from."""
    if not gt.is_dir():
        values = by_name(gt, 'counting ground truth')
        return ({Path(name).stem: len(x) if isinstance(x, list) else x for name, x in values.items()},
                dict(truth=[gt]))
    files = sorted(gt.glob('GT_*.mat'))
    if not files and args.dataset is not None:
        data = reader(args.dataset, gt, args.split)
        records = [data.record(i) for i in range(len(data))]
        return ({Path(x['img_path']).stem: len(x['gt_points']) for x in records},
                dict(truth=[], split=data.split, split_hash=data.fingerprint()))
    counts = {}
    for file in files:
        mat = load_mat(file, 'counting ground truth')
        try:
            counts[file.stem.removeprefix('GT_')] = len(mat['image_info'][0, 0]['location'][0, 0])
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise UserError(f'counting ground truth: {file} has no image_info with a location ({error}).') from error
    if not counts:
        raise UserError(f'counting ground truth: no GT_*.mat in {gt}. Give that folder, or the whole one of the '
                        'dataset with --dataset.')
    return counts, dict(truth=files)


def score_counting(args: argparse.Namespace, gt: Path, pred: Path) -> Scored:
    truth, source = _true_counts(args, gt)
    found: dict[str, Any] = {}
    for name, count in by_name(pred, 'counting predictions').items():
        if found.setdefault(Path(name).stem, count) is not count:
            raise UserError(f"counting predictions: '{Path(name).stem}' comes more than once. Give each image one "
                            'number.')
    scores = counting(list(truth.values()), aligned(found, list(truth), 'counting predictions'))
    return Scored(scores, ('counting',), predictions=[pred], images=len(truth), **source)


SCORERS: dict[str, Callable[[argparse.Namespace, Path, Path], Scored]] = {
    'reid': score_reid, 'attribute': score_attribute, 'pose': score_pose, 'parsing': score_parsing,
    'detection': score_detection, 'counting': score_counting, 'text_reid': score_text_reid,
    'person_search': score_person_search, 'pose_3d': score_pose_3d}


def score(args: argparse.Namespace) -> Scored:
    """The scores that a command line asks for; fills in its task and dataset."""
    if args.what not in SCORERS and args.dataset is None:
        if args.what not in catalog.ids():
            raise unknown_name('task or dataset', args.what, (*SCORERS, *catalog.ids()))
        args.dataset = args.what
    tasks = card(args.dataset).tasks if args.dataset else ()
    args.task = args.what if args.what in SCORERS else tasks[0]
    if args.what not in (*SCORERS, args.dataset):
        raise unknown_name('task', args.what, SCORERS)
    if args.dataset and args.task not in tasks:
        raise UserError(f"--dataset: {args.dataset} is for {', '.join(tasks)}, not {args.task}.")
    for what, path in (('--gt', args.gt), ('--pred', args.pred)):
        if not Path(path).exists():
            raise UserError(f'{what}: {path} does not exist.')
    return SCORERS[args.task](args, Path(args.gt).absolute(), Path(args.pred).absolute())
