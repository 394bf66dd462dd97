"""HAP's pretraining recipe on LUPerson: model, source, optimiser, schedule (400 epochs), and its ablations as flavours.

Where a value is from: HAP's release (its specification, sections 3 to 7), unless marked D (reasoned).

=================  ===================================================================================================
flavour            what it changes
=================  ===================================================================================================
``released``       masks as the release draws them (next to no image is guided by parts) instead of as its figure shows
``mae``            MAE: one view, 75 % random masks, crops of 20 to 100 % in any form; the baseline
``mae_person``     the same with HAP's crops
``random``         random masks, body parts first
``random_only``    random masks without body parts
``blocks``         block masks without body parts
``no_alignment``   two views that are not aligned
``ratio_75``       75 % masked
``crop_20``        crops of 20 to 100 %
=================  ===================================================================================================
"""
from mmengine.config import read_base

from humanbench.models import HumanModel, HumanViT, MAEPretext

with read_base():
    from ..sources.luperson import *

model = dict(
    type=HumanModel,
    backbone=dict(type=HumanViT, img_size=(256, 128), class_token_tasks=('reid', 'pretext'), train_positions=False))
sources = dict(luperson=luperson)

train_cfg = dict(max_steps=400 * 2_090_121 // 4096, precision='bf16')  # bf16 D: the release has fp16
schedule = dict(policy='cosine', warmup=0.1)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=2.4e-3, betas=(0.9, 0.95), weight_decay=0.05))
loader = dict(num_workers=12, prefetch_factor=4, persistent_workers=True)  # D
default_hooks = dict(checkpoint=dict(interval=2000, max_keep_ckpts=2))

_large = dict(luperson=dict(dataset=dict(pipeline=[
    dict(step, scale=(0.2, 1.0)) if 'aspect' in step else step for step in pretext_train_pipeline])))
_any_form = dict(luperson=dict(dataset=dict(pipeline=[
    dict(step, scale=(0.2, 1.0), aspect=(3 / 4, 4 / 3)) if 'aspect' in step else step
    for step in pretext_train_pipeline])))


def _masking(**changes):
    return dict(sources=dict(luperson=dict(head=dict(masking=changes))))


flavors = dict(
    released=_masking(part_draw='released', part_fraction=(0.0, 0.3), tie_noise=False, overlap_weight=2),
    mae=dict(sources=dict(luperson=dict(head=dict(type=MAEPretext), **_any_form['luperson']))),
    mae_person=dict(sources=dict(luperson=dict(head=dict(type=MAEPretext)))),
    random=_masking(kind='random'),
    random_only=_masking(kind='random', parts=False),
    blocks=_masking(parts=False),
    no_alignment=dict(sources=dict(luperson=dict(head=dict(gamma=0.0)))),
    ratio_75=_masking(ratio=0.75),
    crop_20=dict(sources=_large))
