"""Pedestrian detection as SOLIDER finetunes for it: CSP, lambda 1, an average of the weights that is what is tested.

Where a value is from: S SOLIDER, D reasoned.
"""
from mmengine.config import read_base

from humanbench.datasets import CityPersons
from humanbench.evaluation import MissRateMetric
from humanbench.models import CSPHead

with read_base():
    from ..debug import *
    from ..models.semantic_swin_debug import model as debug_swin
    from ..models.solider_t import model
    from ..pipelines.detection_csp import *

EPOCHS, IMAGES = 240, 2_778  # S; those with a box

model.update(drop_path=0.1)  # D
model.backbone.update(strides=(4, 2, 2, 1))  # S; lambda 1 is that of detection in the network's table
train_cfg = dict(max_steps=EPOCHS * IMAGES // 24, precision='bf16')  # S: 8 GPUs x 3 images; bf16 D
schedule = dict(policy='step', warmup=500, start_factor=1 / 3, milestones=(110 / EPOCHS, 160 / EPOCHS))  # S
optim_wrapper = dict(
    optimizer=dict(type='Adam', lr=1e-4), average_decay=0.999, paramwise_cfg=dict(layer_decay=1.0))  # S
protocols = dict(full=dict(), partial=dict(), head=dict())  # S: full
sources = dict(citypersons=dict(
    task='detection', batch_size=3, slots=8, head=dict(type=CSPHead),
    dataset=dict(type=CityPersons, split='train', pipeline=csp_train_pipeline)))
evaluations = dict(citypersons=dict(
    source='citypersons', batch_size=1,
    evaluator=dict(type=MissRateMetric, subset='reasonable', also=('heavy', 'reasonable_small', 'all'),
                   rules='citypersons'),
    dataset=dict(type=CityPersons, split='val', pipeline=csp_test_pipeline)))
flavors = dict(debug=dict(
    debug_finetune, model=dict(debug_swin, drop_path=0.0, backbone=dict(debug_swin.backbone, _delete_=True)),
    train_cfg=dict(max_steps=1200, precision='fp32'),
    optim_wrapper=dict(debug_finetune['optim_wrapper'], average_decay=0.98),
    sources=dict(citypersons=dict(
        batch_size=6, slots=1, head=dict(fused_channels=32, channels=32, groups=4, centre_weight=0.2),
        dataset=dict(root=debug_root, pipeline=csp_debug_train_pipeline))),
    evaluations=dict(citypersons=dict(
        batch_size=20, dataset=dict(root=debug_root, pipeline=csp_debug_test_pipeline)))))
