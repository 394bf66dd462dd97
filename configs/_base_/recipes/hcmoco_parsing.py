"""HCMoCo with labels of one modality for another: what its recipe adds to that of stage 2.

Where a value is from: HCMoCo's release (its specification, section 6), unless marked D (reasoned). The recipe itself
learns from both modalities, and is tested on both, on colours alone and on depth alone.

======================  ==============================================================================================
flavour                 what it changes
======================  ==============================================================================================
``rgb_to_depth``        the depth of labelled frames is hidden in training, and depth is what is parsed
``depth_to_rgb``        the other way round
``rgb_to_rgb``          labels and test of colours
``depth_to_depth``      labels and test of depth
``..._alone``           without what makes points agree: nothing carries labels over (a control)
======================  ==============================================================================================
"""
from humanbench.datasets import NTURGBDParsing
from humanbench.datasets.transforms import HideModality
from humanbench.evaluation import ParsingMetric
from humanbench.models import HCMoCoParsingPretext, PixelParsingHead
from mmengine.config import read_base

with read_base():
    from ..pipelines.rgbd import *

hcmoco_parsing_head = dict(
    type=HCMoCoParsingPretext, terms=('sample', 'dense', 'joint', 'structure'), parsing_weight=10.0,
    parsing=dict(type=PixelParsingHead, num_classes=25, class_weights='nturgbd_parsing'))
weights_parts = ('backbone', 'heads')  # of stage 1


def _of(pipeline, size, hidden=None):
    steps = [dict(x, size=size) if 'size' in x else x for x in pipeline]
    if hidden is not None:
        steps.insert(-1, dict(type=HideModality, modality=hidden))
    return steps


def labelled_frames(size, **options):
    """Training frames with 25 body parts."""
    return dict(type=NTURGBDParsing, split='train', pipeline=_of(rgbd_parsing_train_pipeline, size), **options)


def parsing_evaluations(size, joined, **options):
    """Tests of both modalities, of colours alone and of depth alone; ``joined`` numbers the records of a list of
    datasets."""
    return {name: dict(
        source='ntu_rgbd', batch_size=40, evaluator=dict(type=ParsingMetric, num_classes=25),
        dataset=dict(type=joined, datasets=[dict(
            type=NTURGBDParsing, split='val', pipeline=_of(rgbd_parsing_test_pipeline, size, hidden), **options)]))
        for name, hidden in (('ntu_rgbd', None), ('colours_alone', 'depth'), ('depth_alone', 'rgb'))}


def parsing_flavors(tests):
    """The flavours above, each of which has one of these tests alone: its head reads what it is told."""
    def from_to(learns_from, reads, **changes):
        return dict(evaluations=dict(_delete_=True, ntu_rgbd=tests['ntu_rgbd']),
                    sources=dict(ntu_rgbd=dict(head=dict(learns_from=learns_from, reads=reads, **changes))))

    return dict(
        rgb_to_depth=from_to('rgb', 'depth'), depth_to_rgb=from_to('depth', 'rgb'),
        rgb_to_rgb=from_to('rgb', 'rgb'), depth_to_depth=from_to('depth', 'depth'),
        rgb_to_depth_alone=from_to('rgb', 'depth', terms=('sample',)),
        depth_to_rgb_alone=from_to('depth', 'rgb', terms=('sample',)))
