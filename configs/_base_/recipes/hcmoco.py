"""HCMoCo's two stages on NTU RGB+D and MPII: source, optimiser, schedule (100 epochs each), its ablations.

Where a value is from: HCMoCo's release (its specification, sections 3 to 5), unless marked D (reasoned). Stage 1 is the
recipe itself; all others but ``coco`` and ``queue`` are stage 2, which goes on from a run of stage 1, what it
remembers included, with a new optimiser.

==================  ==================================================================================================
flavour             what it changes
==================  ==================================================================================================
``stage2``          points, joints and structure beside whole samples
``hard``            stage 2 in which a point of the picture is right in one place alone
``no_structure``    stage 2 without the agreement of joints between people
``sample_only``     stage 2 with the losses of stage 1: as much training, nothing new
``released``        stage 2 in which joints that are not there count as if they were, and the encoder of depth looks at
                    empty images of those who have none, as in the release
``queue``           stage 1 with a queue in place of banks, for datasets of many millions
``queue_stage2``    stage 2 with it
``coco``            stage 1 with COCO's people in place of MPII's, and the 13 joints that COCO and Kinect share
``coco_stage2``     stage 2 with them
==================  ==================================================================================================
"""
from mmengine.config import read_base

from humanbench.datasets import NTURGBD, CocoKeypoints
from humanbench.models import HCMoCoQueuePretext, SemGCN

with read_base():
    from ..sources.ntu_rgbd import *

ntu_rgbd.head.update(terms=('sample',))
sources = dict(ntu_rgbd=ntu_rgbd)


def epochs(depthless, batch=224):
    """100 epochs; one is as many people as both datasets have."""
    return 100 * ((56_578 + depthless) // batch)


train_cfg = dict(max_steps=epochs(22_246), precision='bf16')  # bf16 D: the release has fp32
schedule = dict(policy='cosine', warmup=0, end_factor=1e-3)
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=1e-4), clip_norm=None)
loader = dict(num_workers=12, prefetch_factor=4, persistent_workers=True)  # D
default_hooks = dict(checkpoint=dict(interval=5000, max_keep_ckpts=2))


_every_term = ('sample', 'dense', 'joint', 'structure')


def _stage2(**changes):
    return dict(weights_parts=('backbone', 'heads'), sources=dict(ntu_rgbd=dict(head=dict(
        terms=_every_term) | changes)))


_queue = dict(type=HCMoCoQueuePretext, num_samples=None)


def _coco(**changes):
    head = dict(num_samples=56_578 + 149_813, joint_encoder=dict(type=SemGCN, skeleton='reduced13'))
    return dict(train_cfg=dict(max_steps=epochs(149_813)), sources=dict(ntu_rgbd=dict(
        head=head | changes,
        dataset=dict(datasets=[
            dict(type=NTURGBD, pipeline=[
                dict(x, joint_set='reduced13') if 'joint_set' in x else x for x in rgbd_train_pipeline]),
            dict(type=CocoKeypoints, split='train', pipeline=[
                dict(x, joint_set='reduced13') if 'joint_set' in x else x for x in depthless_train_pipeline])]))))


flavors = dict(
    stage2=_stage2(), hard=_stage2(soft=False), no_structure=_stage2(terms=('sample', 'dense', 'joint')),
    sample_only=_stage2(terms=('sample',)), released=_stage2(structure_of_everything=True, encode_missing=True),
    queue=dict(sources=dict(ntu_rgbd=dict(head=dict(_queue)))), queue_stage2=_stage2(**_queue),
    coco=_coco(), coco_stage2=_coco(terms=_every_term) | dict(weights_parts=('backbone', 'heads')))
