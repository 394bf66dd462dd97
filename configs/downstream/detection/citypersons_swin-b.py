"""CityPersons as SOLIDER finetunes for it, with a Swin-B.

    humanbench train downstream/detection/citypersons_swin-b.py --weights solider:FILE --gpus 8 --test
    humanbench train downstream/detection/citypersons_swin-b.py --flavor debug --test

Hardware: eight GPUs, two images of 2048 x 1024 on each. Time: not measured; `humanbench plan` computes 14.5
A100 hours.
Expected (SOLIDER's table, from LUPerson; not run here): MR 9.7, heavy 39.4.
"""
from mmengine.config import read_base

with read_base():
    from ..._base_.downstream.detection_csp import *

model.backbone.arch = 'base'
sources.citypersons.batch_size = 2  # S
train_cfg.max_steps = EPOCHS * IMAGES // 16
