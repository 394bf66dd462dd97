"""LUPerson's better half, 2.1 million person crops with pseudo joints: what HAP learns from.

A step of 4,096 images is 16 units of 256; the alignment tells an image from all of them, on any number of GPUs. (The
release compares with the images of all GPUs, but not with those of accumulated steps.)
"""
from mmengine.config import read_base

from humanbench.datasets import LUPerson
from humanbench.models import HAPPretext

with read_base():
    from ..pipelines.pretext import *

luperson = dict(
    task='pretext', batch_size=256, slots=16, head=dict(type=HAPPretext),
    dataset=dict(type=LUPerson, keep=0.5, pipeline=pretext_train_pipeline))
