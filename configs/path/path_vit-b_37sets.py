"""PATH ViT-B/16 on its 37 datasets: 25 sources, 11 million samples, the paper's recipe.

    humanbench plan  path/path_vit-b_37sets.py --world-size 64 --device h100
    humanbench train path/path_vit-b_37sets.py --weights mae:mae_pretrain_vit_base.pth --gpus 8
    humanbench test  path/path_vit-b_37sets.py --checkpoint work_dirs/path_vit-b_37sets/iter_80000.pth

Hardware: any number of GPUs of 80 GB in bf16. Time: not measured; `humanbench plan` computes it (PATH: 64 V100).
Expected (the paper's Table 3, direct): Market-1501 mAP 88.6, COCO AP 75.0, LIP mIoU 56.3, CrowdHuman AP 89.1.
What you lack of the 37 is said before the first step; `path_vit-b_available.py` trains on what is there.
"""
from mmengine.config import read_base

with read_base():
    from .._base_.models.vit_b import *
    from .._base_.recipes.path import *
    from .._base_.recipes.path_37sets import *

model.update(path_model)
model.backbone.checkpointing = ('parsing', 'detection')
