"""PATH's pretraining recipe: optimiser, schedule, projector, loader; 80,000 steps.

Where a value is from: PATH's released ViT-B recipe, unless marked D (reasoned). The release never trained its last
block; here the projector climbs all levels. Detection and parsing units recompute activations.
"""
from humanbench.engine.optim import PathAdafactor
from humanbench.models import LadderProjector

path_model = dict(
    projector=dict(type=LadderProjector, reduction=8, num_heads=2),
    drop_path=dict(pose=0.3, parsing=0.3, attribute=0.1))
train_cfg = dict(max_steps=80_000, precision='bf16')  # bf16 D: the release trains in fp32
schedule = dict(policy='step', warmup=1500, milestones=(0.5, 0.75, 0.95), factors=(0.5, 0.2, 0.1))
optim_wrapper = dict(
    optimizer=dict(type=PathAdafactor, lr=1e-3, weight_decay=0.05, clip_threshold=0.5),
    paramwise_cfg=dict(layer_decay=0.75, layer_decay_rule='path'))
loader = dict(num_workers=12, prefetch_factor=4, persistent_workers=True)  # D
default_hooks = dict(checkpoint=dict(interval=1000, max_keep_ckpts=2))
