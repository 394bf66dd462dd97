"""PATH ViT-B/16 on the fifteen datasets of the paper's ablations: 1.17 million samples.

    humanbench plan  path/path_vit-b_subset.py --world-size 8 --device h100
    humanbench train path/path_vit-b_subset.py --weights mae:mae_pretrain_vit_base.pth --gpus 8

Hardware: one GPU of 80 GB in bf16 or more of them. Time: not measured; `humanbench plan` computes it.
Expected: nothing is published for its heads without finetuning.
Which datasets: the lower half of the supplement's Table 6. Which of them share a head is not published: here the three
of ReID and the three of attributes do (D).
"""
from mmengine.config import read_base

from humanbench.datasets import CUHK03, PA100K, PRCC, Market1501, Market1501Attribute, RAPv2

with read_base():
    from .._base_.models.vit_b import *
    from .._base_.recipes.path import *
    from .._base_.recipes.path_37sets import *

model.update(path_model)
model.backbone.checkpointing = ('parsing', 'detection')
reid_3sets.dataset.datasets = [
    dict(type=Market1501, split='train'), dict(type=CUHK03, split='train'), dict(type=PRCC, split='train')]
reid_3sets.head.num_identities = 751 + 767 + 150
attr_rapv2_pa100k.dataset.datasets = [
    dict(type=RAPv2, split='trainval'), dict(type=PA100K, split='trainval'),
    dict(type=Market1501Attribute, split='train')]
attr_rapv2_pa100k.head.num_attributes = 54 + 26 + 30
sources = dict(
    coco_pose=coco_pose, aic=aic, posetrack=posetrack, h36m_parsing=h36m_parsing, lip=lip, cihp=cihp, vip=vip,
    modanet=modanet, attr_3sets=attr_rapv2_pa100k, reid_3sets=reid_3sets, crowdhuman=crowdhuman)

for _name in ('h36m_pose', 'msmt17'):
    del evaluations[_name]
for _name in ('rapv2', 'pa100k'):
    evaluations[_name].source = 'attr_3sets'
    evaluations[_name].dataset.space = ['rapv2', 'pa100k', 'market1501_attribute']
