"""SOLIDER's pretraining recipe on LUPerson: source, optimiser, schedule (100 epochs), its routes and its ablations.

Where a value is from: SOLIDER's release (its specification, sections 2 to 7), unless marked D (reasoned).

==================  ==================================================================================================
flavour             what it changes
==================  ==================================================================================================
``dino``            DINO: no clusters, no controllers; the baseline, and the first half of the route by ``after_dino``
``clustering``      DINO and the classifier of body parts, always counted, without controllers
``after_dino``      ten epochs at a tenth of the rate, from the weights of a run of ``dino``
``released``        the classifier of body parts stays as it was initialised, which the release did not mean to
``uniform``         lambda drawn from all numbers between 0 and 1
==================  ==================================================================================================
"""
from mmengine.config import read_base

from humanbench.models import DINOPretext

with read_base():
    from ..sources.luperson_crops import *

sources = dict(luperson=luperson)

_images, _epoch = 4_180_243, 4_180_243 // 384
train_cfg = dict(max_steps=100 * _epoch, precision='bf16')  # bf16 D: the release has fp16
schedule = dict(policy='cosine', warmup=0.1, end_factor=1e-6 / 7.5e-4, decay_factor=10.0)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=7.5e-4, weight_decay=0.04), clip_norm=3.0, clip_part='tensor')
loader = dict(num_workers=12, prefetch_factor=4, persistent_workers=True)  # D
default_hooks = dict(checkpoint=dict(interval=5000, max_keep_ckpts=2))


def _head(**changes):
    return dict(sources=dict(luperson=dict(head=changes)))


flavors = dict(
    dino=dict(_head(type=DINOPretext), model=dict(backbone=dict(semantic=None))),
    clustering=dict(_head(semantic_draw='none'), model=dict(backbone=dict(semantic=None))),
    after_dino=dict(
        _head(freeze_last_layer=0.1), train_cfg=dict(max_steps=10 * _epoch), weights_parts=('backbone', 'heads'),
        optim_wrapper=dict(optimizer=dict(lr=7.5e-5)), schedule=dict(end_factor=1e-6 / 7.5e-5)),
    released=_head(train_semantic_head=False),
    uniform=_head(semantic_draw='uniform'))
