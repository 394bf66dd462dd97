"""HCMoCo, HRNet-W32 for colours and for depth, on NTU RGB+D and MPII: 100 epochs of stage 1, 100 of stage 2.

    humanbench warp_rgb --help                     colours in the view of the depth camera (docs/bring_a_dataset.md)
    humanbench plan  hcmoco/hcmoco_hrnet-w32_ntu.py --world-size 4 --device v100
    humanbench train hcmoco/hcmoco_hrnet-w32_ntu.py --weights hrnet:hrnetv2_w32_imagenet_pretrained.pth --gpus 4
    humanbench train hcmoco/hcmoco_hrnet-w32_ntu.py --flavor stage2 --gpus 4 --work-dir work_dirs/stage2 \
                     --weights work_dirs/hcmoco_hrnet-w32_ntu/iter_35100.pth

Hardware: four GPUs of 32 GB, as HCMoCo's. Time: 46 V100 hours for each stage, as `humanbench plan` computes it; not
measured. Not run here: nobody of us has NTU RGB+D.
Expected: no figure of this width is known. HCMoCo has 144 people a step in stage 2; here it is 224 as with W18 (D).
"""
from mmengine.config import read_base

from humanbench.models import HumanHRNet

with read_base():
    from .._base_.models.hrnet_w32 import model
    from .._base_.recipes.hcmoco import *

model.backbone.update(merged=4, momentum=0.01)
sources.ntu_rgbd.head.update(depth_encoder=dict(model.backbone))
