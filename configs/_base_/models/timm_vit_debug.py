"""timm's own ViT at debug size: 4 blocks, width 96, patch 14 and two register tokens (so that images are resized)."""
from humanbench.models import HumanModel, TimmViT

model = dict(type=HumanModel, backbone=dict(type=TimmViT, options=dict(
    img_size=112, patch_size=14, embed_dim=96, depth=4, num_heads=3, reg_tokens=2, no_embed_class=True,
    global_pool='')))
