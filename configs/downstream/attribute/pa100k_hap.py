"""PA-100K as HAP finetunes for it: mean accuracy over 26 attributes; the average of the weights is tested.

    humanbench train downstream/attribute/pa100k_hap.py --weights hap:FILE --test

Hardware: one GPU of 40 GB or more in bf16 (HAP: eight with 8 crops each). Time: about 22 V100 hours, as it is 1.8 times
as long as the benchmark's recipe. The debug flavour takes seconds on two CPU cores.
Expected (HAP's table 1, ViT-B, 256x192; not run here): mA 86.54 from HAP, 79.56 from MAE.
"""
from mmengine.config import read_base

from humanbench.models import LinearAttributeHead

with read_base():
    from ...benchmark.attribute.pa100k import *
    from ..._base_.downstream.attribute_hap import *

sources.pa100k.update(batch_size=64, head=dict(type=LinearAttributeHead, num_attributes=26))
train_cfg.max_steps = 55 * 90_000 // 64
schedule = hap_schedule(1.7e-4)
optim_wrapper.average_decay = 0.9998
flavors = dict(debug=dict(flavors.debug, optim_wrapper=dict(flavors.debug.optim_wrapper, average_decay=0.9)))
