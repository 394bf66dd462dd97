"""The MMEngine metrics: what they collect from samples gives what the pure functions give."""
import json

import numpy as np
import pytest
import scipy.io
import torch
from mmengine.evaluator import Evaluator

import humanbench.evaluation as evaluation
from humanbench.errors import UserError
from humanbench.evaluation.metric import HumanMetric
from humanbench.registry import METRICS
from humanbench.structures import HumanSample, InstanceData, PixelData

from . import seeded

ALL = [value for value in vars(evaluation).values() if isinstance(value, type) and issubclass(value, HumanMetric)]


def run(metric: dict, samples: list[HumanSample], meta: dict | None = None) -> dict[str, float]:
    """As MMEngine's test loop does, in batches of three."""
    evaluator = Evaluator(METRICS.build(metric))
    evaluator.dataset_meta = meta or {}
    for start in range(0, len(samples), 3):
        evaluator.process(data_samples=samples[start:start + 3], data_batch=None)
    return evaluator.evaluate(len(samples))


@pytest.mark.parametrize('metric', ALL)
def test_every_metric_says_what_it_ranks_by(metric):
    built = METRICS.build(dict(type=metric.__name__))
    key, higher = built.ranked
    assert built.keys[0] == key and built.default_prefix is None
    assert metric.version == built.version == evaluation.VERSIONS[metric.function]
    assert higher == (key not in ('MR', 'EPE', 'MAE', 'MSE'))
    other = METRICS.build(dict(type=metric.__name__, ranked=built.keys[-1]))
    assert other.ranked[0] == built.keys[-1] and metric.ranked == built.ranked
    with pytest.raises(UserError, match='Unknown metric key'):
        METRICS.build(dict(type=metric.__name__, ranked='accuracy of everything'))


def test_a_metric_of_your_own_states_its_version():
    class Own(evaluation.ParsingMetric):
        version = 'mine'

    class Inherits(evaluation.ParsingMetric):
        pass

    assert (Own.version, Inherits.version) == ('mine', evaluation.VERSIONS['parsing'])


def test_places_of_joints():
    predictions, targets = seeded.places(0)
    samples = [HumanSample(pred_instances=InstanceData(keypoints_3d=torch.tensor(a[None])),
                           gt_instances=InstanceData(keypoints_3d=torch.tensor(b[None])))
               for a, b in zip(predictions, targets)]
    expected = evaluation.pose_3d(predictions, targets)
    assert run(dict(type='Pose3DMetric'), samples) == pytest.approx(expected)
    nearer = run(dict(type='Pose3DMetric', threshold=0.05), samples)
    assert nearer['accuracy'] < expected['accuracy'] and nearer['MPJPE'] == pytest.approx(expected['MPJPE'])


def test_every_function_has_a_version():
    functions = {name for name in evaluation.__all__ if callable(getattr(evaluation, name)) and name.islower()}
    assert set(evaluation.VERSIONS) == functions


def test_reid():
    query, query_ids, query_cams, gallery, gallery_ids, gallery_cams = inputs = seeded.reid(0, False)
    samples = []
    for split, features, ids, cams in (('query', query, query_ids, query_cams),
                                       ('gallery', gallery, gallery_ids, gallery_cams)):
        for feature, pid, camid in zip(features, ids, cams):
            sample = HumanSample(metainfo=dict(split=split, pid=int(pid), camid=int(camid)))
            sample.pred_feature = torch.from_numpy(feature)
            samples.append(sample)
    expected = evaluation.reid(*inputs)
    assert run(dict(type='ReIDMetric'), samples) == expected
    assert run(dict(type='ReIDMetric', num_queries=len(query)), samples) == expected
    assert run(dict(type='ReIDMetric', num_queries=10), samples) != expected


def test_text_reid():
    """Images have one caption, or two, or three."""
    texts, text_ids, images, image_ids = seeded.text_reid(0, False)
    samples, kept = [], []
    for i, (image, person) in enumerate(zip(images, image_ids)):
        own = np.flatnonzero(text_ids == person)[:i % 3 + 1] if person in text_ids else np.array([0])
        sample = HumanSample(metainfo=dict(pid=int(person)))
        sample.pred_feature, sample.pred_text_features = torch.from_numpy(image), torch.from_numpy(texts[own])
        samples.append(sample)
        kept += [(row, person) for row in own]
    rows, people = map(list, zip(*kept))
    assert run(dict(type='TextReIDMetric'), samples) == evaluation.text_to_image(
        texts[rows], people, images, image_ids)


@pytest.mark.parametrize('galleries', [False, True])
def test_person_search(galleries):
    frames, queries = seeded.person_search(0, galleries)
    samples, inputs = [], []
    for x in frames:
        own = [y for y in queries if y['frame'] == x['id']]
        boxes = np.column_stack([x['boxes'][:, :2], x['boxes'][:, 2:] - x['boxes'][:, :2]]).tolist()
        sample = HumanSample(metainfo=dict(frame=x['id'], camid=x['camera'], raw_ann_info=[
            dict(bbox=box, pid=int(pid)) for box, pid in zip(boxes, x['people'])], queries=[
            dict(pid=y['person'], gallery=y['gallery'], positives=y['positives']) for y in own]))
        sample.pred_instances = InstanceData(**{ours: torch.from_numpy(x[name]) for ours, name in (
            ('bboxes', 'found'), ('scores', 'scores'), ('features', 'features'))})
        sample.pred_query_features = torch.from_numpy(np.array([y['feature'] for y in own]).reshape(-1, 8))
        samples.append(sample)
        inputs += own
    for options in ({}, dict(cross_camera=True), dict(score_threshold=0.8)):
        assert run(dict(type='PersonSearchMetric', **options), samples) == pytest.approx(
            evaluation.person_search(frames, inputs, **options))


def test_attribute_and_counting():
    labels, scores = seeded.attributes(0)
    samples = []
    for row, score in zip(labels, scores):
        sample = HumanSample()
        sample.gt_attributes, sample.pred_attributes = torch.from_numpy(row), torch.from_numpy(score)
        sample.gt_instances = InstanceData(points=torch.zeros(int(row.sum()), 2))
        sample.pred_count = torch.tensor(score[0])
        samples.append(sample)
    assert run(dict(type='AttributeMetric'), samples) == evaluation.attributes(labels, scores)
    assert run(dict(type='AttributeMetric', threshold=0.3), samples) == evaluation.attributes(labels, scores, 0.3)
    assert run(dict(type='CountingMetric'), samples) == evaluation.counting(labels.sum(1), scores[:, 0])


def test_parsing():
    labels, predictions = seeded.parsing(0)
    samples = []
    for i in range(5):
        sample = HumanSample()
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(labels[None, i::5]))
        sample.pred_sem_seg = PixelData(data=torch.from_numpy(predictions[None, i::5].astype(np.int64)))
        samples.append(sample)
    expected = evaluation.parsing(evaluation.confusion_matrix(labels, predictions, 20))
    assert run(dict(type='ParsingMetric'), samples, dict(classes=['x'] * 20)) == expected
    assert run(dict(type='ParsingMetric', num_classes=20), samples) == expected
    with pytest.raises(UserError, match='differ in shape'):
        samples[0].pred_sem_seg = PixelData(data=torch.zeros(1, 8, 8, dtype=torch.int64))
        run(dict(type='ParsingMetric', num_classes=20), samples)


def pose_samples() -> tuple[dict, list[dict], list[HumanSample]]:
    """One prediction for each annotated person of COCO's, none of them a crowd."""
    truth, _ = seeded.coco(0)
    rng = np.random.default_rng(0)
    truth['annotations'] = [x for x in truth['annotations'] if not x['iscrowd']]
    samples, detections = [], []
    for annotation in truth['annotations']:
        joints = np.array(annotation['keypoints']).reshape(17, 3)[:, :2] + rng.normal(0, 4, (17, 2))
        scores = rng.uniform(0, 1, 17)
        sample = HumanSample(metainfo=dict(img_id=annotation['image_id'], raw_ann_info=annotation, head_size=30.0,
                                           bbox_score=np.array([0.5], np.float32), input_scale=(2000.0, 2000.0)))
        sample.pred_instances = InstanceData(keypoints=torch.from_numpy(joints)[None],
                                             keypoint_scores=torch.from_numpy(scores)[None])
        samples.append(sample)
        detections.append(dict(image_id=annotation['image_id'], category_id=1, keypoints=np.column_stack(
            [joints, scores]).ravel().tolist(), score=0.5 * scores[scores > 0.2].mean()))
    return truth, detections, samples


def test_keypoint_ap(tmp_path):
    truth, detections, samples = pose_samples()
    expected = evaluation.keypoint_ap(truth, detections)
    assert 0.1 < expected['AP'] < 0.95
    metric = dict(type='KeypointAPMetric', nms_threshold=1.0)
    assert run(metric, samples) == pytest.approx(expected)
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    assert run(dict(metric, ann_file=str(tmp_path / 'truth.json')), samples) == pytest.approx(expected)
    wide = run(metric, samples, dict(sigmas=np.full(17, 0.2, np.float32)))
    assert wide == pytest.approx(evaluation.keypoint_ap(truth, detections, np.full(17, 0.2)), abs=1e-6)
    with pytest.raises(UserError, match='jrdb has no sigmas.*EPEMetric'):  # 17 keypoints too, but others than COCO's
        run(metric, samples, dict(dataset='jrdb', sigmas=np.zeros(0, np.float32)))
    surrogate = run(dict(metric, use_area=False), samples)
    assert surrogate == run(metric, samples, dict(box_area=True)) != run(metric, samples)
    assert run(dict(metric, use_area=True), samples, dict(box_area=True)) == run(metric, samples)
    assert surrogate == pytest.approx(evaluation.keypoint_ap(truth, detections, use_area=False))
    assert run(dict(type='KeypointAPMetric'), samples)['AR'] < expected['AR']  # at this scale people suppress others
    del samples[0].raw_ann_info
    with pytest.raises(UserError, match='Give ann_file'):
        run(metric, samples)


def test_epe():
    truth, detections, samples = pose_samples()
    annotated = np.array([x['keypoints'] for x in truth['annotations']]).reshape(-1, 17, 3)
    predicted = np.array([x['keypoints'] for x in detections]).reshape(-1, 17, 3)[..., :2]
    assert run(dict(type='EPEMetric'), samples) == evaluation.epe(predicted, annotated[..., :2], annotated[..., 2])


@pytest.mark.parametrize('from_file', [True, False])
def test_pckh(tmp_path, from_file):
    predictions, truth = seeded.mpii(0)
    scipy.io.savemat(tmp_path / 'gt.mat', truth)
    sizes = 0.6 * np.linalg.norm(truth['headboxes_src'][1] - truth['headboxes_src'][0], axis=0)
    samples = []
    for i, joints in enumerate(predictions):
        visible = 2 * (1 - truth['jnt_missing'][:, i].astype(float))
        keypoints = np.column_stack([truth['pos_gt_src'][:, :, i] - 1, visible])
        sample = HumanSample(metainfo=dict(raw_ann_info=dict(id=i, keypoints=keypoints.ravel().tolist()),
                                           head_size=float(sizes[i])))
        sample.pred_instances = InstanceData(keypoints=torch.from_numpy(joints)[None])
        samples.append(sample)
    metric = dict(type='PCKhMetric', gt_file=str(tmp_path / 'gt.mat') if from_file else None)
    result = run(metric, samples)
    assert result.pop('mean@0.1') == pytest.approx(evaluation.pckh(predictions, truth, 0.1)['mean'])
    assert result == pytest.approx(evaluation.pckh(predictions, truth))
    assert run(metric, samples[::-1][:20])['mean'] != result['mean']  # a part of the set, in another order
    if not from_file:
        del samples[0].head_size
        with pytest.raises(UserError, match='no head size'):
            run(metric, samples)


def box_samples(truth: list[list[dict]], found: list[list[tuple]], ids: list) -> list[HumanSample]:
    samples = []
    for native, boxes, image in zip(truth, found, ids):
        sample = HumanSample(metainfo=dict(img_id=image, raw_ann_info=native, ori_shape=(480, 640)))
        corners = torch.tensor([box for box, _ in boxes], dtype=torch.float64).reshape(-1, 4)
        corners[:, 2:] += corners[:, :2]
        sample.pred_instances = InstanceData(bboxes=corners, scores=torch.tensor([s for _, s in boxes]).double())
        samples.append(sample)
    return samples


def test_crowdhuman(tmp_path):
    truth, found = seeded.crowdhuman(0)
    boxes = [[(x['box'], x['score']) for x in record['dtboxes']] for record in found]
    samples = box_samples([x['gtboxes'] for x in truth], boxes, [x['ID'] for x in truth])
    expected = evaluation.crowdhuman(truth, found)
    assert run(dict(type='CrowdHumanMetric'), samples) == pytest.approx(expected)
    path = tmp_path / 'gt.odgt'
    path.write_text('\n'.join(json.dumps(x) for x in truth))
    assert run(dict(type='CrowdHumanMetric', ann_file=str(path)), samples) == pytest.approx(expected)
    kept = [dict(x, dtboxes=[box for box in x['dtboxes'] if box['score'] >= 0.5]) for x in found]
    assert run(dict(type='CrowdHumanMetric', score_threshold=0.5), samples) == pytest.approx(
        evaluation.crowdhuman(truth, kept))


def by_image(truth: dict, detections: list[dict]) -> list[HumanSample]:
    ids = sorted(image['id'] for image in truth['images'])  # equal scores rank by image
    return box_samples([[a for a in truth['annotations'] if a['image_id'] == i] for i in ids],
                       [[(d['bbox'], d['score']) for d in detections if d['image_id'] == i] for i in ids], ids)


def test_box_ap():
    truth, detections = seeded.coco(0)
    for annotation in truth['annotations']:
        annotation.pop('area')
    expected = evaluation.box_ap(truth, detections)
    assert run(dict(type='BoxAPMetric'), by_image(truth, detections)) == pytest.approx(expected, abs=1e-9)


def test_miss_rate():
    truth, detections = seeded.citypersons(0, 40)
    samples = by_image(truth, detections)
    result = run(dict(type='MissRateMetric', subset='heavy', also=('reasonable', 'all')), samples)
    assert result == pytest.approx({
        'MR': evaluation.miss_rate(truth, detections, 'heavy', 'caltech')['MR'],
        'MR_reasonable': evaluation.miss_rate(truth, detections, 'reasonable', 'caltech')['MR'],
        'MR_all': evaluation.miss_rate(truth, detections, 'all', 'caltech')['MR']})
    for sample in samples:
        for annotation in sample.raw_ann_info:
            annotation['vis_ratio'] = 0.9
    result = run(dict(type='MissRateMetric', also=('heavy', 'all')), samples)
    assert np.isnan(result['MR_heavy']) and 0 < result['MR'] < 1 and 0 < result['MR_all'] < 1  # nobody is occluded
    with pytest.raises(UserError, match="belongs to the subset 'heavy'"):
        run(dict(type='MissRateMetric', subset='heavy'), samples)
