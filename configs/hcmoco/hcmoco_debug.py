"""HCMoCo at debug size: HRNets of 0.3 million weights on MiniHuman's people, with depth and without.

    mim train humanbench configs/hcmoco/hcmoco_debug.py                           (stage 1; or humanbench train)
    humanbench train hcmoco/hcmoco_debug.py --flavor stage2 --weights work_dirs/hcmoco_debug/iter_300.pth \
                     --work-dir work_dirs/stage2
    humanbench test  hcmoco/hcmoco_debug.py --flavor stage2 --checkpoint work_dirs/stage2 --sheet matches.png

Unlike at paper size, samples are told from those of their unit: banks need far more than the 20 epochs that this is,
and so does `queue` (at chance after 300 steps). Flavours beside those of `_base_/recipes/hcmoco.py`: `banks` has them;
`vit` and `points` see with ViTs, and depth as points. All three are of stage 1.

Hardware: two CPU cores. Time: six minutes a stage on one of them (300 steps).
Expected (two seeds, 200 steps of stage 2): of 105 unseen people, 7 % are found in another modality after stage 1 and
12 % after stage 2 (chance: 1 %), and points of the picture in the depth, 5 pixels off after stage 2 (34 after stage 1).
"""
from mmengine.config import read_base

from humanbench.datasets import NTURGBD
from humanbench.evaluation import ModalityMetric
from humanbench.models import PointNet2MSG

with read_base():
    from .._base_.debug import debug_root
    from .._base_.models.hrnet_debug import model
    from .._base_.models.vit_debug import model as vit
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

del flavors['coco'], flavors['coco_stage2']
for _flavor in ('queue', 'queue_stage2'):
    flavors[_flavor]['sources']['ntu_rgbd']['head']['momentum'] = 0.98  # of so few steps
flavors.update(
    banks=dict(sources=dict(ntu_rgbd=dict(head=dict(num_samples=360 + 572)))),
    vit=dict(model=dict(backbone=dict(vit.backbone, _delete_=True)),
             sources=dict(ntu_rgbd=dict(head=dict(depth_encoder=dict(vit.backbone, _delete_=True))))),
    points=dict(sources=dict(ntu_rgbd=dict(head=dict(depth_encoder=dict(
        _delete_=True, type=PointNet2MSG, points=256, centres=(128, 32, 16), neighbours=(8, 16), pixel=0.012,
        radii=((0.05, 0.2), (0.2, 0.5), (0.5, 1.0)), propagation=((64, 64), (64, 64), (64, 64)),
        widths=(((16, 16), (16, 16)), ((32, 32), (32, 32)), ((64, 64), (64, 64)))))))))

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
