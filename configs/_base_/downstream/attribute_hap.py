"""Pedestrian attributes as HAP finetunes for them: a linear layer on the mean token.

All values are HAP's unless marked D (reasoned). The shares of present attributes that weigh the loss are estimated
while training, where HAP counts them before it (``positive_ratio`` of the head says them).
"""
from mmengine.config import read_base

from humanbench.models import LinearAttributeHead

with read_base():
    from ..benchmarks.attribute import *

model.update(drop_path=0.1)  # D
train_cfg = dict(max_steps=1, precision='bf16')  # each config counts; bf16 D
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1.7e-4, weight_decay=5e-4), clip_norm=10.0, paramwise_cfg=dict(layer_decay=1.0))
protocols = dict(full=dict())


def hap_schedule(lr):
    """A tenth of the run from 1e-4 up, then a cosine down to 1e-5."""
    return dict(policy='cosine', warmup=0.1, start_factor=1e-4 / lr, end_factor=1e-5 / lr)
