"""Human3.6M body parts: 62,668 images, 25 classes. Loss weight 20 a sample (PATH, entry 11)."""
from mmengine.config import read_base

from humanbench.datasets import Human36MParsing
from humanbench.models import ParsingHead

with read_base():
    from ..pipelines.parsing import *

h36m_parsing = dict(
    task='parsing',
    dataset=dict(type=Human36MParsing, split='train', pipeline=parsing_train_pipeline),
    head=dict(type=ParsingHead, num_classes=25),
    batch_size=26, slots=3, weight=20.0 * 78)
