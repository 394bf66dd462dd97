"""CUHK03 (new protocol, detected boxes): person ReID, mAP.

    humanbench benchmark --datasets cuhk03 --protocols full partial --weights path=path:FILE
    humanbench train benchmark/reid/cuhk03.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 5 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3):
full mAP 82.6, partial 79.5; head does not apply (the tested feature lies before it).
ViT-L (--backbone vit_l): partial 86.0, direct 83.7; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import CUHK03

with read_base():
    from ..._base_.benchmarks.reid import *
    from ..._base_.sources.cuhk03 import *

sources = dict(cuhk03=dict(cuhk03, batch_size=64))  # 16 people x 4 crops (S)
evaluations = dict(cuhk03=dict(
    source='cuhk03', batch_size=128, evaluator=reid_evaluator,
    dataset=dict(type=CUHK03, split='test', pipeline=reid_test_pipeline)))
train_cfg.max_steps = 12_000  # H
protocols.partial.train_cfg.max_steps = 6_000  # D
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(cuhk03=debug_evaluations['reid']),
    sources=dict(cuhk03=dict(debug_sources['reid'], head=dict(num_identities=40)))),
    released=dict(sources=dict(cuhk03=dict(dataset=dict(pipeline=reid_released_pipeline)))))
