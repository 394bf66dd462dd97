"""DeepFashion2: 191,961 images, 14 classes, not mirrored. Loss weight 15 a sample (PATH, entry 16)."""
from mmengine.config import read_base

from humanbench.datasets import DeepFashion2
from humanbench.models import ParsingHead

with read_base():
    from ..pipelines.parsing import *

deepfashion2 = dict(
    task='parsing',
    dataset=dict(type=DeepFashion2, split='train',
                 pipeline=[dict(x, flip_prob=0.0) if 'flip_prob' in x else x for x in parsing_train_pipeline]),
    head=dict(type=ParsingHead, num_classes=14),
    batch_size=32, slots=2, weight=15.0 * 64)
