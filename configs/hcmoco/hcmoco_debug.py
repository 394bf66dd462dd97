"""HCMoCo at debug size: HRNets of 0.3 million weights on MiniHuman's people, with depth and without.

    mim train humanbench configs/hcmoco/hcmoco_debug.py                           (stage 1; or humanbench train)
    humanbench train hcmoco/hcmoco_debug.py --flavor stage2 --weights work_dirs/hcmoco_debug/iter_300.pth \
                     --work-dir work_dirs/stage2
    humanbench test  hcmoco/hcmoco_debug.py --flavor stage2 --checkpoint work_dirs/stage2 --sheet matches.png

Hardware: two CPU cores. Time: minutes (300 steps).
Expected: see docs/hcmoco.md.
"""
from mmengine.config import read_base

from humanbench.datasets import NTURGBD
from humanbench.evaluation import ModalityMetric

with read_base():
    from .._base_.debug import debug_root
    from .._base_.models.hrnet_debug import model
    from .._base_.recipes.hcmoco import *

_size = (96, 96)
_area = (0.1, 0.4)  # of the frame: people are as large as in the test
model.backbone.update(merged=4)
_data = [
    dict(one, root=debug_root, pipeline=[
        dict(x, **{key: _size for key in ('size', 'input_size') if key in x}) for x in one['pipeline']])
    for one in sources.ntu_rgbd.dataset.datasets]
_data[0].update(frames_per_clip=50, pipeline=[
    dict(x, area=_area) if 'area' in x else x for x in _data[0]['pipeline']])
sources.ntu_rgbd.update(batch_size=32, slots=2, dataset=dict(type=sources.ntu_rgbd.dataset.type, datasets=_data))
sources.ntu_rgbd.head.update(
    num_samples=None, depth_encoder=dict(model.backbone), out_channels=64, negatives=512, points=100,
    joint_encoder=dict(sources.ntu_rgbd.head.joint_encoder, channels=64, layers=2))
del flavors['coco']
flavors.update(banks=dict(sources=dict(ntu_rgbd=dict(head=dict(num_samples=360 + 572)))))

train_cfg = dict(max_steps=300)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05), clip_norm=1.0, clip_part='all')
schedule = dict(policy='cosine', warmup=0.1, end_factor=1e-3)
loader = dict()
default_hooks = dict(checkpoint=dict(interval=100, max_keep_ckpts=1), logger=dict(interval=20))

# people that training has not seen: another edition of MiniHuman
evaluations = dict(ntu_rgbd=dict(
    source='ntu_rgbd', batch_size=50, evaluator=dict(type=ModalityMetric), dataset=dict(
        type=_data[0]['type'], root=f'{debug_root}@1', pipeline=[
            dict(x, size=_size) if 'size' in x else x for x in rgbd_test_pipeline])))
