"""PATH ViT-B/16 on whatever of its 37 datasets lies in the data folder.

    HUMANBENCH_DATA=FOLDER humanbench plan  path/path_vit-b_available.py --world-size 8 --device h100
    HUMANBENCH_DATA=FOLDER humanbench train path/path_vit-b_available.py --weights mae:FILE --gpus 8

Hardware: one GPU of 80 GB in bf16 or more of them. Time: `humanbench plan` computes it; less than the 37 need.
Expected: nothing is published for a subset of yours.
A source of which no dataset is there is left out; one under whose head several datasets are merged keeps those that
are there. A table says so before the first step: which are missing, and what share of the objective and how many
epochs those that remain have, against the full recipe.
"""
from mmengine.config import read_base

with read_base():
    from .._base_.models.vit_b import *
    from .._base_.recipes.path import *
    from .._base_.recipes.path_37sets import *

model.update(path_model)
model.backbone.checkpointing = ('parsing', 'detection')
leave_out_missing = True
