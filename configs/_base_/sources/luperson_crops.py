"""LUPerson, all 4.18 million person crops, ten crops of each: what DINO and SOLIDER learn from.

A step of 384 images is eight units of 48, as on SOLIDER's eight GPUs.
"""
from mmengine.config import read_base

from humanbench.datasets import LUPerson
from humanbench.models import SOLIDERPretext

with read_base():
    from ..pipelines.multicrop import *

luperson = dict(
    task='pretext', batch_size=48, slots=8, head=dict(type=SOLIDERPretext, crops=crops),
    dataset=dict(type=LUPerson, pipeline=multicrop_train_pipeline))
