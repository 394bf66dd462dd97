"""What ``score`` does for pose: OKS AP, PCKh, end-point errors, and AI Challenger's own score."""
import argparse
from pathlib import Path
from typing import Any

import numpy as np
from _score_files import aligned, card, load_arrays, load_mat, one_file, reader, results, suffix
from _score_record import Scored

from humanbench.errors import UserError
from humanbench.evaluation import aic_official, epe, keypoint_ap, pckh
from humanbench.evaluation.coco import load_ground_truth
from humanbench.evaluation.inputs import distinct, field, load_json, table

MPII_TRUTH = 'mpii_gt_val.mat'


def _pckh_predictions(pred: Path) -> Any:
    kind = suffix(pred, 'pose predictions', '.mat', '.npy', '.json')
    if kind == '.json':
        return load_json(pred, 'pose predictions')
    if kind == '.npy':
        return load_arrays(pred, 'pose predictions')['values']
    mat = load_mat(pred, 'pose predictions')
    if 'preds' not in mat:
        raise UserError(f"pose predictions: {pred} has no variable 'preds'.")
    return mat['preds'] - 1.0  # counted from 1


def score_pckh(args: argparse.Namespace, gt: Path, pred: Path) -> Scored:
    predictions, truth = _pckh_predictions(pred), load_mat(gt, 'pose ground truth')
    further = (0.1, 0.11) if args.variants else (0.1,)  # the latter is what HRNet's script prints as Mean@0.1
    scores = pckh(predictions, truth, args.threshold)
    scores |= {f'mean@{threshold}': pckh(predictions, truth, threshold)['mean'] for threshold in further}
    return Scored(scores, ('pckh',), [gt], [pred], len(predictions))


def score_epe(args: argparse.Namespace, gt: Path, truth: Any, pred: Path) -> Scored:
    joints = 3 * len(card(args.dataset).keypoints)
    sides = []
    for people, what in ((load_ground_truth(truth, 'pose ground truth')['annotations'], 'pose ground truth'),
                         (results(pred, 'pose predictions'), 'pose predictions')):
        images = field(people, 'image_id', what)
        distinct(images, f'{what}, image_id')
        points = table(field(people, 'keypoints', what), joints, what).reshape(-1, joints // 3, 3)
        sides.append(dict(zip(images, points)))
    target = np.stack(list(sides[0].values()))
    found = np.stack(aligned(sides[1], list(sides[0]), 'pose predictions'))
    return Scored(epe(found[..., :2], target[..., :2], target[..., 2]), ('epe',), [gt], [pred], len(target))


def _coco_of_aic(gt: Path, truth: list[dict], split: str | None) -> dict:
    """AI Challenger's native list as COCO has it."""
    data = one_file('aic', gt, split)
    people = [dict(data.get_data_info(i)['raw_ann_info']) for i in range(len(data))]
    return dict(images=[dict(id=x['image_id']) for x in truth], categories=[dict(id=1)], annotations=people)


def _native_of_coco(found: list[dict]) -> list[dict]:
    """COCO results as AI Challenger's own list of predictions."""
    images: dict[Any, dict] = {}
    for person in found:
        people = images.setdefault(person['image_id'], {})
        people[f'human{len(people) + 1}'] = person['keypoints']
    return [dict(image_id=image, keypoint_annotations=people) for image, people in images.items()]


def score_aic(args: argparse.Namespace, gt: Path, truth: list[dict], pred: Path) -> Scored:
    """Against the native list: OKS AP of COCO results, and AI Challenger's own score where it is asked for, or where
    the predictions are in its format."""
    found, sigmas = results(pred, 'pose predictions'), card('aic').sigmas
    if isinstance(found[0], dict) and 'keypoint_annotations' in found[0]:
        return Scored(aic_official(truth, found, sigmas), ('aic_official',), [gt], [pred], len(truth))
    coco = _coco_of_aic(gt, truth, args.split)
    scores, functions = keypoint_ap(coco, found, sigmas, use_area=False), ['keypoint_ap']
    if args.variants:
        full = keypoint_ap(coco, found, sigmas)
        scores |= {f'{key}_full_box': value for key, value in full.items()}
        scores |= aic_official(truth, _native_of_coco(found), sigmas)
        functions.append('aic_official')
    return Scored(scores, tuple(functions), [gt], [pred], len(truth), notes=coverage(coco, found))


def coverage(truth: dict, found: list[dict]) -> list[str]:
    """A note where images are without any prediction."""
    rest = len(truth['images']) - len({x['image_id'] for x in found if isinstance(x, dict) and 'image_id' in x})
    return [f"{rest:,} of {len(truth['images']):,} images have no prediction"] if rest > 0 else []


def score_pose(args: argparse.Namespace, gt: Path, pred: Path) -> Scored:
    known, split = card(args.dataset), None
    if gt.is_dir():
        if known is None:
            raise UserError('pose ground truth: a folder needs --dataset.')
        data = reader(args.dataset, gt, args.split)
        data.full_init()
        gt, split = Path(data.metainfo['ann_file']), data.split
        if 'mean' in known.metric:  # PCKh: the joints and heads of MPII are in a file of their own
            gt = gt.with_name(MPII_TRUTH)
    if suffix(gt, 'pose ground truth', '.json', '.mat') == '.mat':
        scored = score_pckh(args, gt, pred)
    else:
        suffix(pred, 'pose predictions', '.json')
        truth = load_json(gt, 'pose ground truth')
        if known is not None and known.metric[0] == 'EPE':
            scored = score_epe(args, gt, truth, pred)
        elif args.dataset == 'aic' and isinstance(truth, list):
            scored = score_aic(args, gt, truth, pred)
        else:
            truth, found = load_ground_truth(truth, 'pose ground truth'), results(pred, 'pose predictions')
            box_area = args.box_area or (known is not None and known.box_area)
            scores = keypoint_ap(truth, found, (known.sigmas if known is not None else ()) or None, not box_area)
            scored = Scored(scores, ('keypoint_ap',), [gt], [pred], len(truth['images']), notes=coverage(truth, found))
    scored.split = split
    return scored
