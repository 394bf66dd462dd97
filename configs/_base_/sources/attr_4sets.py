"""WIDER Attribute, UAV-Human, Parse-27k and Market-1501 Attribute under one head: 84,941 crops, 14, 43, 44 and 30
attributes.

A crop has labels of its own dataset only. Loss weight 0.1 a sample (PATH, entry 19, which has the attributes of
DukeMTMC-reID beside them: it was withdrawn).
"""
from mmengine.config import read_base

from humanbench.datasets import Market1501Attribute, MergedAttributes, Parse27k, UAVHumanAttributes, WIDERAttribute
from humanbench.models import AttributeHead

with read_base():
    from ..pipelines.attribute import *

attr_4sets = dict(
    task='attribute',
    dataset=dict(type=MergedAttributes, pipeline=attribute_train_pipeline, datasets=[
        dict(type=WIDERAttribute, split='trainval'), dict(type=UAVHumanAttributes, split='train'),
        dict(type=Parse27k, split='all'), dict(type=Market1501Attribute, split='train')]),
    head=dict(type=AttributeHead, num_attributes=14 + 43 + 44 + 30),
    batch_size=116, slots=1, weight=0.1 * 116)
