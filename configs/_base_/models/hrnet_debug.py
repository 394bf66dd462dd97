"""An HRNet of 0.3 million weights: four modules in four stages, 8 to 64 channels, 120 together."""
from humanbench.models import HumanHRNet, HumanModel

model = dict(type=HumanModel, backbone=dict(
    type=HumanHRNet, width=8, modules=(1, 1, 1), blocks=1, first_width=16, first_blocks=1))
finetuning = dict(
    all=dict(model=dict(backbone=dict(merged=16), drop_path=0.0),
             optim_wrapper=dict(paramwise_cfg=dict(layer_decay=1.0))),
    parsing=dict(model=dict(backbone=dict(merged=4))))
