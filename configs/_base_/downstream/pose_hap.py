"""2-D pose as HAP finetunes for it (ViTPose's head and loss).

Where a value is from: H HAP; D reasoned: HAP's row names epochs, batch and decay for COCO alone, and MPII and AI
Challenger have the same here.
"""
from mmengine.config import read_base

from humanbench.models import PoseHead

with read_base():
    from ..benchmarks.pose import *

EPOCHS = 210  # H

model.update(drop_path=0.3)  # H
train_cfg = dict(max_steps=1, precision='bf16')  # each config counts; bf16 D
schedule = dict(policy='step', warmup=500, milestones=(170 / EPOCHS, 200 / EPOCHS))  # H
optim_wrapper = dict(  # H: no layer decay, no clipping
    optimizer=dict(type='Adam', lr=5e-4), paramwise_cfg=dict(layer_decay=1.0))
protocols = dict(full=dict())
pose_hap_source = dict(batch_size=64, slots=8, weight=1.0)  # H: 64 on each of eight GPUs
# H: two deconvolutions of 256 channels, sigma 2, the plain mean square error
pose_hap_head = dict(type=PoseHead, norm='BN', loss_weight=1.0)
pose_hap_large = {
    name: [dict(step, input_size=(288, 384)) if 'input_size' in step else step for step in pipeline]
    for name, pipeline in dict(
        train=pose_train_pipeline, mpii=pose_mpii_train_pipeline, test=pose_test_pipeline).items()}
