"""SOLIDER's Swin-T: 12 blocks in four stages, last width 768, 27.5 million weights.

Each task has its lambda: that of the network's own table (`SEMANTIC`), or one for all, `--weights
solider:FILE@semantic=0.2`. What changes in a finetuning recipe, for all tasks or for one. Where a value is from: S
SOLIDER's task repositories, D reasoned. Where their head or loss is another than ours (detection, parsing), and where a
rate of ours is for another optimiser than theirs (attributes), the recipe's own optimiser stays.
"""
from humanbench.models import HumanModel, SemanticSwin

model = dict(type=HumanModel, backbone=dict(type=SemanticSwin, arch='tiny'))

_pooled = dict(strides=(4, 2, 2, 2))  # S: the mean of the last map, of stride 32
_dense = dict(strides=(4, 2, 2, 1))  # S: heads read a last map of stride 16 (that of SOLIDER's pose, 8, is finer)
_sgd = dict(_delete_=True, type='SGD', lr=8e-4, momentum=0.9, weight_decay=1e-4)  # S, at 64 crops as here
finetuning = dict(
    all=dict(optim_wrapper=dict(paramwise_cfg=dict(layer_decay=1.0))),  # S: one rate for all layers
    reid=dict(
        model=dict(backbone=_pooled, drop_path=0.1), schedule=dict(warmup=1 / 6, end_factor=2e-3),  # S
        optim_wrapper=dict(optimizer=_sgd, clip_norm=None, paramwise_cfg=dict(backbone_multiplier=1.0))),  # S
    pose=dict(
        model=dict(backbone=_dense, drop_path=0.0), schedule=dict(milestones=(0.81, 0.95)),  # S
        optim_wrapper=dict(
            optimizer=dict(lr=7e-4, weight_decay=0.0), clip_norm=1.0, clip_part='all',  # S, D
            paramwise_cfg=dict(backbone_multiplier=1.0))),  # S
    parsing=dict(
        model=dict(backbone=_dense, drop_path=0.2),  # S, D
        optim_wrapper=dict(
            optimizer=dict(lr=2e-4), clip_norm=1.0, clip_part='all', paramwise_cfg=dict(backbone_multiplier=0.5))),  # D
    attribute=dict(model=dict(backbone=_pooled, drop_path=0.2)),  # S, D
    detection=dict(model=dict(backbone=_dense, drop_path=0.2)),  # S, D
    person_search=dict(model=dict(backbone=dict(_pooled, stages=3))),  # S: the fourth stage is in the head
    counting=dict(model=dict(backbone=_dense, drop_path=0.2)),  # D
    text_reid=dict(model=dict(backbone=_pooled, drop_path=0.1)))  # D: as ReID
