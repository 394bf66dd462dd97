"""PETA (random split 0) as HAP finetunes for it: mean accuracy over 35 attributes.

    humanbench train downstream/attribute/peta_hap.py --weights hap:FILE --test

Hardware: one GPU of 40 GB or more in bf16 (HAP: eight with 8 crops each). Time: about 2.5 V100 hours, as it is 0.6
times as long as the benchmark's recipe. The debug flavour takes seconds on two CPU cores.
Expected (HAP's table 1, ViT-B, 256x192; not run here): mA 88.36 from HAP, 80.82 from MAE.
"""
from mmengine.config import read_base

from humanbench.models import LinearAttributeHead

with read_base():
    from ...benchmark.attribute.peta import *
    from ..._base_.downstream.attribute_hap import *

sources.peta.update(batch_size=64, head=dict(type=LinearAttributeHead, num_attributes=35))
train_cfg.max_steps = 50 * 11_400 // 64
schedule = hap_schedule(1.9e-4)
optim_wrapper.optimizer.lr = 1.9e-4
flavors = dict(debug=flavors.debug)
