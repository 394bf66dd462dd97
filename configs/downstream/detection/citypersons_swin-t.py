"""CityPersons as SOLIDER finetunes for it: CSP on a Swin-T, miss rate of the reasonable and of the heavy subset.

    humanbench train downstream/detection/citypersons_swin-t.py --weights solider:FILE --gpus 8 --test
    humanbench train downstream/detection/citypersons_swin-t.py --flavor debug --test

Hardware: eight GPUs, three images of 2048 x 1024 on each. Time: not measured; `humanbench plan` computes 9.4
A100 hours. The debug flavour takes five CPU minutes, and its MR is 0.68 then (three seeds; untrained 1).
Expected (SOLIDER's table, from LUPerson; not run here): MR 10.3, heavy 40.8. In its ablation on a quarter of the data
(LUP1M): 11.6 / 43.8 from ImageNet, 11.4 / 43.1 from DINO, 11.1 / 41.7 with clusters, 10.8 / 40.7 with the controller.
"""
from mmengine.config import read_base

with read_base():
    from ..._base_.downstream.detection_csp import *
