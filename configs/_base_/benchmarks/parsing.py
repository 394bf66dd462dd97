"""Human parsing, recipe PA of the finetuning defaults.

Where a value is from: S released small setting, P another PATH file, D reasoned.
"""
from mmengine.config import read_base

from humanbench.evaluation import ParsingMetric
from humanbench.models import LadderProjector

with read_base():
    from ..debug import *
    from ..models.vit_b import *

model.update(drop_path=0.3)  # S
train_cfg = dict(max_steps=35_000, precision='bf16')  # S; bf16 D
schedule = dict(policy='cosine', warmup=1500)  # S
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=5e-4, weight_decay=0.1),  # S
    clip_norm=0.01, clip_part='backbone',  # S
    paramwise_cfg=dict(layer_decay=0.75, layer_decay_rule='path', backbone_multiplier=0.8))  # S
parsing_evaluator = dict(type=ParsingMetric)
protocols = dict(
    full=dict(),
    partial=dict(
        model=dict(drop_path=0.1), train_cfg=dict(max_steps=17_500), schedule=dict(warmup=500),  # P, D, P
        optim_wrapper=dict(optimizer=dict(weight_decay=0.0), clip_norm=1.0, clip_part='all',  # P, D
                           paramwise_cfg=dict(backbone_multiplier=1.0))),  # P
    head=dict(
        train_cfg=dict(max_steps=17_500), schedule=dict(warmup=500),  # D, P
        optim_wrapper=dict(optimizer=dict(lr=1e-3, weight_decay=0.0), clip_norm=1.0, clip_part='all')),  # D, P, D
    direct=dict(model=dict(projector=dict(type=LadderProjector)), weights_parts=['backbone', 'projectors', 'heads']))
debug_finetune.train_cfg.max_steps = 200  # a dense head from scratch is not there yet after 80
# nor after 200 where the trunk hardly follows
debug_finetune.protocols = dict.fromkeys(('partial', 'head'), dict(train_cfg=dict(max_steps=380)))
