"""A Swin of 0.4 million weights: five blocks in four stages, last width 128, windows of 4."""
from humanbench.models import HumanModel, TimmSwin

model = dict(type=HumanModel, backbone=dict(type=TimmSwin, options=dict(
    img_size=128, embed_dim=16, depths=(1, 1, 2, 2), num_heads=(1, 2, 4, 8), window_size=4)))
