"""HCMoCo, ViT-B/16 for colours and for depth, on NTU RGB+D and MPII: 100 epochs of stage 1, 100 of stage 2.

    humanbench plan  hcmoco/hcmoco_vit-b_ntu.py --world-size 4 --device a100
    humanbench train hcmoco/hcmoco_vit-b_ntu.py --weights mae:mae_pretrain_vit_base.pth --gpus 4
    humanbench train hcmoco/hcmoco_vit-b_ntu.py --flavor stage2 --gpus 4 --work-dir work_dirs/stage2 \
                     --weights work_dirs/hcmoco_vit-b_ntu/iter_35100.pth

Points are told apart by cells of 16 pixels, where an HRNet has cells of 4.
Hardware: four GPUs of 40 GB or more. Time: 8 A100 hours for each stage, as `humanbench plan` computes it; not
measured. Not run here: nobody of us has NTU RGB+D.
Expected: not known; HCMoCo has HRNets alone. The rate is what ViTs usually have (D), not HCMoCo's.
"""
from mmengine.config import read_base

with read_base():
    from .._base_.models.vit_b import model
    from .._base_.recipes.hcmoco import *

sources.ntu_rgbd.head.update(depth_encoder=dict(model.backbone))
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-4, weight_decay=0.05), clip_norm=1.0, clip_part='all')
schedule = dict(policy='cosine', warmup=0.05, end_factor=1e-3)
