"""CityPersons as SOLIDER finetunes for it, with a Swin-S.

    humanbench train downstream/detection/citypersons_swin-s.py --weights solider:FILE --gpus 8 --test
    humanbench train downstream/detection/citypersons_swin-s.py --flavor debug --test

Hardware: eight GPUs, three images of 2048 x 1024 on each. Time: not measured; `humanbench plan` computes 11.1 A100
hours.
Expected (SOLIDER's table, from LUPerson; not run here): MR 10.0, heavy 39.2.
"""
from mmengine.config import read_base

with read_base():
    from ..._base_.downstream.detection_csp import *

model.backbone.arch = 'small'
