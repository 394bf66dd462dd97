"""SOLIDER's Swin-S on LUPerson: 100 epochs of 4.2 million person crops, 384 images a step.

    humanbench train solider/solider_swin-s_luperson.py --gpus 8                                   (from scratch)
    humanbench train solider/solider_swin-s_luperson.py --flavor dino --work-dir work_dirs/dino --gpus 8    (or DINO,
    humanbench train solider/solider_swin-s_luperson.py --flavor after_dino --weights FILE --gpus 8   and ten epochs)
    humanbench benchmark --weights solider=solider:work_dirs/solider_swin-s_luperson/iter_1088600.pth

Hardware: any number of GPUs; on eight (as SOLIDER's) 32 GB of each in bf16. Time: 350 A100 hours, 44 on eight, as
`humanbench plan` computes it; not measured. Not run here: nobody of us has LUPerson.
Expected (SOLIDER's release, DINO first): Market-1501 mAP 93.3, MSMT17 76.9, PA-100K mA 86.25, COCO AP 76.3,
LIP mIoU 60.2.
"""
from mmengine.config import read_base

with read_base():
    from .._base_.models.solider_s import *
    from .._base_.recipes.solider import *

model.update(drop_path=0.1)
