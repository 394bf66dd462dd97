"""PETA (random split 0): mean accuracy over 35 attributes. Not a pretraining set.

    humanbench benchmark --datasets peta --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/attribute/peta.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 4 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3):
full mA 88.0, partial 89.8 (released with a frozen classifier: --flavor released), head 79.0.
ViT-L (--backbone vit_l): partial 90.7; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import PETA
from humanbench.models import AttributeHead
from humanbench.engine.optim import PathAdafactor

with read_base():
    from ..._base_.benchmarks.attribute import *

sources = dict(peta=dict(
    task='attribute', batch_size=64, head=dict(type=AttributeHead, num_attributes=35),
    dataset=dict(type=PETA, split='trainval', pipeline=attribute_train_pipeline)))
evaluations = dict(peta=dict(
    source='peta', batch_size=128, evaluator=attribute_evaluator,
    dataset=dict(type=PETA, split='test', pipeline=attribute_test_pipeline)))
model.drop_path = 0.1
train_cfg.max_steps = 14_250
schedule.milestones = (0.75, 0.9)
optim_wrapper.optimizer = dict(type=PathAdafactor, lr=1e-3, weight_decay=0.05, clip_threshold=1.0)
optim_wrapper.paramwise_cfg.head_weight_decay = None
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(peta=debug_evaluations['attribute']),
    sources=dict(peta=debug_sources['attribute'])),
    released=attribute_released)
