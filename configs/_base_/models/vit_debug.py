"""A ViT of half a million weights that learns on two CPU cores in minutes: 4 blocks, width 96."""
from humanbench.models import HumanModel, HumanViT

model = dict(
    type=HumanModel,
    backbone=dict(type=HumanViT, img_size=128, patch_size=16, embed_dim=96, depth=4, num_heads=3,
                  class_token_tasks=('reid',)))
