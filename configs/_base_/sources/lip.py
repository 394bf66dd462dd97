"""LIP: 30,462 images, 20 classes. Loss weight 20 a sample (PATH, entry 12)."""
from mmengine.config import read_base

from humanbench.datasets import LIP
from humanbench.models import ParsingHead

with read_base():
    from ..pipelines.parsing import *

lip = dict(
    task='parsing',
    dataset=dict(type=LIP, split='train', pipeline=parsing_train_pipeline),
    head=dict(type=ParsingHead, num_classes=20),
    batch_size=18, slots=2, weight=20.0 * 36)
