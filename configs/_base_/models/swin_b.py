"""Swin-B: 24 blocks in four stages, last width 1024, 86.7 million weights; heads read one map of stride 16.

What changes in a finetuning recipe, for all tasks or for one. Where a value is from: S SOLIDER's task repositories,
D reasoned. Tasks that are not named here keep their learning rate.
"""
from humanbench.models import HumanModel, TimmSwin

model = dict(type=HumanModel, backbone=dict(type=TimmSwin, name='swin_base_patch4_window7_224'))

_adamw = dict(
    optimizer=dict(lr=2e-4), clip_norm=1.0, clip_part='all', paramwise_cfg=dict(backbone_multiplier=0.5))  # D
finetuning = dict(
    all=dict(optim_wrapper=dict(paramwise_cfg=dict(layer_decay=1.0))),  # S: one rate for all layers
    reid=dict(model=dict(drop_path=0.1), optim_wrapper=_adamw),  # S, D
    pose=dict(model=dict(drop_path=0.0), optim_wrapper=_adamw),  # S, D
    parsing=dict(model=dict(drop_path=0.2), optim_wrapper=_adamw),  # D, D
    attribute=dict(model=dict(drop_path=0.2)),  # D
    detection=dict(model=dict(drop_path=0.2)),  # D
    counting=dict(model=dict(drop_path=0.2)))  # D
