"""Market-1501 as HAP finetunes for it: class token, linear classifier and triplet.

    humanbench train downstream/reid/market1501_hap.py --weights hap:FILE --test
    humanbench train downstream/reid/market1501_hap.py --weights hap:FILE --flavor 384x128 --test

Hardware: one GPU of 40 GB or more in bf16. Time: about 5 V100 hours, as the benchmark's recipe of the same length. The
debug flavour takes seconds on two CPU cores.
Expected (HAP's table 1, ViT-B, 256x128 / 384x128; not run here): mAP 91.7 / 91.9 from HAP, 82.9 / 82.5 from MAE.
"""
from mmengine.config import read_base

from humanbench.models import LinearReIDHead

with read_base():
    from ...benchmark.reid.market1501 import *
    from ..._base_.downstream.reid_hap import *

sources.market1501.update(
    batch_size=64, images_per_id=8, head=dict(type=LinearReIDHead, num_identities=751))  # 8 people x 8 crops
sources.market1501.dataset.pipeline, evaluations.market1501.dataset.pipeline = reid_hap_train, reid_hap_test
train_cfg.max_steps = 100 * 12_936 // 64
flavors = {'debug': flavors.debug, '384x128': dict(
    sources=dict(market1501=dict(dataset=dict(pipeline=reid_hap_large_train))),
    evaluations=dict(market1501=dict(dataset=dict(pipeline=reid_hap_large_test))))}
