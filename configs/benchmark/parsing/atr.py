"""ATR: pixel accuracy over 18 classes (and mIoU, which tells more). Not a pretraining set.

    humanbench benchmark --datasets atr --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/parsing/atr.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 13 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full pixel accuracy 97.5, partial 97.2, head 97.1.
ViT-L (--backbone vit_l): partial 97.4; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import ATR
from humanbench.models import ParsingHead

with read_base():
    from ..._base_.benchmarks.parsing import *

sources = dict(atr=dict(
    task='parsing', batch_size=16, head=dict(type=ParsingHead, num_classes=18, norm='BN'),
    dataset=dict(type=ATR, split='train', pipeline=parsing_train_pipeline)))  # S
evaluations = dict(atr=dict(
    source='atr', batch_size=16, evaluator=dict(parsing_evaluator, ranked='pixel_accuracy'),
    dataset=dict(type=ATR, split='val', pipeline=parsing_test_pipeline)))
train_cfg.max_steps = 22_100
protocols.partial.train_cfg.max_steps = protocols.head.train_cfg.max_steps = 11_050
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(atr=debug_evaluations['parsing']),
    sources=dict(atr=debug_sources['parsing'])))
