"""MSMT17: 32,621 crops of 1,041 people (train and val lists).

Units of 28 x 4; loss weight 5 a sample (PATH, entry 20).
"""
from mmengine.config import read_base

from humanbench.datasets import MSMT17
from humanbench.models import ReIDHead

with read_base():
    from ..pipelines.reid import *

msmt17 = dict(
    task='reid',
    dataset=dict(type=MSMT17, split='train', pipeline=reid_train_pipeline),
    head=dict(type=ReIDHead, num_identities=1041),
    sampler='identity', batch_size=112, slots=1, weight=5.0 * 112)
