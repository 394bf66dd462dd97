"""ViT-L/16: 24 blocks, width 1024, 303 million weights; a class token for ReID alone, as in PATH."""
from humanbench.models import HumanModel, HumanViT

model = dict(
    type=HumanModel,
    backbone=dict(type=HumanViT, img_size=224, patch_size=16, embed_dim=1024, depth=24, num_heads=16,
                  class_token_tasks=('reid',)))
