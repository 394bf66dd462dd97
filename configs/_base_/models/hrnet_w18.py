"""HRNet-W18: nine modules in four stages, 18 to 144 channels, 270 together, 9.6 million weights.

What changes in a finetuning recipe, for all tasks or for one. Where a value is from: H HCMoCo's task repositories,
N HRNet's authors for pose, D reasoned. Tasks that are not named here keep their learning rate.
"""
from humanbench.models import HumanHRNet, HumanModel

model = dict(type=HumanModel, backbone=dict(type=HumanHRNet, width=18))

_sgd = dict(_delete_=True, type='SGD', lr=2.8e-3, momentum=0.9, weight_decay=5e-4)  # H: 0.007 at 40 images, here 16
_adamw = dict(clip_norm=1.0, clip_part='all', paramwise_cfg=dict(backbone_multiplier=1.0))  # D
finetuning = dict(
    all=dict(
        model=dict(backbone=dict(merged=16), drop_path=0.0),  # D: heads enlarge a map of stride 16; no path is dropped
        optim_wrapper=dict(paramwise_cfg=dict(layer_decay=1.0))),  # H: one rate for all layers
    reid=dict(optim_wrapper=_adamw),  # D
    pose=dict(
        schedule=dict(milestones=(0.81, 0.95)),  # N
        optim_wrapper=dict(_adamw, optimizer=dict(weight_decay=0.0))),  # N
    parsing=dict(
        model=dict(backbone=dict(merged=4)),  # H
        optim_wrapper=dict(
            optimizer=_sgd, clip_norm=None, paramwise_cfg=dict(backbone_multiplier=1.0))))  # H
