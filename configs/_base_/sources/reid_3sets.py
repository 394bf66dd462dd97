"""Market-1501, CUHK03 and MSMT17 under one head: 50,549 crops of 2,559 people.

Units of 28 x 4; loss weight 5 a sample (PATH, entry 20, which has DukeMTMC-reID beside them: it was withdrawn).
"""
from mmengine.config import read_base

from humanbench.datasets import CUHK03, MSMT17, Market1501, MergedReID
from humanbench.models import ReIDHead

with read_base():
    from ..pipelines.reid import *

reid_3sets = dict(
    task='reid',
    dataset=dict(type=MergedReID, pipeline=reid_train_pipeline, datasets=[
        dict(type=Market1501, split='train'), dict(type=CUHK03, split='train'),
        dict(type=MSMT17, split='train_only')]),
    head=dict(type=ReIDHead, num_identities=751 + 767 + 1041),
    sampler='identity', batch_size=112, slots=1, weight=5.0 * 112)
