"""RAPv2: mean accuracy over 54 attributes.

    humanbench benchmark --datasets rapv2 --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/attribute/rapv2.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 10 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3):
full mA 81.2, partial 83.1 (released with a frozen classifier: --flavor released), head 72.4.
ViT-L (--backbone vit_l): partial 87.4; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import RAPv2

with read_base():
    from ..._base_.benchmarks.attribute import *
    from ..._base_.sources.rapv2 import *

sources = dict(rapv2=dict(rapv2, batch_size=64))
evaluations = dict(rapv2=dict(
    source='rapv2', batch_size=128, evaluator=attribute_evaluator,
    dataset=dict(type=RAPv2, split='test', pipeline=attribute_test_pipeline)))
model.drop_path = 0.2
train_cfg.max_steps = 37_156
schedule.milestones = (0.75, 0.9)
optim_wrapper.paramwise_cfg.update(backbone_multiplier=1.0, head_weight_decay=None)
protocols.head.optim_wrapper.optimizer.lr = 1e-2
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(rapv2=debug_evaluations['attribute']),
    sources=dict(rapv2=debug_sources['attribute'])),
    released=attribute_released)
