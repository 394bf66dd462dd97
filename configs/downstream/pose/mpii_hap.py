"""MPII as HAP finetunes for it: PCKh@0.5 on the validation split, annotated centre and scale.

    humanbench train downstream/pose/mpii_hap.py --weights hap:FILE --test
    humanbench train downstream/pose/mpii_hap.py --weights hap:FILE --flavor 384x288 --test

Hardware: eight GPUs (`--gpus 8`), a unit of 64 crops on each; fewer take longer and give the same. Time: not measured;
`humanbench plan` computes 1.2 A100 hours for 4.7 million crops. The debug flavour takes seconds on two CPU cores.
Expected (HAP's table 1, ViT-B, 256x192 / 384x288; not run here): PCKh 91.8 / 92.6 from HAP, 89.6 from MAE at 256x192.
"""
from mmengine.config import read_base

with read_base():
    from ...benchmark.pose.mpii import *
    from ..._base_.downstream.pose_hap import *

sources.mpii.update(pose_hap_source, head=dict(pose_hap_head, num_keypoints=16))
train_cfg.max_steps = EPOCHS * 22_246 // 512
optim_wrapper.optimizer.lr = 1e-4  # H
flavors = {'debug': flavors.debug, '384x288': dict(
    sources=dict(mpii=dict(dataset=dict(pipeline=pose_hap_large['mpii']))),
    evaluations=dict(mpii=dict(dataset=dict(pipeline=pose_hap_large['test']))))}
