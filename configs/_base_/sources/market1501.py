"""Market-1501: 12,936 crops of 751 people. Units of 28 people x 4 crops; loss weight 5 a sample (PATH, entry 20)."""
from mmengine.config import read_base

from humanbench.datasets import Market1501
from humanbench.models import ReIDHead

with read_base():
    from ..pipelines.reid import *

market1501 = dict(
    task='reid',
    dataset=dict(type=Market1501, split='train', pipeline=reid_train_pipeline),
    head=dict(type=ReIDHead, num_identities=751),
    sampler='identity', batch_size=112, slots=1, weight=5.0 * 112)
