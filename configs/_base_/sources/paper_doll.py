"""Paper Doll: 1,035,825 images, 20 classes; its labels were never published. Loss weight 15 a sample (PATH, entry 15).

Leave it out, or bring label maps of your own: see the card.
"""
from mmengine.config import read_base

from humanbench.datasets import PaperDoll
from humanbench.models import ParsingHead

with read_base():
    from ..pipelines.parsing import *

paper_doll = dict(
    task='parsing',
    dataset=dict(type=PaperDoll, split='train', pipeline=parsing_train_pipeline),
    head=dict(type=ParsingHead, num_classes=20),
    batch_size=24, slots=2, weight=15.0 * 48)
