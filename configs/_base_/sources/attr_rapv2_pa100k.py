"""RAPv2 and PA-100K (train and val) under one head: 157,943 crops, 54 and 26 attributes.

A crop has labels of its own dataset only. Loss weight 0.1 a sample (PATH, entry 18).
"""
from mmengine.config import read_base

from humanbench.datasets import PA100K, MergedAttributes, RAPv2
from humanbench.models import AttributeHead

with read_base():
    from ..pipelines.attribute import *

attr_rapv2_pa100k = dict(
    task='attribute',
    dataset=dict(type=MergedAttributes, pipeline=attribute_train_pipeline, datasets=[
        dict(type=RAPv2, split='trainval'), dict(type=PA100K, split='trainval')]),
    head=dict(type=AttributeHead, num_attributes=54 + 26),
    batch_size=128, slots=1, weight=0.1 * 128)
