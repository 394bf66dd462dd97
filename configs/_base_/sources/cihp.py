"""CIHP: 28,280 images of several people, 20 classes. Loss weight 20 a sample (PATH, entry 13)."""
from mmengine.config import read_base

from humanbench.datasets import CIHP
from humanbench.models import ParsingHead

with read_base():
    from ..pipelines.parsing import *

cihp = dict(
    task='parsing',
    dataset=dict(type=CIHP, split='train', pipeline=parsing_train_pipeline),
    head=dict(type=ParsingHead, num_classes=20),
    batch_size=24, slots=2, weight=20.0 * 48)
