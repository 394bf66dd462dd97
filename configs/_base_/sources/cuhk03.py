"""CUHK03, new protocol, detected boxes: 7,365 crops of 767 people.

Units of 28 x 4; loss weight 5 a sample (PATH, entry 20).
"""
from mmengine.config import read_base

from humanbench.datasets import CUHK03
from humanbench.models import ReIDHead

with read_base():
    from ..pipelines.reid import *

cuhk03 = dict(
    task='reid',
    dataset=dict(type=CUHK03, split='train', pipeline=reid_train_pipeline),
    head=dict(type=ReIDHead, num_identities=767),
    sampler='identity', batch_size=112, slots=1, weight=5.0 * 112)
