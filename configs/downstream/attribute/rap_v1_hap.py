"""RAP, version 1 (random split 0), as HAP finetunes for it: mean accuracy over 51 attributes.

    humanbench train downstream/attribute/rap_v1_hap.py --weights hap:FILE --test

Hardware: one GPU of 40 GB or more in bf16 (HAP: eight with 8 crops each). Time: about 1.2 V100 hours, 4,158 steps at
the speed of the benchmark's PA-100K recipe. The debug flavour takes seconds on two CPU cores.
Expected (HAP's table 1, ViT-B, 256x192; not run here): mA 82.91 from HAP, 75.73 from MAE.
"""
from mmengine.config import read_base

from humanbench.datasets import RAPv1
from humanbench.models import LinearAttributeHead

with read_base():
    from ..._base_.downstream.attribute_hap import *

sources = dict(rap_v1=dict(
    task='attribute', batch_size=64, head=dict(type=LinearAttributeHead, num_attributes=51),
    dataset=dict(type=RAPv1, split='train', pipeline=attribute_train_pipeline)))
evaluations = dict(rap_v1=dict(
    source='rap_v1', batch_size=128, evaluator=attribute_evaluator,
    dataset=dict(type=RAPv1, split='test', pipeline=attribute_test_pipeline)))
train_cfg.max_steps = 8 * 33_268 // 64
schedule = hap_schedule(2.4e-4)
optim_wrapper.optimizer.lr = 2.4e-4
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(rap_v1=debug_evaluations['attribute']),
    sources=dict(rap_v1=debug_sources['attribute'])))
