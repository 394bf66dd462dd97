"""PATH at debug size: five tasks, seven datasets, one ViT of half a million weights, on MiniHuman (made on first use).

    mim train humanbench configs/path/path_debug.py          or        humanbench train path/path_debug.py
    humanbench test path/path_debug.py --checkpoint work_dirs/path_debug/iter_750.pth

Hardware: two CPU cores. Time: five minutes in two processes (`--gpus 2`, 0.4 s a step).
Expected of the pretraining heads on MiniHuman's test splits (`direct`, one seed): Market-1501 mAP 0.57, COCO AP 0.014,
LIP mIoU 0.14, PA-100K mA 0.53, CrowdHuman AP 0.15; chance is 0.05, 0, 0.04, 0.50, 0.01.
The recipe is the paper-size one with small parts; AdamW stands in for Adafactor, and there is no drop path.
"""
from mmengine.config import read_base

from humanbench.datasets import LIP, PA100K, CocoKeypoints, CrowdHuman, Market1501
from humanbench.evaluation import AttributeMetric, CrowdHumanMetric, KeypointAPMetric, ParsingMetric, ReIDMetric
from humanbench.models import LadderProjector

with read_base():
    from .._base_.debug import *
    from .._base_.models.vit_debug import *
    from .._base_.sources.aic import *
    from .._base_.sources.coco_pose import *
    from .._base_.sources.crowdhuman import *
    from .._base_.sources.lip import *
    from .._base_.sources.market1501 import *
    from .._base_.sources.msmt17 import *
    from .._base_.sources.pa100k import *

sources = dict(
    market1501=market1501, msmt17=msmt17, coco_pose=coco_pose, aic=aic, lip=lip, pa100k=pa100k, crowdhuman=crowdhuman)
_batches = dict(reid=16, pose=12, parsing=8, attribute=24, detection=4)
for _source in sources.values():
    _small, _sample_weight = debug_sources[_source.task], _source.weight / (_source.batch_size * _source.slots)
    _source.dataset.update(_small.dataset)
    _source.head.update(_small.get('head', {}))
    _batch = _batches[_source.task]
    _source.update(batch_size=_batch, slots=1, weight=_sample_weight * _batch)
market1501.head.num_identities = msmt17.head.num_identities = 64

pa100k.weight *= 5  # 0.5 a sample: at 0.1 the attributes have no say within so few steps

model.update(projector=dict(type=LadderProjector))
train_cfg = dict(max_steps=750)
schedule = dict(policy='cosine', warmup=0.1)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05), clip_norm=1.0, clip_part='each')
default_hooks = dict(checkpoint=dict(interval=200, max_keep_ckpts=1), logger=dict(interval=20))

_test = {
    'market1501': (Market1501, 'test', dict(type=ReIDMetric)),
    'coco_pose': (CocoKeypoints, 'val', dict(type=KeypointAPMetric)),
    'lip': (LIP, 'val', dict(type=ParsingMetric)),
    'pa100k': (PA100K, 'test', dict(type=AttributeMetric)),
    'crowdhuman': (CrowdHuman, 'val', dict(type=CrowdHumanMetric, score_threshold=0.05)),
}
evaluations = dict()
for _name, (_reader, _split, _metric) in _test.items():
    _settings = debug_evaluations[sources[_name].task]
    evaluations[_name] = dict(
        source=_name, batch_size=_settings.get('batch_size', 32), evaluator=_metric,
        dataset=dict(type=_reader, split=_split, **_settings['dataset']))
