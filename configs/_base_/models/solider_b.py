"""SOLIDER's Swin-B: 24 blocks in four stages, last width 1024, 86.8 million weights. All else as Swin-S."""
from mmengine.config import read_base

with read_base():
    from .solider_s import *

model.backbone.arch = 'base'
