"""MSMT17: person ReID, mAP.

    humanbench benchmark --datasets msmt17 --protocols full partial --weights path=path:FILE
    humanbench train benchmark/reid/msmt17.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 8 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3):
full mAP 69.1, partial 66.1; head does not apply (the tested feature lies before it).
ViT-L (--backbone vit_l): partial 74.7, direct 72.7; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import MSMT17

with read_base():
    from ..._base_.benchmarks.reid import *
    from ..._base_.sources.msmt17 import *

sources = dict(msmt17=dict(msmt17, batch_size=64))  # 16 people x 4 crops (S)
evaluations = dict(msmt17=dict(
    source='msmt17', batch_size=128, evaluator=reid_evaluator,
    dataset=dict(type=MSMT17, split='test', pipeline=reid_test_pipeline)))
train_cfg.max_steps = 50_000  # H
protocols.partial.train_cfg.max_steps = 25_000  # D
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(msmt17=debug_evaluations['reid']),
    sources=dict(msmt17=dict(debug_sources['reid'], head=dict(num_identities=64)))),
    released=dict(sources=dict(msmt17=dict(dataset=dict(pipeline=reid_released_pipeline)))))
