"""LIP: mIoU over 20 classes on val; whole image stretched to 480 x 480, single scale, no flip.

    humanbench benchmark --datasets lip --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/parsing/lip.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 23 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full mIoU 61.4, partial 60.0, head 59.9.
ViT-L (--backbone vit_l): partial 62.6, direct 62.9; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import LIP

with read_base():
    from ..._base_.benchmarks.parsing import *
    from ..._base_.sources.lip import *

sources = dict(lip=dict(lip, batch_size=16, slots=1, head=dict(lip['head'], norm='BN')))  # S
evaluations = dict(lip=dict(
    source='lip', batch_size=16, evaluator=parsing_evaluator,
    dataset=dict(type=LIP, split='val', pipeline=parsing_test_pipeline)))
train_cfg.max_steps = 38_000
protocols.partial.train_cfg.max_steps = protocols.head.train_cfg.max_steps = 19_000
protocols.direct.update(sources=dict(lip=dict(head=dict(lip['head'], _delete_=True))))  # the pretraining head
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(lip=debug_evaluations['parsing']),
    sources=dict(lip=debug_sources['parsing'])))
