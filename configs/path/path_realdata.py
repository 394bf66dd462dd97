"""PATH on a handful of real images in native formats, until it has learnt them: a check of the chain, not a model.

    HUMANBENCH_REALDATA=FOLDER humanbench train path/path_realdata.py
    HUMANBENCH_REALDATA=FOLDER humanbench test path/path_realdata.py --sheet overlays.png \\
        --checkpoint work_dirs/path_realdata/iter_1500.pth

COCO, AI Challenger, MPII and Human3.6M pose (30 people), LIP and CIHP parsing (4 images), PA-100K attributes (10
crops), Market-1501 (5 crops) and crowd counting (3 images), trained jointly on what is tested, without augmentation.
The images are not part of this repository; FOLDER is looked for in `../shared/realdata` where the variable is not set.

Hardware: two CPU cores. Time: 83 minutes of one core; about 45 in two processes (`--gpus 2`) where nothing else runs.
Expected on the training images (measured, one seed): pose AP 1.00 (COCO), 0.96 (AI Challenger), 1.00 (MPII), 0.03
pixels from the labels (Human3.6M); parsing mIoU over the classes that occur 0.98 (LIP), 0.92 (CIHP, three crowded
images at 640 x 640); attributes all right (mA 1.00 over those that occur and are also absent, F1 1.00); counting MAE 2
on crowds. Metrics over all 20 classes or 26 attributes are lower: most do not occur.
"""
import os

from mmengine.config import read_base

from humanbench.datasets import (CIHP, LIP, MPII, PA100K, AIChallenger, CocoKeypoints, Human36MPose, Market1501,
                                 ShanghaiTech)
from humanbench.evaluation import (AttributeMetric, CountingMetric, EPEMetric, KeypointAPMetric, ParsingMetric,
                                   ReIDMetric)
from humanbench.models import (AttributeHead, CountingHead, HumanModel, HumanViT, LadderProjector, ParsingHead,
                               PoseHead, ReIDHead)

with read_base():
    from .._base_.pipelines.attribute import *
    from .._base_.pipelines.counting import *
    from .._base_.pipelines.parsing import *
    from .._base_.pipelines.pose import *
    from .._base_.pipelines.reid import *

realdata = os.environ.get('HUMANBENCH_REALDATA', os.path.join('..', 'shared', 'realdata'))
model = dict(
    type=HumanModel, test_cfg=dict(flip_test=False), projector=dict(type=LadderProjector),
    backbone=dict(type=HumanViT, img_size=224, patch_size=16, embed_dim=128, depth=4, num_heads=4,
                  class_token_tasks=('reid',)))


def _pose(reader, folder, ann_file, keypoints, people):
    return dict(
        task='pose', batch_size=-(-people // 3), weight=8.0 * people, head=dict(
            type=PoseHead, num_keypoints=keypoints, channels=64, loss_weight=1000.0),
        dataset=dict(type=reader, root=os.path.join(realdata, folder), ann_file=ann_file, img_dir='.',
                     pipeline=pose_test_pipeline))


def _parsing(reader, folder, images, labels, count, side):
    return dict(
        task='parsing', batch_size=count, weight=80.0 * count, head=dict(type=ParsingHead, num_classes=20, channels=96),
        dataset=dict(type=reader, root=os.path.join(realdata, folder), img_dir=images, seg_dir=labels, pipeline=[
            dict(step, size=(side, side), scales=(1.0,), flip_prob=0.0) if 'scales' in step else step
            for step in parsing_train_pipeline]))


sources = dict(
    coco_pose=_pose(CocoKeypoints, 'coco', 'test_coco.json', 17, 12),
    aic=_pose(AIChallenger, 'aic', 'test_aic.json', 14, 9),
    mpii=_pose(MPII, 'mpii', 'test_mpii.json', 16, 5),
    h36m_pose=_pose(Human36MPose, 'h36m', 'h36m_coco.json', 17, 4),
    lip=_parsing(LIP, 'lip', 'train_images', 'train_segmentations', 1, 480),
    cihp=_parsing(CIHP, 'cihp', 'images', 'labels', 3, 640),
    pa100k=dict(
        task='attribute', batch_size=10, weight=0.1 * 10, head=dict(type=AttributeHead, num_attributes=26),
        dataset=dict(type=PA100K, root=os.path.join(realdata, 'pa100k'), img_dir='data', indices=10,
                     pipeline=attribute_test_pipeline)),
    market1501=dict(
        task='reid', sampler='identity', batch_size=8, weight=5.0 * 8, head=dict(type=ReIDHead, num_identities=5),
        dataset=dict(type=Market1501, root=os.path.join(realdata, 'market1501'), img_dir='.',
                     pipeline=reid_test_pipeline)),
    shanghaitech_a=dict(
        task='counting', batch_size=3, weight=10.0 * 3, head=dict(type=CountingHead, channels=64, loss='gaussian',
                                                             window=(256, 256)),
        dataset=dict(type=ShanghaiTech, dataset='shanghaitech_a', root=os.path.join(realdata, 'shanghaitech_format'),
                     img_dir='images', ann_file='ground-truth', pipeline=counting_train_pipeline)))

# tested on the very same records: the file, the folder and the crop of every source, with the test's pipeline
_metrics = dict(
    coco_pose=dict(type=KeypointAPMetric), aic=dict(type=KeypointAPMetric), mpii=dict(type=KeypointAPMetric),
    h36m_pose=dict(type=EPEMetric), lip=dict(type=ParsingMetric), cihp=dict(type=ParsingMetric),
    pa100k=dict(type=AttributeMetric), shanghaitech_a=dict(type=CountingMetric))
_pipelines = dict(pose=pose_test_pipeline, parsing=parsing_test_pipeline, attribute=attribute_test_pipeline,
                  counting=counting_test_pipeline)
evaluations = dict()
for _name, _metric in _metrics.items():
    evaluations[_name] = dict(source=_name, batch_size=1, evaluator=_metric, dataset=dict(
        sources[_name]['dataset'], pipeline=_pipelines[sources[_name]['task']]))
evaluations['cihp']['dataset']['pipeline'] = [
    dict(step, size=(640, 640)) if 'size' in step else step for step in parsing_test_pipeline]

train_cfg = dict(max_steps=1500)
schedule = dict(policy='cosine', warmup=0.05)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.0), clip_norm=1.0, clip_part='each')
default_hooks = dict(checkpoint=dict(interval=200, max_keep_ckpts=1))
