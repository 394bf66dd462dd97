"""Human3.6M 2-D pose: mean error in pixels of the original image, annotated boxes (S9, S11).

    humanbench benchmark --datasets h36m_pose --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/pose/h36m_pose.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 45 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full EPE 6.2, partial 6.1, head 6.1 (lower is better).
ViT-L (--backbone vit_l): partial 5.8, direct 7.1; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import Human36MPose
from humanbench.evaluation import EPEMetric

with read_base():
    from ..._base_.benchmarks.pose import *
    from ..._base_.sources.h36m_pose import *

sources = dict(h36m_pose=dict(h36m_pose, batch_size=160, slots=1))
evaluations = dict(h36m_pose=dict(
    source='h36m_pose', batch_size=64, evaluator=dict(type=EPEMetric),
    dataset=dict(type=Human36MPose, split='test', pipeline=pose_test_pipeline)))
train_cfg.max_steps = 19_500
protocols.partial.train_cfg.max_steps = 9_750
protocols.head.train_cfg.max_steps = 5_850
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(h36m_pose=debug_evaluations['pose']),
    sources=dict(h36m_pose=debug_sources['pose'])))
