"""VIP: 18,469 frames of videos, 20 classes. Loss weight 20 a sample (PATH, entry 14)."""
from mmengine.config import read_base

from humanbench.datasets import VIP
from humanbench.models import ParsingHead

with read_base():
    from ..pipelines.parsing import *

vip = dict(
    task='parsing',
    dataset=dict(type=VIP, split='trainval', pipeline=parsing_train_pipeline),
    head=dict(type=ParsingHead, num_classes=20),
    batch_size=16, slots=1, weight=20.0 * 16)
