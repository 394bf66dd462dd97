"""ViT-L/16: 24 blocks, width 1024, 303 million weights; a class token for ReID alone, as in PATH.

What changes in a finetuning recipe, for all tasks, for one, or for one dataset. Where a value is from: V ViTPose-L,
P the name of the published PATH ViT-L checkpoint, D reasoned. No file for it was released.
"""
from humanbench.models import HumanModel, HumanViT

model = dict(
    type=HumanModel,
    backbone=dict(type=HumanViT, img_size=224, patch_size=16, embed_dim=1024, depth=24, num_heads=16,
                  class_token_tasks=('reid',)))

finetuning = dict(
    all=dict(optim_wrapper=dict(paramwise_cfg=dict(layer_decay=0.8))),  # V, P
    reid=dict(model=dict(drop_path=0.1), optim_wrapper=dict(clip_norm=1.0, clip_part='all')),  # D, V
    pose=dict(model=dict(drop_path=0.5), optim_wrapper=dict(clip_norm=1.0, clip_part='all')),  # V
    parsing=dict(model=dict(drop_path=0.4), optim_wrapper=dict(clip_norm=1.0, clip_part='all')),  # D, V
    attribute=dict(model=dict(drop_path=0.2)),  # D
    pa100k=dict(model=dict(drop_path=0.4), optim_wrapper=dict(optimizer=dict(lr=5e-3))),  # D: half of ViT-B's for SGD
    rapv2=dict(optim_wrapper=dict(optimizer=dict(lr=5e-3))),  # D: likewise
    peta=dict(optim_wrapper=dict(optimizer=dict(clip_threshold=0.5))),  # P
    detection=dict(model=dict(drop_path=0.2), optim_wrapper=dict(optimizer=dict(clip_threshold=0.5))),  # P
    counting=dict(model=dict(drop_path=0.2)))  # D
