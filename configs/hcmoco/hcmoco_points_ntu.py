"""HCMoCo, HRNet-W18 for colours and PointNet++ for depth as points, on NTU RGB+D and MPII: 100 epochs of each stage.

    humanbench plan  hcmoco/hcmoco_points_ntu.py --world-size 8 --device v100
    humanbench train hcmoco/hcmoco_points_ntu.py --weights hrnet:hrnetv2_w18_imagenet_pretrained.pth --gpus 8
    humanbench train hcmoco/hcmoco_points_ntu.py --flavor stage2 --gpus 8 --work-dir work_dirs/stage2 \
                     --weights work_dirs/hcmoco_points_ntu/iter_30700.pth

Hardware: eight GPUs of 32 GB, 32 images on each, as HCMoCo's. Time: not known: PointNet++ looks for neighbours in plain
PyTorch here, which `humanbench plan` does not count. Not run here: nobody of us has NTU RGB+D.
Expected: no figure of this variant is known.
"""
from mmengine.config import read_base

from humanbench.models import PointNet2MSG

with read_base():
    from .._base_.models.hrnet_w18 import model
    from .._base_.recipes.hcmoco import *

model.backbone.update(merged=4, momentum=0.01)
sources.ntu_rgbd.update(batch_size=32, slots=8)
sources.ntu_rgbd.head.update(depth_encoder=dict(type=PointNet2MSG))
train_cfg.max_steps = epochs(22_246, 256)
