"""HAP ViT-B/16 on half of LUPerson: 400 epochs of 2.1 million person crops, 4,096 a step.

    humanbench joints --help                       pseudo joints of the crops, by any pose model (docs/joints.md)
    humanbench plan  hap/hap_vit-b_luperson.py --world-size 16 --device a100
    humanbench train hap/hap_vit-b_luperson.py --weights mae:mae_pretrain_vit_base.pth --gpus 16
    humanbench train hap/hap_vit-b_luperson.py --flavor mae --work-dir work_dirs/mae --gpus 16     (or another ablation)
    humanbench benchmark --weights hap=work_dirs/hap_vit-b_luperson/iter_204113.pth

Hardware: any number of GPUs of 40 GB or more in bf16 (HAP: 32 of 32 GB). Time: 205 A100 hours, as `humanbench plan`
computes it; not measured. Not run here: nobody of us has LUPerson.
Expected (HAP, table 1, finetuned at 256 x 128): MSMT17 mAP 76.4, Market-1501 91.7, PA-100K mA 86.54, MPII PCKh 91.8;
after MAE's pretraining 62.0, 82.9, 79.56, 89.6.
"""
from mmengine.config import read_base

with read_base():
    from .._base_.recipes.hap import *
