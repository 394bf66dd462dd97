"""Person search as SOLIDER finetunes for it: SeqNet on a Swin of three stages, whose fourth looks at regions.

Where a value is from: S SOLIDER's task repository, Q SeqNet (on which it is built), D reasoned. The two copies of the
last stage, in the head, begin as that of the weights. With another backbone (`--backbone`, or weights of one) say
`--cfg-options sources.DATASET.head.stage=None`: then the stages are residual blocks.
"""
from mmengine.config import read_base

from humanbench.evaluation import PersonSearchMetric
from humanbench.models import LastStage, PersonSearchHead

with read_base():
    from ..debug import *
    from ..models.semantic_swin_debug import model as debug_swin
    from ..models.solider_t import *
    from ..pipelines.person_search import *

model.backbone.update(stages=3)  # S; lambda 0.6 is the network's own for this task
person_search_head = dict(
    type=PersonSearchHead, stage=dict(type=LastStage, depth=2, semantic=0.6),  # S
    embed_dims=256, momentum=0.5, scalar=30.0, first_box_weight=10.0)  # Q, S, S, S
person_search_evaluator = dict(type=PersonSearchMetric)

train_cfg = dict(max_steps=1, precision='bf16')  # each config counts; bf16 D
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=3e-4, momentum=0.9, weight_decay=5e-4), clip_norm=10.0,  # S
    paramwise_cfg=dict(backbone_multiplier=1.0))
protocols = dict(full=dict())

# Swin-S and Swin-B: fewer images fit
person_search_small = dict(model=dict(backbone=dict(arch='small')))
person_search_base = dict(model=dict(backbone=dict(arch='base')))

debug_person_search_scale = (320, 256)
debug_person_search = dict(
    debug_finetune, model=dict(backbone=dict(
        debug_swin.backbone, _delete_=True, strides=(4, 2, 2, 2), stages=3, window_size=8)),
    train_cfg=dict(max_steps=900, precision='fp32'), optim_wrapper=dict(
        optimizer=dict(_delete_=True, type='AdamW', lr=5e-4, weight_decay=0.05), clip_norm=10.0,
        paramwise_cfg=dict(_delete_=True, backbone_multiplier=1.0)))
debug_person_search_source = dict(
    batch_size=4, slots=1, head=dict(
        num_identities=75, queue_size=64, embed_dims=64, scalar=10.0, samples=32, region=8, stage=None,
        proposals=dict(sizes=(48, 96, 144), ratios=(1.5, 2.5), samples=64, considered=(300, 300), kept=(64, 48))),
    dataset=dict(root=debug_root, pipeline=[
        dict(step, scale=debug_person_search_scale) if 'scale' in step else step
        for step in person_search_train_pipeline]))
debug_person_search_evaluation = dict(batch_size=4, dataset=dict(root=debug_root, pipeline=[
    dict(step, scale=debug_person_search_scale) if 'scale' in step else step for step in person_search_test_pipeline]))
