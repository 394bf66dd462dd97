"""MMEngine metrics of keypoints: they collect samples of one person each and call the functions of ``pose``."""
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import matlab
from ..errors import UserError
from ..registry import METRICS
from .metric import HumanMetric, numpy, sample_field
from .pose import COCO_SIGMAS, HEAD_SIZE_FACTOR, MPII_PARTS, epe, keypoint_ap, pckh


def _predicted(sample: Mapping, metric: str) -> Mapping:
    return sample_field(sample, 'pred_instances', metric)


def _annotated(sample: Mapping, metric: str) -> np.ndarray:
    """(K, 3) joints of the person as annotated: x, y in pixels of the original image, visibility."""
    return np.array(sample_field(sample, 'raw_ann_info', metric)['keypoints'], np.float64).reshape(-1, 3)


def oks_nms(joints: np.ndarray, areas: np.ndarray, scores: np.ndarray, sigmas: np.ndarray,
            threshold: float) -> list[int]:
    """Drop a person that is all but equal to one with a higher score.

    Args:
        joints: (n, K, 2) pixels.
        areas: (n,) of the people's boxes; two people are compared at their mean.
        scores: (n,).
        threshold: similarity above which one is dropped.

    Returns:
        Positions of those kept, by falling score.
    """
    kept: list[int] = []
    for i in np.argsort(-scores, kind='stable'):
        squared = np.square(joints[kept] - joints[i]).sum(-1)
        area = (areas[kept] + areas[i])[:, None] / 2 + np.spacing(1)
        if not (np.exp(-squared / (2 * sigmas) ** 2 / area / 2).mean(-1) > threshold).any():
            kept.append(int(i))
    return kept


@METRICS.register_module()
class KeypointAPMetric(HumanMetric):
    """:func:`~humanbench.evaluation.keypoint_ap` of top-down predictions.

    A person's score is the box's times the mean of the joint scores above ``joint_threshold``, as the top-down
    literature has it.

    Args:
        ann_file: COCO ground truth, which also knows crowds and people without joints. None scores against the
            annotations that come with the samples (one person each), or, where the samples are detected boxes, against
            the dataset's own file.
        sigmas: None takes the dataset's, or COCO's where nothing is known of the dataset.
        use_area: as in :func:`keypoint_ap`. None goes by the dataset: not where it has no areas but boxes.
        joint_threshold: joints below it do not count in the score.
        nms_threshold: similarity above which the lower-scored of two people is dropped.
        kwargs: of :class:`~humanbench.evaluation.metric.HumanMetric`.
    """
    function = 'keypoint_ap'
    ranked = ('AP', True)
    keys = ('AP', 'AP50', 'AP75', 'APm', 'APl', 'AR', 'AR50', 'AR75', 'ARm', 'ARl')

    def __init__(self, ann_file: str | None = None, sigmas: Sequence[float] | None = None, use_area: bool | None = None,
                 joint_threshold: float = 0.2, nms_threshold: float = 0.9, **kwargs) -> None:
        super().__init__(**kwargs)
        self.ann_file = ann_file
        self.sigmas = sigmas
        self.use_area = use_area
        self.joint_threshold = joint_threshold
        self.nms_threshold = nms_threshold

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            predicted = _predicted(sample, 'KeypointAPMetric')
            scores = numpy(predicted['keypoint_scores']).reshape(-1).astype(np.float64)
            confident = scores[scores > self.joint_threshold]
            box_score = np.ravel(numpy(sample.get('bbox_score', 1.0)))[0]
            self.results.append(dict(
                image_id=sample_field(sample, 'img_id', 'KeypointAPMetric'), joint_scores=scores,
                score=float(box_score * (confident.mean() if len(confident) else 0)),
                joints=numpy(predicted['keypoints']).reshape(-1, 2).astype(np.float64),
                area=float(np.prod(np.asarray(sample_field(sample, 'input_scale', 'KeypointAPMetric'), np.float64))),
                annotation=sample.get('raw_ann_info') if self.ann_file is None else None))

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        sigmas = self.sigmas if self.sigmas is not None else (self.dataset_meta or {}).get('sigmas')
        if sigmas is not None and not len(sigmas):
            dataset = (self.dataset_meta or {}).get('dataset', 'this dataset')
            raise UserError(f'KeypointAPMetric: {dataset} has no sigmas, so its keypoints have no AP. Give sigmas, or '
                            'score them with EPEMetric.')
        sigmas = np.asarray(COCO_SIGMAS if sigmas is None else sigmas, np.float64)
        by_image = defaultdict(list)
        for result in results:
            by_image[result['image_id']].append(result)
        kept = [people[i] for people in by_image.values() for i in oks_nms(
            np.stack([x['joints'] for x in people]), np.array([x['area'] for x in people]),
            np.array([x['score'] for x in people]), sigmas, self.nms_threshold)]
        detections = [dict(image_id=x['image_id'], category_id=1, score=x['score'],
                           keypoints=np.column_stack([x['joints'], x['joint_scores']]).ravel().tolist()) for x in kept]
        truth = self.ann_file if self.ann_file is not None else self._ground_truth(results, list(by_image))
        use_area = self.use_area
        if use_area is None:
            use_area = not (self.dataset_meta or {}).get('box_area', False)
        return keypoint_ap(truth, detections, sigmas, use_area)

    def _ground_truth(self, results: list[dict], images: list) -> dict[str, Any] | str:
        if any(x['annotation'] is None for x in results):
            ann_file = (self.dataset_meta or {}).get('ann_file')
            if ann_file is None:
                raise UserError('KeypointAPMetric: the samples carry no annotation (detected boxes?). Give ann_file.')
            return ann_file
        return dict(images=[dict(id=x) for x in images], categories=[dict(id=1, name='person')],
                    annotations=[{**x['annotation'], 'image_id': x['image_id'], 'category_id': 1} for x in results])


@METRICS.register_module()
class PCKhMetric(HumanMetric):
    """:func:`~humanbench.evaluation.pckh`, plus the mean at a tenth of the head size as ``mean@0.1``.

    Args:
        gt_file: ``mpii_gt_val.mat``; a sample's ``raw_ann_info['id']`` is its column. None scores against the joints
            and the ``head_size`` that come with the samples.
        threshold: in head sizes.
        kwargs: of :class:`~humanbench.evaluation.metric.HumanMetric`.
    """
    function = 'pckh'
    ranked = ('mean', True)
    keys = ('mean', *MPII_PARTS, 'mean@0.1')

    def __init__(self, gt_file: str | None = None, threshold: float = 0.5, **kwargs) -> None:
        super().__init__(**kwargs)
        self.gt_file = gt_file
        self.threshold = threshold

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            prediction = numpy(_predicted(sample, 'PCKhMetric')['keypoints']).reshape(16, 2).astype(np.float64)
            if self.gt_file is not None:
                self.results.append((prediction, sample_field(sample, 'raw_ann_info', 'PCKhMetric')['id']))
            else:
                self.results.append((prediction, (_annotated(sample, 'PCKhMetric'), float(self._head_size(sample)))))

    @staticmethod
    def _head_size(sample: Mapping) -> float:
        if sample.get('head_size') is None:
            raise UserError('PCKhMetric: the samples carry no head size. Put mpii_gt_val.mat beside the annotation, '
                            'or give it as gt_file.')
        return sample['head_size']

    def compute_metrics(self, results: list) -> dict[str, float]:
        predictions, people = zip(*results)
        predictions = np.stack(predictions)
        truth = self._from_samples(people) if self.gt_file is None else self._from_file(people)
        return {**pckh(predictions, truth, self.threshold), 'mean@0.1': pckh(predictions, truth, 0.1)['mean']}

    def _from_file(self, columns: Sequence[int]) -> dict[str, np.ndarray]:
        mat = matlab.load(Path(self.gt_file).read_bytes())
        fields = {key: mat[key][..., list(columns)] for key in ('pos_gt_src', 'jnt_missing', 'headboxes_src')}
        return {**fields, 'dataset_joints': mat['dataset_joints']}

    @staticmethod
    def _from_samples(people: Sequence) -> dict[str, np.ndarray]:
        joints = np.stack([joints for joints, _ in people])
        heads = np.zeros((2, 2, len(people)))
        heads[1, 0] = np.array([size for _, size in people]) / HEAD_SIZE_FACTOR
        return dict(pos_gt_src=joints[:, :, :2].transpose(1, 2, 0) + 1, jnt_missing=(joints[:, :, 2] <= 0).T,
                    headboxes_src=heads)


@METRICS.register_module()
class EPEMetric(HumanMetric):
    """:func:`~humanbench.evaluation.epe` in pixels of the original image."""
    function = 'epe'
    ranked = ('EPE', False)
    keys = ('EPE',)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            prediction = numpy(_predicted(sample, 'EPEMetric')['keypoints']).reshape(-1, 2)
            self.results.append((prediction, _annotated(sample, 'EPEMetric')))

    def compute_metrics(self, results: list) -> dict[str, float]:
        predictions, people = (np.stack(x) for x in zip(*results))
        return epe(predictions, people[:, :, :2], people[:, :, 2])
