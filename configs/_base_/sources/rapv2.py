"""RAPv2: 67,943 crops (train and val), 54 attributes.

Loss weight 0.1 a sample (PATH, entry 18, its share of the batch).
"""
from mmengine.config import read_base

from humanbench.datasets import RAPv2
from humanbench.models import AttributeHead

with read_base():
    from ..pipelines.attribute import *

rapv2 = dict(
    task='attribute',
    dataset=dict(type=RAPv2, split='trainval', pipeline=attribute_train_pipeline),
    head=dict(type=AttributeHead, num_attributes=54),
    batch_size=55, slots=1, weight=0.1 * 55)
