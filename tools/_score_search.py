"""What ``score`` does for person search."""
import argparse
from pathlib import Path
from typing import Any

import numpy as np
from _score_files import load_arrays, reader, suffix
from _score_record import Scored

from humanbench.datasets.base import HumanDataset
from humanbench.errors import UserError
from humanbench.evaluation import person_search

NEEDED = ('frames', 'boxes', 'scores', 'features', 'query_features')


def score_person_search(args: argparse.Namespace, gt: Path, pred: Path) -> Scored:
    if not gt.is_dir() or args.dataset is None:
        raise UserError(f'person_search ground truth: expected the folder of the dataset, with --dataset; got {gt}.')
    suffix(pred, 'person_search predictions', '.npz')
    arrays, data = load_arrays(pred, 'person_search predictions'), reader(args.dataset, gt, args.split)
    missing = [x for x in NEEDED if x not in arrays]
    if missing:
        raise UserError(f'person_search predictions: {pred} lacks {", ".join(missing)}; it has '
                        f'{", ".join(sorted(arrays))}.')
    if data.split in data.training_splits:
        raise UserError(f"person_search ground truth: split '{data.split}' has no queries; give --split test.")
    frames, queries = _frames(data, arrays), _queries(data, arrays['query_features'])
    return Scored(person_search(frames, queries), ('person_search',), truth=[Path(data.metainfo['ann_file'])],
                  predictions=[pred], images=len(frames), split=data.split, split_hash=data.fingerprint())


def _frames(data: HumanDataset, arrays: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """The frames of a split with their detections."""
    of = arrays['frames'].astype(str)
    for name in ('boxes', 'scores', 'features'):
        if len(arrays[name]) != len(of):
            raise UserError(f'person_search predictions: {len(arrays[name])} {name} for {len(of)} frames; each '
                            'detection has one of all.')
    if arrays['boxes'].ndim != 2 or arrays['boxes'].shape[1] != 4 or arrays['features'].ndim != 2:
        raise UserError(f"person_search predictions: boxes of the shape {arrays['boxes'].shape} and features of "
                        f"{arrays['features'].shape}; expected (n, 4), x, y, width, height, and (n, C).")
    order = np.argsort(of, kind='stable')
    starts = np.searchsorted(of[order], names := [data.record(i)['img_id'] for i in range(len(data))])
    stops, frames = np.searchsorted(of[order], names, side='right'), []
    unknown = sorted({*of} - {*names})
    if unknown:
        raise UserError(f"person_search predictions: {len(unknown)} frames are not of split '{data.split}', "
                        f"'{unknown[0]}' first. Name them as the dataset names them ('{names[0]}').")
    for i, (start, stop) in enumerate(zip(starts, stops)):
        record, own = data.record(i), order[start:stop]
        boxes, found = (np.array(x, float).reshape(-1, 4) for x in (
            [y['bbox'] for y in record['raw_ann_info']], arrays['boxes'][own]))
        for corners in (boxes, found):
            corners[:, 2:] += corners[:, :2]
        frames.append(dict(
            id=record['frame'], boxes=boxes, people=np.array([y['pid'] for y in record['raw_ann_info']], int),
            found=found, scores=arrays['scores'][own], features=arrays['features'][own]))
    return frames


def _queries(data: HumanDataset, features: np.ndarray) -> list[dict[str, Any]]:
    """The queries of a split, each with its feature."""
    asked = [(record['frame'], query) for record in map(data.record, range(len(data))) for query in record['queries']]
    if features.ndim != 2 or len(features) != len(asked):
        raise UserError(f'person_search predictions: query_features of the shape {features.shape} for {len(asked)} '
                        'queries; expected (q, C), in the order in which the dataset lists the queries.')
    return [dict(frame=frame, person=query['pid'], feature=features[query['query']], gallery=query['gallery'],
                 positives=query['positives']) for frame, query in asked]
