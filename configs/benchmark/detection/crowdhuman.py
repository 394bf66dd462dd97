"""CrowdHuman: AP at IoU 0.5 of full-body boxes (MR and JI beside it); 900 queries scored, no suppression.

    humanbench benchmark --datasets crowdhuman --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/detection/crowdhuman.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 146 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full AP 90.6, partial 90.9 (of the last eight blocks:
--flavor released), head 90.0.
ViT-L (--backbone vit_l): partial 90.8, direct 89.4; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import CrowdHuman
from humanbench.evaluation import CrowdHumanMetric

with read_base():
    from ..._base_.benchmarks.detection import *
    from ..._base_.sources.crowdhuman import *

sources = dict(crowdhuman=dict(crowdhuman, batch_size=2, slots=16))
evaluations = dict(crowdhuman=dict(
    source='crowdhuman', batch_size=1, evaluator=dict(type=CrowdHumanMetric, score_threshold=0.05),
    dataset=dict(type=CrowdHuman, split='val', pipeline=detection_test_pipeline)))
detection_released['protocols'] = dict(partial=dict(partial_blocks=8))  # the paper's label says two
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(crowdhuman=dict(debug_evaluations['detection'], batch_size=16)),
    sources=dict(crowdhuman=debug_sources['detection'])),
    released=detection_released)
