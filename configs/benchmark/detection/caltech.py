"""Caltech (new annotations): log-average miss rate by the official rules. Not a pretraining set.

Heavy ranks, as in the paper; Reasonable stands beside it.

    humanbench benchmark --datasets caltech --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/detection/caltech.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 58 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3):
the paper prints 30.1 / 28.3 / 31.1 (full / partial / head) under its own scoring, which is not comparable.
ViT-L (--backbone vit_l): partial 28.7 under the same scoring; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import Caltech
from humanbench.evaluation import MissRateMetric
from humanbench.models import DetectionHead

with read_base():
    from ..._base_.benchmarks.detection import *

sources = dict(caltech=dict(
    task='detection', batch_size=2, slots=16, head=dict(type=DetectionHead),
    dataset=dict(type=Caltech, split='train', pipeline=detection_train_pipeline)))
evaluations = dict(caltech=dict(
    source='caltech', batch_size=1, evaluator=dict(type=MissRateMetric, subset='heavy', also=('reasonable',)),
    dataset=dict(type=Caltech, split='test', pipeline=detection_test_pipeline)))
train_cfg.max_steps = 9_349
optim_wrapper.paramwise_cfg.update(backbone_multiplier=0.1, head_weight_decay=0.0)
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(caltech=dict(debug_evaluations['detection'], batch_size=16)),
    sources=dict(caltech=debug_sources['detection'])),
    released=detection_released)
