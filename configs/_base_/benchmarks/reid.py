"""Person ReID, recipe RE of the finetuning defaults.

Where a value is from: S released small setting, P another PATH file, R released, H HAP, D reasoned.
"""
from mmengine.config import read_base

from humanbench.evaluation import ReIDMetric
from humanbench.models import LadderProjector

with read_base():
    from ..debug import *
    from ..models.vit_b import *

model.update(drop_path=0.0)  # S
train_cfg = dict(max_steps=20_000, precision='bf16')  # H; losses and distances stay in fp32
schedule = dict(policy='cosine', warmup=1500)  # S
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.3),  # S
    clip_norm=0.01, clip_part='each',  # S
    paramwise_cfg=dict(layer_decay=0.75, layer_decay_rule='path', backbone_multiplier=0.5))  # S
reid_evaluator = dict(type=ReIDMetric)  # the token before the neck, cosine; no flip, no re-ranking (R)
# R: erases three quarters of the crops, where half is meant
reid_released_pipeline = [dict(step, prob=0.75) if 'aspect' in step else step for step in reid_train_pipeline]
protocols = dict(
    full=dict(),
    partial=dict(
        train_cfg=dict(max_steps=10_000), schedule=dict(warmup=500),  # D, P
        optim_wrapper=dict(optimizer=dict(weight_decay=0.0), clip_norm=1.0, clip_part='all',  # P, D
                           paramwise_cfg=dict(backbone_multiplier=1.0))),  # P
    # the tested feature lies before the head, which in pretraining may be of several datasets
    direct=dict(model=dict(projector=dict(type=LadderProjector)), weights_parts=['backbone', 'projectors']))
