"""Evaluators that are installed with this project, asked by our keys."""
import contextlib
import copy
import io
import json
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

KEYPOINT_KEYS = ('AP', 'AP50', 'AP75', 'APm', 'APl', 'AR', 'AR50', 'AR75', 'ARm', 'ARl')
BOX_KEYS = ('AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR1', 'AR10', 'AR100', 'ARs', 'ARm', 'ARl')


def pycocotools(truth: dict, detections: list[dict], kind: str, sigmas: np.ndarray | None = None) -> dict[str, float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    if kind == 'bbox':  # the loader goes by the first field that it knows
        detections = [{key: x for key, x in record.items() if key != 'keypoints'} for record in detections]
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = copy.deepcopy(truth)
        gt.createIndex()
        judge = COCOeval(gt, gt.loadRes(copy.deepcopy(detections)), kind)
        if sigmas is not None:
            judge.params.kpt_oks_sigmas = np.asarray(sigmas)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return dict(zip(KEYPOINT_KEYS if kind == 'keypoints' else BOX_KEYS, judge.stats.tolist()))


def xtcocotools(truth: dict, detections: list[dict], sigmas: np.ndarray, use_area: bool) -> dict[str, float]:
    """The third number of a predicted joint is no visibility, but this package drops people of whom all are 0."""
    from xtcocotools.coco import COCO
    from xtcocotools.cocoeval import COCOeval
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = copy.deepcopy(truth)
        gt.createIndex()
        found = copy.deepcopy(detections)
        for detection in found:
            detection['keypoints'][2::3] = [1] * len(sigmas)
        judge = COCOeval(gt, gt.loadRes(found), 'keypoints', sigmas, use_area=use_area)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return dict(zip(KEYPOINT_KEYS, np.asarray(judge.stats, float).tolist()))


def mmpose_pckh(predictions: np.ndarray, truth: Mapping[str, np.ndarray]) -> dict[str, float]:
    from mmpose.evaluation.metrics import MpiiPCKAccuracy
    head = truth['headboxes_src']
    size = np.repeat(0.6 * np.linalg.norm(head[1] - head[0], axis=0)[:, None], 2, 1)
    said = MpiiPCKAccuracy(norm_item='head').compute_metrics([dict(
        pred_coords=predictions, gt_coords=truth['pos_gt_src'].transpose(2, 0, 1), mask=truth['jnt_missing'].T == 0,
        head_size=size)])
    parts = ('head', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
    return {'mean': said['PCK'] / 100, **{part: said[f'{part.capitalize()} PCK'] / 100 for part in parts},
            'mean@0.1': float(said['PCK@0.1']) / 100}


def mmpose_epe(predictions: np.ndarray, targets: np.ndarray, visible: np.ndarray) -> dict[str, float]:
    from mmpose.evaluation.functional import keypoint_epe
    return {'EPE': keypoint_epe(predictions, targets, visible)}


def mmpose_nme(predictions: np.ndarray, targets: np.ndarray, visible: np.ndarray,
               length: np.ndarray) -> dict[str, float]:
    from mmpose.evaluation.functional import keypoint_nme
    return {'NME': keypoint_nme(predictions, targets, visible, np.repeat(length[:, None], 2, 1))}


def mmpose_3d(predictions: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    from mmpose.evaluation.functional import keypoint_mpjpe, keypoint_pck_accuracy
    mask = np.ones(targets.shape[:2], bool)
    _, share, _ = keypoint_pck_accuracy(predictions, targets, mask, 0.10, np.ones((len(targets), 3)))
    return {'accuracy': float(share), 'MPJPE': 1000 * float(keypoint_mpjpe(predictions, targets, mask))}


def mmseg_areas(labels: np.ndarray, predictions: np.ndarray, classes: int) -> dict[str, np.ndarray]:
    from mmseg.evaluation import IoUMetric
    tensors = (torch.from_numpy(x).long() for x in (predictions, labels))
    names = ('hit', 'union', 'predicted', 'labelled')
    return dict(zip(names, (x.double().numpy() for x in IoUMetric.intersect_and_union(*tensors, classes, 255))))


def mmseg_counts(labels: np.ndarray, predictions: np.ndarray, classes: int) -> dict[str, float]:
    areas = mmseg_areas(labels, predictions, classes)
    return {f'{name} {i}': float(n) for name in ('hit', 'labelled', 'predicted') for i, n in enumerate(areas[name])}


def mmseg(labels: np.ndarray, predictions: np.ndarray, classes: int) -> dict[str, float]:
    from mmseg.evaluation import IoUMetric
    areas = [torch.from_numpy(x) for x in mmseg_areas(labels, predictions, classes).values()]
    said = IoUMetric.total_area_to_metrics(*areas, metrics=['mIoU'])
    return {'mIoU_present': np.nanmean(said['IoU']), 'pixel_accuracy': float(said['aAcc'])}


def mmdet_crowdhuman(truth: list[dict], found: list[dict]) -> dict[str, float]:
    from mmdet.evaluation import CrowdHumanMetric
    with tempfile.TemporaryDirectory() as folder:
        for name, records in (('gt.odgt', '\n'.join(map(json.dumps, truth))), ('dt.json', json.dumps(found))):
            Path(folder, name).write_text(records)
        judge = CrowdHumanMetric(f'{folder}/gt.odgt', metric=['AP', 'MR'])
        images = judge.load_eval_samples(f'{folder}/dt.json')
    people = sum(x.gt_num - x.ign_num for x in images.values())
    scores = judge.compare(images)
    return {'AP': judge.eval_ap(scores, people, len(images)), 'MR': judge.eval_mr(scores, people, len(images))}


def torch_mean(errors: np.ndarray) -> dict[str, float]:
    errors = torch.from_numpy(errors)
    return {'MSE': torch.nn.functional.mse_loss(errors.sqrt(), torch.zeros_like(errors)).item()}


def sklearn_recalls(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import recall_score
    names = ('upper', 'lower', 'feet')
    return dict(zip(names, recall_score(truth, found, labels=[1, 2, 3], average=None)), accuracy=recall_score(
        truth, found, labels=[1, 2, 3], average='macro'))


def sklearn_neighbours(vectors: np.ndarray, present: np.ndarray, errors: np.ndarray) -> dict[str, float]:
    from sklearn.metrics import accuracy_score
    from sklearn.neighbors import NearestNeighbors
    found = {}
    for name, pair in (('rgb_depth', (0, 1)), ('rgb_joints', (0, 2)), ('depth_joints', (1, 2))):
        both = vectors[present[:, pair].all(1)][:, pair]
        nearest = [NearestNeighbors(n_neighbors=1, metric='cosine').fit(both[:, 1 - way]).kneighbors(
            both[:, way], return_distance=False)[:, 0] for way in (0, 1)]
        found[name] = np.mean([accuracy_score(np.arange(len(both)), x) for x in nearest])
    return dict(found, rank1=np.mean(list(found.values())), point_error=np.nanmean(errors))


JUDGES = {
    ('modality_agreement', 'scikit-learn'): sklearn_neighbours,
    ('part_agreement', 'scikit-learn'): sklearn_recalls,
    ('reconstruction', 'PyTorch'): torch_mean,
    ('keypoint_ap', 'pycocotools'): partial(pycocotools, kind='keypoints'),
    ('keypoint_ap', 'xtcocotools'): xtcocotools, ('box_ap', 'pycocotools'): partial(pycocotools, kind='bbox'),
    ('pckh', 'mmpose'): mmpose_pckh, ('epe', 'mmpose'): mmpose_epe, ('nme', 'mmpose'): mmpose_nme,
    ('pose_3d', 'mmpose'): mmpose_3d,
    ('parsing', 'mmseg'): mmseg, ('confusion_matrix', 'mmseg'): mmseg_counts,
    ('crowdhuman', 'mmdet'): mmdet_crowdhuman}
"""(function of ours, judge) -> the judge, called as the function is."""
