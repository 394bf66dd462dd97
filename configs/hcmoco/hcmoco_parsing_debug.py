"""HCMoCo with labels of one modality for another, at debug size: people without labels, and frames with 25 body parts.

    humanbench train hcmoco/hcmoco_parsing_debug.py --flavor rgb_to_depth --work-dir work_dirs/rgb_to_depth \
                     --weights work_dirs/hcmoco_debug/iter_300.pth
    humanbench test  hcmoco/hcmoco_parsing_debug.py --flavor rgb_to_depth --checkpoint work_dirs/rgb_to_depth
    humanbench test  hcmoco/hcmoco_parsing_debug.py --checkpoint work_dirs/both --cfg-options \
                     sources.ntu_rgbd.head.reads=depth                    (trained on both, tested on depth alone)

The recipe itself learns from both modalities and reads both. HCMoCo (its section on versatility; its train lists,
batches of 180) has the parsing loss at ten times its mean, beside all losses of stage 2, and begins with a run of
stage 1.

Hardware: two CPU cores. Time: minutes (300 steps).
Expected: not measured yet.
"""
from mmengine.config import read_base

from humanbench.datasets import NTURGBDParsing
from humanbench.evaluation import ParsingMetric
from humanbench.models import HCMoCoParsingPretext, PixelParsingHead

with read_base():
    from .hcmoco_debug import *

_labelled = dict(type=NTURGBDParsing, root=debug_root)
sources.ntu_rgbd.dataset.datasets[1] = dict(_labelled, split='train', pipeline=[
    dict(x, size=_size) if 'size' in x else x for x in rgbd_parsing_train_pipeline])
sources.ntu_rgbd.head.update(
    type=HCMoCoParsingPretext, terms=('sample', 'dense', 'joint', 'structure'),
    parsing=dict(type=PixelParsingHead, num_classes=25), parsing_weight=10.0)


def _from_to(learns_from, reads, **changes):
    return dict(sources=dict(ntu_rgbd=dict(head=dict(learns_from=learns_from, reads=reads, **changes))))


flavors = dict(
    rgb_to_depth=_from_to('rgb', 'depth'), depth_to_rgb=_from_to('depth', 'rgb'),
    rgb_to_rgb=_from_to('rgb', 'rgb'), depth_to_depth=_from_to('depth', 'depth'),
    # control: points do not agree, so that nothing carries labels over
    rgb_to_depth_alone=_from_to('rgb', 'depth', terms=('sample',)),
    depth_to_rgb_alone=_from_to('depth', 'rgb', terms=('sample',)))
train_cfg.max_steps = 300
weights_parts = ('backbone', 'heads')  # of stage 1

evaluations = dict(ntu_rgbd=dict(
    source='ntu_rgbd', batch_size=40, evaluator=dict(type=ParsingMetric, num_classes=25), dataset=dict(
        type=sources.ntu_rgbd.dataset.type, datasets=[dict(_labelled, split='val', pipeline=[
            dict(x, size=_size) if 'size' in x else x for x in rgbd_parsing_test_pipeline])])))
