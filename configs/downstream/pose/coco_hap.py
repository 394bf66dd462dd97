"""COCO keypoints as HAP finetunes for them: OKS AP on val2017 with the 56.4-AP person detections, flip test.

    humanbench train downstream/pose/coco_hap.py --weights hap:FILE --test
    humanbench train downstream/pose/coco_hap.py --weights hap:FILE --flavor 384x288 --test

Hardware: eight GPUs (`--gpus 8`), a unit of 64 crops on each; fewer take longer and give the same. Time: not measured;
`humanbench plan` computes 7.8 A100 hours for 31 million crops. The debug flavour takes seconds on two CPU cores.
Expected (HAP's table 1, ViT-B, 256x192 / 384x288; not run here): AP 75.9 / 77.2 from HAP, 75.7 from MAE at 256x192.
"""
from mmengine.config import read_base

with read_base():
    from ...benchmark.pose.coco_pose import *
    from ..._base_.downstream.pose_hap import *

sources.coco_pose.update(pose_hap_source, head=dict(pose_hap_head, num_keypoints=17))
model.drop_path = 0.29  # H
train_cfg.max_steps = EPOCHS * 149_813 // 512
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=0.1), clip_norm=1.0, paramwise_cfg=dict(layer_decay=0.8))  # H
flavors = {'debug': flavors.debug, '384x288': dict(
    sources=dict(coco_pose=dict(dataset=dict(pipeline=pose_hap_large['train']))),
    evaluations=dict(coco_pose=dict(dataset=dict(pipeline=pose_hap_large['test']))))}
