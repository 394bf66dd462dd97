"""What a dataset's own script or PATH's evaluation prints where it differs from the literature: each under a name of
its own, so that nobody takes one for the other."""
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UserError
from .coco import OVERLAPS
from .crowdhuman import crowdhuman
from .inputs import array, distinct, field, load_json, positions, table
from .miss_rate import RULES, SUBSETS, pedestrians, people

SEEN = 1
"""AI Challenger's own code of a joint that is labelled and visible."""


def aic_official(gt: Any, predictions: Any, sigmas: ArrayLike) -> dict[str, float]:
    """AI Challenger's own score (``keypoint_eval.py``), which is no average precision: nothing is ranked.

    Every annotated person takes the most similar prediction of its image, which others may take, too; only visible
    joints count, in units of the whole box. The score is the share of people above a similarity, mean over 0.50:0.95,
    where an image has as many people as are annotated or predicted, whichever is more.

    Args:
        gt: the native list (parsed, or a path) of ``image_id``, ``human_annotations`` {name: x1, y1, x2, y2} and
            ``keypoint_annotations`` {name: x, y, visibility of each joint}.
        predictions: a list (parsed, or a path) of ``image_id`` and ``keypoint_annotations``. An image without a record
            has no prediction.
        sigmas: (K,) spread of each joint.

    Returns:
        ``AP_official``.

    Raises:
        UserError: another layout, unknown or repeated images, another number of joints, numbers that are not finite,
            nobody to find.
    """
    sigmas = array(sigmas, 'aic_official sigmas', (None,))
    truth, found = (_images(source, f'aic_official {what}') for source, what in (
        (gt, 'ground truth'), (predictions, 'predictions')))
    names = field(truth, 'image_id', 'aic_official ground truth')
    own = field(found, 'image_id', 'aic_official predictions')
    distinct(names, 'aic_official ground truth, image_id')
    distinct(own, 'aic_official predictions, image_id')
    positions(own, names, 'aic_official predictions, image_id')
    predicted = {name: _people(x, len(sigmas), 'aic_official predictions')[1] for name, x in zip(own, found)}

    best, total, nobody = [np.zeros(0)], 0, np.zeros((0, len(sigmas), 3))
    for name, entry in zip(names, truth):
        keys, joints = _people(entry, len(sigmas), 'aic_official ground truth')
        boxes = field([entry], 'human_annotations', 'aic_official ground truth')[0]
        boxes = table([boxes.get(key, ()) for key in keys], 4, 'aic_official ground truth, human_annotations')
        guesses = predicted.get(name, nobody)
        best.append(_best_similarity(joints, boxes, guesses, sigmas))
        total += max(len(joints), len(guesses))
    if not total:
        raise UserError('aic_official: nobody in the ground truth, and nobody predicted; nothing to score.')
    similarity = np.concatenate(best)
    return {'AP_official': float(np.mean([(similarity > threshold).sum() / total for threshold in OVERLAPS]))}


def _images(source: Any, what: str) -> list[dict]:
    images = load_json(source, what)
    if not isinstance(images, list):
        raise UserError(f"{what}: expected AI Challenger's list of images; found {type(images).__name__}.")
    return images


def _people(entry: dict, joints: int, what: str) -> tuple[list[str], np.ndarray]:
    """Names of the people of an image and (n, K, 3) their joints."""
    people = field([entry], 'keypoint_annotations', what)[0]
    if not isinstance(people, dict):
        raise UserError(f"{what}: the people of image {entry['image_id']} are a {type(people).__name__}; expected "
                        'an object {name: joints}.')
    rows = table(list(people.values()), 3 * joints, f"{what}, image {entry['image_id']}",
                 f'Expected x, y, visibility of {joints} joints.')
    return list(people), rows.reshape(-1, joints, 3)


def _best_similarity(joints: np.ndarray, boxes: np.ndarray, guesses: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """(n,) the highest similarity of each person with any guess; 0 for a person without a visible joint."""
    if not len(guesses) or not len(joints):
        return np.zeros(len(joints))
    seen = joints[:, None, :, 2] == SEEN
    squared = np.square(joints[:, None, :, :2] - guesses[None, :, :, :2]).sum(-1)
    area = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))[:, None, None]
    similarity = np.exp(-squared / (2 * (2 * sigmas) ** 2) / (area + 1))
    return ((similarity * seen).sum(-1) / np.maximum(seen.sum(-1), 1)).max(1)


def heavy_by_crowdhuman(gt: Any, detections: Any) -> dict[str, float]:
    """PATH's number for Caltech: the heavily occluded people alone, as CrowdHuman's script scores them.

    Not comparable with the literature's miss rate: people outside the subset are no ignore regions but absent, so that
    finding them is wrong; detections in images without a heavily occluded person are dropped, but those images count.

    Args:
        gt: COCO-style ground truth as :func:`miss_rate` takes it (parsed, or a path); or a list in CrowdHuman's format
            that holds those people alone, as PATH's file does.
        detections: COCO results; with the latter, CrowdHuman's records.

    Returns:
        ``MR_heavy_crowdhuman AP_heavy_crowdhuman``.

    Raises:
        UserError: as the two functions raise it.
    """
    source = load_json(gt, 'heavy_by_crowdhuman ground truth')
    if isinstance(source, list):
        truth, found = source, load_json(detections, 'heavy_by_crowdhuman detections')
    else:
        truth, found = _heavy(source, detections)
    filled = {x['ID'] for x in truth if x.get('gtboxes')}
    result = crowdhuman(truth, [x for x in found if x['ID'] in filled])
    return {f'{key}_heavy_crowdhuman': result[key] for key in ('MR', 'AP')}


def _heavy(source: Any, detections: Any) -> tuple[list[dict], list[dict]]:
    """Ground truth and detections in CrowdHuman's format."""
    truth, found = pedestrians(source, detections)
    boxes, ignored = people(truth, SUBSETS['heavy'], RULES['citypersons'])
    names = field(truth['images'], 'id', 'heavy_by_crowdhuman ground truth, images')
    positions([x['image_id'] for x in found], names, 'heavy_by_crowdhuman detections, image_id')
    sizes = [{side: x[side] for side in ('width', 'height') if side in x} for x in truth['images']]
    counted: dict[Any, list[dict]] = {name: [] for name in names}
    for annotation, box, left_out in zip(truth['annotations'], boxes.tolist(), ignored):
        if not left_out:
            counted[annotation['image_id']].append(dict(tag='person', fbox=box))
    given: dict[Any, list[dict]] = {name: [] for name in names}
    for x in found:
        given[x['image_id']].append(dict(box=x['bbox'], score=x['score']))
    return ([dict(ID=name, gtboxes=counted[name], **size) for name, size in zip(names, sizes)],
            [dict(ID=name, dtboxes=given[name], **size) for name, size in zip(names, sizes)])
