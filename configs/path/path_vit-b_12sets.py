"""PATH ViT-B/16 with the paper's recipe on the twelve pretraining datasets (of its 37) that this version reads.

    humanbench train path/path_vit-b_12sets.py --weights mae:mae_pretrain_vit_base.pth
    humanbench test  path/path_vit-b_12sets.py --checkpoint work_dirs/path_vit-b_12sets/iter_80000.pth

Hardware: one GPU of 80 GB in bf16 (units run one after the other, so memory is that of the largest).
Time: not measured; by arithmetic, 80,000 steps of 1,682 images and about 400 TFLOP are 23 H100 hours at 40 % of the
peak. One process in this version.
Expected: nothing is published for this subset. PATH with all 37, evaluated directly: Market-1501 mAP 88.6, COCO AP
75.0, LIP mIoU 56.3, CrowdHuman AP 89.1 (the paper's Table 3).

Where a value is from: PATH's released ViT-B recipe, unless marked D (reasoned). The release never trained its last
block; here the projector climbs all levels. Detection and parsing units recompute activations.
"""
from mmengine.config import read_base

from humanbench.datasets import CIHP, LIP, AIChallenger, CocoKeypoints, CrowdHuman, Human36MParsing, Human36MPose
from humanbench.datasets import CUHK03, MSMT17, PA100K, Market1501, RAPv2
from humanbench.engine.optim import PathAdafactor
from humanbench.evaluation import (AttributeMetric, CrowdHumanMetric, EPEMetric, KeypointAPMetric, ParsingMetric,
                                   ReIDMetric)
from humanbench.models import LadderProjector

with read_base():
    from .._base_.models.vit_b import *
    from .._base_.sources.aic import *
    from .._base_.sources.cihp import *
    from .._base_.sources.coco_pose import *
    from .._base_.sources.crowdhuman import *
    from .._base_.sources.cuhk03 import *
    from .._base_.sources.h36m_parsing import *
    from .._base_.sources.h36m_pose import *
    from .._base_.sources.lip import *
    from .._base_.sources.market1501 import *
    from .._base_.sources.msmt17 import *
    from .._base_.sources.pa100k import *
    from .._base_.sources.rapv2 import *

sources = dict(
    coco_pose=coco_pose, aic=aic, h36m_pose=h36m_pose, h36m_parsing=h36m_parsing, lip=lip, cihp=cihp, pa100k=pa100k,
    rapv2=rapv2, market1501=market1501, msmt17=msmt17, cuhk03=cuhk03, crowdhuman=crowdhuman)
model.update(
    projector=dict(type=LadderProjector, reduction=8, num_heads=2),
    drop_path=dict(pose=0.3, parsing=0.3, attribute=0.1))
model.backbone.checkpointing = ('parsing', 'detection')

train_cfg = dict(max_steps=80_000, precision='bf16')  # bf16 D: the release trains in fp32
schedule = dict(policy='step', warmup=1500, milestones=(0.5, 0.75, 0.95), factors=(0.5, 0.2, 0.1))
optim_wrapper = dict(
    optimizer=dict(type=PathAdafactor, lr=1e-3, weight_decay=0.05, clip_threshold=0.5),
    paramwise_cfg=dict(layer_decay=0.75, layer_decay_rule='path'))
loader = dict(num_workers=12, prefetch_factor=4, persistent_workers=True)  # D
default_hooks = dict(checkpoint=dict(interval=1000, max_keep_ckpts=2))

_reid, _ap = dict(type=ReIDMetric), dict(type=KeypointAPMetric)
_attributes, _parsing = dict(type=AttributeMetric), dict(type=ParsingMetric)
_test = dict(
    coco_pose=(CocoKeypoints, 'val', _ap, pose_test_pipeline), aic=(AIChallenger, 'val', _ap, pose_test_pipeline),
    h36m_pose=(Human36MPose, 'test', dict(type=EPEMetric), pose_test_pipeline),
    h36m_parsing=(Human36MParsing, 'test', _parsing, parsing_test_pipeline),
    lip=(LIP, 'val', _parsing, parsing_test_pipeline), cihp=(CIHP, 'val', _parsing, parsing_test_pipeline),
    pa100k=(PA100K, 'test', _attributes, attribute_test_pipeline),
    rapv2=(RAPv2, 'test', _attributes, attribute_test_pipeline),
    market1501=(Market1501, 'test', _reid, reid_test_pipeline), msmt17=(MSMT17, 'test', _reid, reid_test_pipeline),
    cuhk03=(CUHK03, 'test', _reid, reid_test_pipeline),
    crowdhuman=(CrowdHuman, 'val', dict(type=CrowdHumanMetric, score_threshold=0.05), detection_test_pipeline))
evaluations = dict()
for _name, (_reader, _split, _metric, _pipeline) in _test.items():
    evaluations[_name] = dict(
        source=_name, batch_size=1 if sources[_name].task == 'detection' else 32, evaluator=_metric,
        dataset=dict(type=_reader, split=_split, pipeline=_pipeline))
