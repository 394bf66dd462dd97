"""LUPerson-NL: the 151,595 people with the most crops, as many as PATH's unpublished list has (5,178,420 crops).

Two units of 48 x 4; loss weight 1 a sample (PATH, entry 22).
"""
from mmengine.config import read_base

from humanbench.datasets import LUPersonNL
from humanbench.models import ReIDHead

with read_base():
    from ..pipelines.reid import *

luperson_nl = dict(
    task='reid',
    dataset=dict(type=LUPersonNL, split='train', keep=151_595, pipeline=reid_train_pipeline),
    head=dict(type=ReIDHead, num_identities=151_595),
    sampler='identity', batch_size=192, slots=2, weight=1.0 * 384)
