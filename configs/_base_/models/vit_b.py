"""ViT-B/16: 12 blocks, width 768, 85.8 million weights; a class token for ReID alone, as in PATH."""
from humanbench.models import HumanModel, HumanViT

model = dict(
    type=HumanModel,
    backbone=dict(type=HumanViT, img_size=224, patch_size=16, embed_dim=768, depth=12, num_heads=12,
                  class_token_tasks=('reid',)))
