"""AI Challenger keypoints as HAP finetunes for them: OKS AP on annotated boxes.

    humanbench train downstream/pose/aic_hap.py --weights hap:FILE --test
    humanbench train downstream/pose/aic_hap.py --weights hap:FILE --flavor 384x288 --test

Hardware: eight GPUs (`--gpus 8`), a unit of 64 crops on each; fewer take longer and give the same. Time: not measured;
`humanbench plan` computes 19.7 A100 hours for 79 million crops. The debug flavour takes seconds on two CPU cores.
Expected (HAP's table 1, ViT-B, 256x192 / 384x288; not run here): AP 31.5 / 37.7 from HAP, 31.3 from MAE at 256x192.
"""
from mmengine.config import read_base

with read_base():
    from ...benchmark.pose.aic import *
    from ..._base_.downstream.pose_hap import *

sources.aic.update(pose_hap_source, head=dict(pose_hap_head, num_keypoints=14))
train_cfg.max_steps = EPOCHS * 378_352 // 512
flavors = {'debug': flavors.debug, '384x288': dict(
    sources=dict(aic=dict(dataset=dict(pipeline=pose_hap_large['train']))),
    evaluations=dict(aic=dict(dataset=dict(pipeline=pose_hap_large['test']))))}
