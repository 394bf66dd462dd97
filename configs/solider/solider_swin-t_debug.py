"""SOLIDER at debug size: a Swin of half a million weights on MiniHuman's person crops (made on first use).

    mim train humanbench configs/solider/solider_swin-t_debug.py                                  (or humanbench train)
    humanbench train solider/solider_swin-t_debug.py --flavor dino --work-dir work_dirs/dino_debug   (or another one)
    humanbench train solider/solider_swin-t_debug.py --flavor after_dino --work-dir work_dirs/after_dino \
                     --weights work_dirs/dino_debug/iter_400.pth     (the other route: then a quarter of the steps)
    humanbench test  solider/solider_swin-t_debug.py --checkpoint work_dirs/solider_swin-t_debug/iter_400.pth \
                     --sheet parts.png

Crops keep their colours: these people differ in little else, and with DINO's changes of colour a network of this size
learns nothing within minutes (docs/solider.md).
Hardware: two CPU cores. Time: about seven minutes (400 steps).
Expected: loss_dino falls from 4 to below 1.5 while `information` stays above 2 nats (docs/solider.md).
"""
from mmengine.config import read_base

from humanbench.datasets import LUPerson
from humanbench.evaluation import PartMetric

with read_base():
    from .._base_.debug import debug_root, debug_sizes
    from .._base_.models.semantic_swin_debug import *
    from .._base_.recipes.solider import *

crops = [dict(group, size=(group['size'][0] // 2, group['size'][1] // 2), blur=0.0, solarize=0.0) for group in crops]
crops[1].update(count=4, scale=(0.3, 0.8))
sources.luperson.update(batch_size=32, slots=2)
sources.luperson.head.update(
    crops=crops, out_channels=1024, hidden=256, bottleneck=64, head_std=0.1, momentum=0.95)
sources.luperson.dataset.update(root=debug_root, pipeline=[
    dict(step, groups=crops, jitter_prob=0.0, grey_prob=0.0) if 'groups' in step else step
    for step in multicrop_train_pipeline])

flavors['after_dino'].update(
    train_cfg=dict(max_steps=100), optim_wrapper=dict(optimizer=dict(lr=2e-4)), schedule=dict(end_factor=0.01))

train_cfg = dict(max_steps=400)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.04), clip_norm=3.0, clip_part='tensor')
loader = dict()
default_hooks = dict(checkpoint=dict(interval=200, max_keep_ckpts=1), logger=dict(interval=20))

# people that training has not seen: another edition of MiniHuman
evaluations = dict(luperson=dict(
    source='luperson', batch_size=64, evaluator=dict(type=PartMetric), dataset=dict(
        type=LUPerson, root=f'{debug_root}@1', indices=256, pipeline=[
            dict(step, size=debug_sizes['reid']) if 'size' in step else step for step in multicrop_test_pipeline])))
