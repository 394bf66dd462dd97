"""MPII: PCKh@0.5 on the validation split, annotated centre and scale. Not a pretraining set.

    humanbench benchmark --datasets mpii --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/pose/mpii.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 6.5 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full PCKh 93.3, partial 93.0, head 92.7.
ViT-L (--backbone vit_l): partial 93.7; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import MPII
from humanbench.evaluation import PCKhMetric
from humanbench.models import PoseHead

with read_base():
    from ..._base_.benchmarks.pose import *

sources = dict(mpii=dict(
    task='pose', batch_size=160, head=dict(type=PoseHead, num_keypoints=16, loss_weight=1000.0),
    dataset=dict(type=MPII, split='train', pipeline=pose_mpii_train_pipeline)))
evaluations = dict(mpii=dict(
    source='mpii', batch_size=64, evaluator=dict(type=PCKhMetric),
    dataset=dict(type=MPII, split='val', pipeline=pose_test_pipeline)))
train_cfg.max_steps = 7_000
protocols.partial.train_cfg.max_steps = 7_000
protocols.head.train_cfg.max_steps = 4_200
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(mpii=debug_evaluations['pose']),
    sources=dict(mpii=debug_sources['pose'])))
