"""Person ReID as HAP finetunes for it: half identity classification, half triplet, on the class token.

Where a value is from: H HAP, D reasoned. Images are resized bilinearly (HAP: bicubically), and erased with one random
colour a rectangle (HAP: one for each pixel), as everywhere here.
"""
from mmengine.config import read_base

with read_base():
    from ..benchmarks.reid import *

model.update(drop_path=0.1)  # H
train_cfg = dict(max_steps=20_000, precision='bf16')  # 100 epochs (H), which each config counts; bf16 D
schedule = dict(policy='cosine', warmup=0.05)  # H: 5 epochs of 100
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=8e-3, weight_decay=0.05),  # H
    paramwise_cfg=dict(layer_decay=0.4))  # H
protocols = dict(full=dict())
reid_384_pipelines = {
    name: [dict(step, size=(384, 128)) if 'size' in step else step for step in pipeline]
    for name, pipeline in dict(train=reid_train_pipeline, test=reid_test_pipeline).items()}
