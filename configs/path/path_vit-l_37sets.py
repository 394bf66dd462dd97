"""PATH ViT-L/16 on its 37 datasets. The published ViT-L recipe cannot run; this is the ViT-B one at that size.

    humanbench plan  path/path_vit-l_37sets.py --world-size 64 --device h100
    humanbench train path/path_vit-l_37sets.py --weights mae:mae_pretrain_vit_large.pth --gpus 8

Hardware: any number of GPUs of 80 GB in bf16. Time: not measured; `humanbench plan` computes it.
Expected: more than ViT-B (the paper's tables; `humanbench benchmark published`).
Learning rate, update clipping, layer decay and detection's drop path are those in the name of the published checkpoint
(5e-4, 0.5, 0.8, 0.2); its released config has others, with widths and depths of ViT-B.
"""
from mmengine.config import read_base

with read_base():
    from .._base_.models.vit_l import *
    from .._base_.recipes.path import *
    from .._base_.recipes.path_37sets import *

model.update(path_model)
model.drop_path.detection = 0.2
model.backbone.checkpointing = ('reid', 'pose', 'attribute', 'parsing', 'detection')
optim_wrapper.optimizer.lr = 5e-4
optim_wrapper.paramwise_cfg.layer_decay = 0.8
