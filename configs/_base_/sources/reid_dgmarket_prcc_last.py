"""DG-Market, PRCC and LaST under one head: 217,451 crops of 5,901 people.

Units of 24 x 4; loss weight 0.1 a sample (PATH, entry 21).
"""
from mmengine.config import read_base

from humanbench.datasets import PRCC, DGMarket, LaST, MergedReID
from humanbench.models import ReIDHead

with read_base():
    from ..pipelines.reid import *

reid_dgmarket_prcc_last = dict(
    task='reid',
    dataset=dict(type=MergedReID, pipeline=reid_train_pipeline, datasets=[
        dict(type=DGMarket, split='train'), dict(type=PRCC, split='train'), dict(type=LaST, split='train')]),
    head=dict(type=ReIDHead, num_identities=751 + 150 + 5000),
    sampler='identity', batch_size=96, slots=1, weight=0.1 * 96)
