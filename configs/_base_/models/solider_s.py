"""SOLIDER's Swin-S: 24 blocks in four stages, last width 768, 48.9 million weights. All else as Swin-T."""
from mmengine.config import read_base

with read_base():
    from .solider_t import *

model.backbone.arch = 'small'
finetuning.reid.optim_wrapper.optimizer.lr = 2e-4  # S
