"""MSMT17 as HAP finetunes for it: class token, linear classifier and triplet.

    humanbench train downstream/reid/msmt17_hap.py --weights hap:FILE --test
    humanbench train downstream/reid/msmt17_hap.py --weights hap:FILE --flavor 384x128 --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 8 V100 hours, as the benchmark's recipe of the same length. The
debug flavour takes seconds on two CPU cores.
Expected (HAP's table 1, ViT-B, 256x128 / 384x128; not run here): mAP 76.4 / 76.8 from HAP, 62.0 / 62.9 from MAE.
"""
from mmengine.config import read_base

from humanbench.models import LinearReIDHead

with read_base():
    from ...benchmark.reid.msmt17 import *
    from ..._base_.downstream.reid_hap import *

sources.msmt17.update(
    batch_size=64, images_per_id=8, head=dict(type=LinearReIDHead, num_identities=1041))  # 8 people x 8 crops
sources.msmt17.dataset.pipeline, evaluations.msmt17.dataset.pipeline = reid_hap_train, reid_hap_test
train_cfg.max_steps = 100 * 32_621 // 64
flavors = {'debug': flavors.debug, '384x128': dict(
    sources=dict(msmt17=dict(dataset=dict(pipeline=reid_hap_large_train))),
    evaluations=dict(msmt17=dict(dataset=dict(pipeline=reid_hap_large_test))))}
