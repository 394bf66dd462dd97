"""Human3.6M body parts: mIoU over 25 classes.

    humanbench benchmark --datasets h36m_parsing --protocols full partial head --weights path=path:FILE
    humanbench train benchmark/parsing/h36m_parsing.py --protocol partial --weights path:FILE --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 24 V100 hours for full finetuning (from released logs or their
seconds per step), half of it for partial and head. The debug flavour takes seconds on two CPU cores.
Expected (PATH ViT-B, the paper's Table 3): full mIoU 65.0, partial 63.7, head 64.1.
ViT-L (--backbone vit_l): partial 66.2, direct 65.0; nothing else is printed.
"""
from mmengine.config import read_base

from humanbench.datasets import Human36MParsing
from humanbench.datasets.transforms import ResizeLabelMap
from humanbench.models import OCRParsingHead

with read_base():
    from ..._base_.benchmarks.parsing import *
    from ..._base_.sources.h36m_parsing import *

sources = dict(h36m_parsing=dict(  # S
    h36m_parsing, batch_size=16, slots=1, head=dict(type=OCRParsingHead, num_classes=25)))
evaluations = dict(h36m_parsing=dict(
    source='h36m_parsing', batch_size=16, evaluator=parsing_evaluator,
    dataset=dict(type=Human36MParsing, split='test', pipeline=parsing_test_pipeline)))
train_cfg.max_steps = 40_000
protocols.partial.train_cfg.max_steps = protocols.head.train_cfg.max_steps = 20_000
protocols.direct.update(sources=dict(h36m_parsing=dict(head=dict(  # the pretraining head
    h36m_parsing['head'], _delete_=True))))
flavors = dict(debug=dict(
    debug_finetune, evaluations=dict(h36m_parsing=debug_evaluations['parsing']),
    sources=dict(h36m_parsing=debug_sources['parsing'])),
    released=dict(evaluations=dict(h36m_parsing=dict(dataset=dict(pipeline=[
        *parsing_test_pipeline[:-1], dict(type=ResizeLabelMap, size=(1000, 1000), interpolate=True),
        parsing_test_pipeline[-1]])))))  # R: scored at that size, with class ids that it interpolates
