"""Crowd counting, recipe CO of the finetuning defaults.

Where a value is from: C CCTrans, N P2PNet, B CLIP-EBC, M DM-Count, F ChfL, P PATH, D reasoned.

The unseen task: nothing of it is in the pretraining, so there is no `direct` protocol.
"""
from mmengine.config import read_base

from humanbench.evaluation import CountingMetric

with read_base():
    from ..debug import *
    from ..models.vit_b import *

model.update(drop_path=0.1)  # D
train_cfg = dict(max_steps=15_000, precision='bf16')  # D; the transport loss stays in fp32
schedule = dict(policy='cosine', warmup=500)  # D, P
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4), clip_norm=1.0, clip_part='all',  # C, N, B, D
    paramwise_cfg=dict(layer_decay=0.75, layer_decay_rule='path', backbone_multiplier=0.5))  # D
counting_evaluator = dict(type=CountingMetric)
protocols = dict(
    full=dict(),
    partial=dict(
        train_cfg=dict(max_steps=10_000),  # D
        optim_wrapper=dict(optimizer=dict(weight_decay=0.0), paramwise_cfg=dict(backbone_multiplier=1.0))),  # P
    head=dict(
        train_cfg=dict(max_steps=10_000), optim_wrapper=dict(optimizer=dict(lr=5e-4, weight_decay=0.0))))  # D, P
debug_finetune.train_cfg.max_steps = 120  # a dense head from scratch is not there yet after 80
