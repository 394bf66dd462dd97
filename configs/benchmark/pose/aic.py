"""AI Challenger keypoints: OKS AP on annotated boxes.

    humanbench benchmark --datasets aic --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/pose/aic.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 45 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full AP 35.0, partial 33.3, head 31.6.
ViT-L (--backbone vit_l): partial 36.3, direct 25.6; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import AIChallenger
from humanbench.evaluation import KeypointAPMetric

with read_base():
    from ..._base_.benchmarks.pose import *
    from ..._base_.sources.aic import *

sources = dict(aic=dict(aic, batch_size=160, slots=1))
evaluations = dict(aic=dict(
    source='aic', batch_size=64, evaluator=dict(type=KeypointAPMetric),
    dataset=dict(type=AIChallenger, split='val', pipeline=pose_test_pipeline)))
train_cfg.max_steps = 47_000
protocols.partial.train_cfg.max_steps = 23_650
protocols.head.train_cfg.max_steps = 14_200
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(aic=debug_evaluations['pose']),
    sources=dict(aic=debug_sources['pose'])))
