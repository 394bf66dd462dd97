"""The public side of ``speed/metrics``: packages, and published algorithms in plain NumPy where no package has them."""
import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def product_alone(query: np.ndarray, ids: np.ndarray, cams: np.ndarray, gallery: np.ndarray, *_) -> dict:
    """The matrix product that no exact method can do without, in chunks that stay in memory."""
    import torch
    query, gallery = torch.from_numpy(query), torch.from_numpy(gallery)
    rows = max(1, 2 ** 24 // len(gallery))
    buffer = torch.empty(min(rows, len(query)), len(gallery))
    for start in range(0, len(query), rows):
        part = query[start:start + rows]
        torch.mm(part, gallery.T, out=buffer[:len(part)])
    return {}


def _unit(features: np.ndarray) -> np.ndarray:
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def _by_sorting(distances: np.ndarray, ids: np.ndarray, cams: np.ndarray, gallery_ids: np.ndarray,
                gallery_cams: np.ndarray) -> dict:
    precision, first = [], []
    for row, person, camera in zip(distances, ids, cams):
        order = np.argsort(row, kind='stable')
        order = order[(gallery_ids[order] != person) | (gallery_cams[order] != camera)]
        right = gallery_ids[order] == person
        if right.any():
            precision.append((np.cumsum(right) / np.arange(1, len(right) + 1))[right].mean())
            first.append(right[0])
    return {'mAP': np.mean(precision), 'rank1': np.mean(first)}


def plain_reid(query: np.ndarray, ids: np.ndarray, cams: np.ndarray, gallery: np.ndarray, gallery_ids: np.ndarray,
               gallery_cams: np.ndarray) -> dict:
    """A full distance matrix and one sorted ranking a query."""
    return _by_sorting(1 - _unit(query) @ _unit(gallery).T, ids, cams, gallery_ids, gallery_cams)


def plain_rerank(query: np.ndarray, ids: np.ndarray, cams: np.ndarray, gallery: np.ndarray, gallery_ids: np.ndarray,
                 gallery_cams: np.ndarray) -> dict:
    """k-reciprocal re-ranking (Zhong et al., 2017) on dense matrices of all images with all."""
    features = np.concatenate([_unit(query), _unit(gallery)])
    count, queries = len(features), len(query)
    distance = np.maximum(2 - 2 * features @ features.T, 0)
    distance /= distance.max(axis=1, keepdims=True)
    order = np.argsort(distance, axis=1).astype(np.int32)

    def mutual(i: int, k: int) -> np.ndarray:
        near = order[i, :k]
        return near[(order[near, :k] == i).any(1)]

    encoded = np.zeros((count, count), np.float32)
    for i in range(count):
        own = mutual(i, 21)
        grown = [own, *(x for x in (mutual(j, 11) for j in own) if len(np.intersect1d(x, own)) > 2 / 3 * len(x))]
        index = np.unique(np.concatenate(grown))
        weight = np.exp(-distance[i, index])
        encoded[i, index] = weight / weight.sum()
    encoded = np.stack([encoded[order[i, :6]].mean(0) for i in range(count)])
    holders = [np.flatnonzero(encoded[:, i]) for i in range(count)]
    result = np.empty((queries, count), np.float32)
    for i in range(queries):
        common = np.zeros(count, np.float32)
        for j in np.flatnonzero(encoded[i]):
            common[holders[j]] += np.minimum(encoded[i, j], encoded[holders[j], j])
        result[i] = 0.7 * (1 - common / (2 - common)) + 0.3 * distance[i]
    return _by_sorting(result[:, queries:], ids, cams, gallery_ids, gallery_cams)


def _clipped(boxes: Sequence[dict], key: str, size: np.ndarray) -> np.ndarray:
    boxes = np.array([x[key] for x in boxes], float).reshape(-1, 4)
    return np.hstack([np.clip(boxes[:, :2], 0, size - 1), np.clip(boxes[:, :2] + boxes[:, 2:], 0, size)])


def _overlaps(a: np.ndarray, b: np.ndarray, of_union: bool) -> np.ndarray:
    extent = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    inside = np.maximum(extent, 0).prod(-1)
    area, other = (a[:, 2:] - a[:, :2]).prod(-1)[:, None], (b[:, 2:] - b[:, :2]).prod(-1)[None]
    return inside / ((area + other - inside if of_union else area) + 1e-6)


def _greedy(iou: np.ndarray, ioa: np.ndarray, scores: np.ndarray) -> list[tuple[float, bool]]:
    free, result = [True] * iou.shape[1], []
    for d, score in enumerate(scores):
        best, most = -1, 0.5
        for g in range(iou.shape[1]):
            if free[g] and iou[d][g] > most:
                best, most = g, iou[d][g]
        if best >= 0:
            free[best] = False
        if best >= 0 or ioa[d] <= 0.5:
            result.append((score, best >= 0))
    return result


def _jaccard(iou: np.ndarray, ioa: np.ndarray, hidden: np.ndarray) -> float:
    import networkx
    graph = networkx.Graph()
    graph.add_weighted_edges_from(((0, i), (1, j), iou[i, j]) for i, j in zip(*np.nonzero(iou > 0.5)))
    pairs = networkx.max_weight_matching(graph)
    held = {node for pair in pairs for node in pair}
    wanted = sum((1, j) in held or not hidden[j] for j in range(iou.shape[1]))
    given = sum((0, i) in held or ioa[i] <= 0.5 for i in range(len(iou)))
    return len(pairs) / (wanted + given - len(pairs) + 1e-6)


def plain_crowdhuman(gt: str, detections: str) -> dict:
    """AP, miss rate and Jaccard index as published: box by box, and a general matching for each score threshold."""
    truth, found = _lines(gt), _lines(detections)
    outcomes, people, ratios = [], 0, np.zeros(10)
    for entry, record in zip(truth, found):
        size = np.array([record['width'], record['height']])
        ignored = np.array([x['tag'] != 'person' for x in entry['gtboxes']])
        boxes = _clipped(entry['gtboxes'], 'fbox', size)
        record['dtboxes'].sort(key=lambda x: -x['score'])
        dt, scores = _clipped(record['dtboxes'], 'box', size), np.array([x['score'] for x in record['dtboxes']])
        people += int((~ignored).sum())
        iou = _overlaps(dt, boxes[~ignored], True)
        ioa = _overlaps(dt, boxes[ignored], False).max(1, initial=0)
        hidden = _overlaps(boxes[~ignored], boxes[ignored], False).max(1, initial=0) > 0.5
        outcomes += _greedy(iou, ioa, scores)
        ratios += [_jaccard(iou[scores > t], ioa[scores > t], hidden) for t in np.arange(10) * 1e-1]
    outcomes.sort(key=lambda x: -x[0])
    true = np.cumsum([hit for _, hit in outcomes])
    false = np.arange(1, len(true) + 1) - true
    recall, precision = true / people, true / (true + false)
    targets = [0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.1778, 0.3162, 0.5623, 1.0]
    at = np.minimum(np.searchsorted(false / len(truth), targets), len(true) - 1)
    return {'AP': np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2),
            'MR': np.exp(np.log(1 - recall[at]).mean()), 'JI': ratios.max() / len(truth)}


def _lines(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def crowddet(gt: str, detections: str) -> dict:
    """CrowdDet's own code, in one process."""
    from _judges import JUDGES
    return JUDGES['CrowdDet'](_lines(gt), _lines(detections))


def pycocotools(gt: str, detections: str, kind: str, keys: Sequence[str]) -> dict:
    """COCO's own package, from files."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(gt)
        evaluation = COCOeval(truth, truth.loadRes(detections), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(keys, evaluation.stats))


def mmseg_parsing(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict:
    """MMSegmentation's IoUMetric, which counts with histograms of 32-bit floats."""
    import torch
    from mmseg.evaluation import IoUMetric
    totals = 0
    for labels, predictions in pairs:
        areas = IoUMetric.intersect_and_union(torch.from_numpy(predictions).long(), torch.from_numpy(labels).long(),
                                              20, ignore_index=255)
        totals = totals + np.stack([x.double().numpy() for x in areas])
    return {'mIoU': (totals[0] / totals[1]).mean()}


def schp_parsing(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict:
    """The confusion matrix of Self-Correction for Human Parsing, with the casts of its caller."""
    from _judges import JUDGES, define, home
    count = define(home(JUDGES['SCHP']) / 'utils/miou.py', 'get_confusion_matrix', dict(np=np))
    total = np.zeros((20, 20))
    for labels, predictions in pairs:
        labels, predictions = np.asarray(labels, dtype=np.int32), np.asarray(predictions, dtype=np.int32)
        counted = labels != 255
        total += count(labels[counted], predictions[counted], 20)
    hit = np.diag(total)
    return {'mIoU': (hit / np.maximum(total.sum(0) + total.sum(1) - hit, 1)).mean()}


def bincount_parsing(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict:
    """One bincount a picture, as the public parsing evaluators have it."""
    total = np.zeros(400)
    for labels, predictions in pairs:
        labels, predictions = labels.astype(np.int32), predictions.astype(np.int32)
        counted = labels != 255
        total += np.bincount(labels[counted] * 20 + predictions[counted], minlength=400)
    total = total.reshape(20, 20)
    hit = np.diag(total)
    return {'mIoU': (hit / (total.sum(0) + total.sum(1) - hit)).mean()}
