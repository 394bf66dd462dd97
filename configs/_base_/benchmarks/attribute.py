"""Pedestrian attributes: recipe AT of the finetuning defaults; all values released (R) unless marked (D) reasoned."""
from mmengine.config import read_base

from humanbench.evaluation import AttributeMetric
from humanbench.models import LadderProjector

with read_base():
    from ..debug import *
    from ..models.vit_b import *

model.update(drop_path=0.3)
train_cfg = dict(max_steps=42_187, precision='bf16')  # bf16 D
schedule = dict(policy='step', warmup=500, milestones=(0.75, 0.95))
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=1e-2, weight_decay=5e-4),  # no momentum, as released
    paramwise_cfg=dict(layer_decay=0.75, layer_decay_rule='path', backbone_multiplier=0.5, head_weight_decay=0.0))
attribute_evaluator = dict(type=AttributeMetric)
# R: its freeze rule matches the classifier too, which stays as it was drawn; frozen parts stay in training mode
attribute_released = dict(train_frozen=True, protocols=dict(partial=dict(frozen=['heads'])))
protocols = dict(
    full=dict(),
    partial=dict(model=dict(drop_path=0.1), optim_wrapper=dict(
        optimizer=dict(weight_decay=0.0), paramwise_cfg=dict(backbone_multiplier=1.0))),
    head=dict(optim_wrapper=dict(optimizer=dict(lr=1e-1, weight_decay=0.0))),
    direct=dict(model=dict(projector=dict(type=LadderProjector)), weights_parts=['backbone', 'projectors', 'heads']))
