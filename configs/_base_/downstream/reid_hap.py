"""Person ReID as HAP finetunes for it: half identity classification, half triplet, on the class token.

Where a value is from: H HAP, D reasoned.
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


def hap_pipelines(size):
    """Training and test at one size: resized bicubically, erased with noise (H)."""
    def changed(step):
        step = dict(step, size=size, interpolation='bicubic') if 'size' in step else step
        return dict(step, noise=True) if 'aspect' in step else step
    return [changed(x) for x in reid_train_pipeline], [changed(x) for x in reid_test_pipeline]


reid_hap_train, reid_hap_test = hap_pipelines((256, 128))
reid_hap_large_train, reid_hap_large_test = hap_pipelines((384, 128))
