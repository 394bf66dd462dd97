"""PA-100K: mean accuracy over 26 attributes.

    humanbench benchmark --datasets pa100k --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/attribute/pa100k.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 12 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3):
full mA 85.0, partial 86.9 (released with a frozen classifier: --flavor released), head 77.4.
ViT-L (--backbone vit_l): partial 90.8; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import PA100K

with read_base():
    from ..._base_.benchmarks.attribute import *
    from ..._base_.sources.pa100k import *

sources = dict(pa100k=dict(pa100k, batch_size=64))
evaluations = dict(pa100k=dict(
    source='pa100k', batch_size=128, evaluator=attribute_evaluator,
    dataset=dict(type=PA100K, split='test', pipeline=attribute_test_pipeline)))
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(pa100k=debug_evaluations['attribute']),
    sources=dict(pa100k=debug_sources['attribute'])),
    released=attribute_released)
