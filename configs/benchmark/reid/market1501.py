"""Market-1501: person ReID, mAP.

    humanbench benchmark --datasets market1501 --protocols full partial --weights path=path:FILE
    humanbench train benchmark/reid/market1501.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 5 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3):
full mAP 89.5, partial 88.7; head does not apply (the tested feature lies before it).
ViT-L (--backbone vit_l): partial 91.8, direct 91.6; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import Market1501

with read_base():
    from ..._base_.benchmarks.reid import *
    from ..._base_.sources.market1501 import *

sources = dict(market1501=dict(market1501, batch_size=64))  # 16 people x 4 crops (S)
evaluations = dict(market1501=dict(
    source='market1501', batch_size=128, evaluator=reid_evaluator,
    dataset=dict(type=Market1501, split='test', pipeline=reid_test_pipeline)))
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(market1501=debug_evaluations['reid']),
    sources=dict(market1501=dict(debug_sources['reid'], head=dict(num_identities=64)))),
    released=dict(sources=dict(market1501=dict(dataset=dict(pipeline=reid_released_pipeline)))))
