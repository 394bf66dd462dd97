"""SOLIDER's Swin-T on LUPerson: 100 epochs of 4.2 million person crops, 384 images a step.

    humanbench train solider/solider_swin-t_luperson.py --gpus 8                                   (from scratch)
    humanbench train solider/solider_swin-t_luperson.py --flavor dino --work-dir work_dirs/dino --gpus 8    (or DINO,
    humanbench train solider/solider_swin-t_luperson.py --flavor after_dino --weights FILE --gpus 8   and ten epochs)
    humanbench benchmark --weights solider=solider:work_dirs/solider_swin-t_luperson/iter_1088600.pth

Hardware: any number of GPUs; on eight (as SOLIDER's) 20 GB of each in bf16. Time: 180 A100 hours, 22 on eight, as
`humanbench plan` computes it; not measured. Not run here: nobody of us has LUPerson.
Expected (SOLIDER's release, DINO first): Market-1501 mAP 91.6, MSMT17 67.4, PA-100K mA 84.14, COCO AP 74.4,
LIP mIoU 57.5.
"""
from mmengine.config import read_base

with read_base():
    from .._base_.models.solider_t import *
    from .._base_.recipes.solider import *

model.update(drop_path=0.1)
