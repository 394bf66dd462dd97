"""ITOP, side view: 3-D joints from depth as HCMoCo finetunes for them (A2J); accuracy at 10 cm.

    humanbench train downstream/pose_3d/itop_side.py --weights hcmoco:FILE@modality=depth --test
    humanbench train downstream/pose_3d/itop_side.py --flavor labels_0_5 --weights hcmoco:FILE@modality=depth --test
    humanbench train downstream/pose_3d/itop_side.py --flavor debug --test

Hardware: one GPU of 40 GB or more. Time: not run here at this size; `humanbench plan` computes 2.7 H100 hours. The
debug flavour takes three minutes on one CPU core, and its accuracy is 50 then (one seed; 8 for what is most usual).
Expected (HCMoCo's figure; not run here): accuracy 76.3 with 0.5 % of the labels (54.3 from ImageNet), 62.4 with 0.1 %
(14.2). There the depth behind the true joints is cut away in the test, which is easier (`cut=0.05` of DepthBoxCrop).

Where a value is from: H HCMoCo's task code, D reasoned. Fewer labels have as many epochs (D).
"""
from mmengine.config import read_base

from humanbench.datasets import ITOP
from humanbench.evaluation import Pose3DMetric
from humanbench.models import DepthPreprocessor, Pose3DHead

with read_base():
    from ..._base_.debug import *
    from ..._base_.models.hrnet_debug import model as debug_hrnet
    from ..._base_.models.hrnet_w18 import model
    from ..._base_.pipelines.pose_3d import *


def steps(frames):
    """50 epochs (H) of batches of 12."""
    return 50 * -(-frames // 12)


model.backbone.update(merged=4)  # H
model.update(data_preprocessor=dict(type=DepthPreprocessor))
train_cfg = dict(max_steps=steps(17_991), precision='fp32')
schedule = dict(policy='step', milestones=(0.2, 0.4, 0.6, 0.8), factors=0.2)  # H
optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=3.5e-4, weight_decay=1e-4), paramwise_cfg=dict(layer_decay=1.0))  # H
protocols = dict(full=dict(), partial=dict(), head=dict())  # H: full
sources = dict(itop_side=dict(
    task='pose_3d', batch_size=12, slots=1, head=dict(type=Pose3DHead),  # H
    dataset=dict(type=ITOP, split='train', pipeline=pose_3d_train_pipeline)))
evaluations = dict(itop_side=dict(
    source='itop_side', batch_size=12, evaluator=dict(type=Pose3DMetric),
    dataset=dict(type=ITOP, split='test', pipeline=pose_3d_test_pipeline)))
flavors = {name: dict(train_cfg=dict(max_steps=steps(frames)), sources=dict(itop_side=dict(dataset=dict(
    percent=percent)))) for name, percent, frames in (
        ('labels_10', 10, 1799), ('labels_1', 1, 179), ('labels_0_5', 0.5, 89), ('labels_0_2', 0.2, 35),
        ('labels_0_1', 0.1, 17))}
flavors.update(debug=dict(
    debug_finetune, model=dict(backbone=dict(debug_hrnet.backbone, _delete_=True, merged=4)),
    train_cfg=dict(max_steps=500, precision='fp32'), optim_wrapper=dict(
        debug_finetune['optim_wrapper'], paramwise_cfg=dict(_delete_=True, backbone_multiplier=1.0)),
    sources=dict(itop_side=dict(
        head=dict(channels=32, layers=2), dataset=dict(root=debug_root, pipeline=[
            dict(step, size=(96, 96), shift=4.0, rotate=5.0, scale=(0.9, 1.1)) if 'size' in step else step
            for step in pose_3d_train_pipeline]))),
    evaluations=dict(itop_side=dict(dataset=dict(root=debug_root, pipeline=[
        dict(step, size=(96, 96)) if 'size' in step else step for step in pose_3d_test_pipeline])))))
