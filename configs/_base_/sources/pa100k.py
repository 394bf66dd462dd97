"""PA-100K: 90,000 crops (train and val), 26 attributes.

Loss weight 0.1 a sample (PATH, entry 18, its share of the batch).
"""
from mmengine.config import read_base

from humanbench.datasets import PA100K
from humanbench.models import AttributeHead

with read_base():
    from ..pipelines.attribute import *

pa100k = dict(
    task='attribute',
    dataset=dict(type=PA100K, split='trainval', pipeline=attribute_train_pipeline),
    head=dict(type=AttributeHead, num_attributes=26),
    batch_size=73, slots=1, weight=0.1 * 73)
