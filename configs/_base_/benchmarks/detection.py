"""Pedestrian detection: recipe DE of the finetuning defaults; all values released (R) unless marked (D) reasoned."""
from mmengine.config import read_base

from humanbench.engine.optim import PathAdafactor
from humanbench.models import LadderProjector

with read_base():
    from ..debug import *
    from ..models.vit_b import *

model.update(drop_path=0.2)
train_cfg = dict(max_steps=23_437, precision='bf16')  # bf16 D
schedule = dict(policy='cosine', warmup=250, end_factor=1e-3)  # 500 micro-steps of two
optim_wrapper = dict(
    optimizer=dict(type=PathAdafactor, lr=5e-4, weight_decay=0.05, clip_threshold=1.0),
    paramwise_cfg=dict(layer_decay=0.75, layer_decay_rule='path', backbone_multiplier=0.5, head_weight_decay=1e-3))
protocols = dict(
    full=dict(),
    partial=dict(optim_wrapper=dict(optimizer=dict(weight_decay=0.0), paramwise_cfg=dict(head_weight_decay=0.0))),
    head=dict(optim_wrapper=dict(optimizer=dict(weight_decay=0.0), paramwise_cfg=dict(head_weight_decay=0.0))),
    direct=dict(model=dict(projector=dict(type=LadderProjector)), weights_parts=['backbone', 'projectors', 'heads']))
# R: the position table is frozen under every protocol; frozen parts stay in training mode
detection_released = dict(train_frozen=True, frozen=['backbone.pos_embed'])
debug_finetune.train_cfg.max_steps = 140  # set prediction is slow
# slower still where the trunk hardly follows
debug_finetune.protocols = dict.fromkeys(('partial', 'head'), dict(train_cfg=dict(max_steps=260)))
