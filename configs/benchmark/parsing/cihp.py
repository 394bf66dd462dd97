"""CIHP: mIoU over 20 classes on val (semantic, several people an image).

    humanbench benchmark --datasets cihp --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/parsing/cihp.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 21 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full mIoU 66.8, partial 63.1, head 63.3.
ViT-L (--backbone vit_l): partial 67.5, direct 67.1; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import CIHP

with read_base():
    from ..._base_.benchmarks.parsing import *
    from ..._base_.sources.cihp import *

sources = dict(cihp=dict(cihp, batch_size=16, slots=1, head=dict(cihp['head'], norm='BN')))  # S
evaluations = dict(cihp=dict(
    source='cihp', batch_size=16, evaluator=parsing_evaluator,
    dataset=dict(type=CIHP, split='val', pipeline=parsing_test_pipeline)))
protocols.direct.update(sources=dict(cihp=dict(head=dict(cihp['head'], _delete_=True))))  # the pretraining head
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(cihp=debug_evaluations['parsing']),
    sources=dict(cihp=debug_sources['parsing'])))
