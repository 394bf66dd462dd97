"""NTURGBD-Parsing-4K: body parts from depth with HRNet-W18 as HCMoCo finetunes for them, mIoU over 25 classes.

    humanbench train downstream/parsing/nturgbd_parsing_depth.py --weights hcmoco:FILE@modality=depth --test
    humanbench train downstream/parsing/nturgbd_parsing_depth.py --flavor v3 --weights hcmoco:FILE@modality=depth --test
    humanbench train downstream/parsing/nturgbd_parsing_depth.py --flavor rgb --weights hcmoco:FILE --test
    humanbench train downstream/parsing/nturgbd_parsing_depth.py --flavor debug --test

Flavours: `v3` trains and tests on a fifth of the frames; `rgb` parses the colour frames, likewise.
Hardware: one GPU of 40 GB or more. Time: not run here at this size, and `humanbench plan` counts operations, where an
HRNet waits for memory. The debug flavour takes a minute on one CPU core.
Expected (HCMoCo's figures; not run here, and of which version is not known): mIoU 35.0, mean accuracy 52.6; 28.6 and
46.8 from ImageNet.
"""
from mmengine.config import read_base

from humanbench.datasets import NTURGBDParsing
from humanbench.models import DepthPreprocessor, HumanDataPreprocessor

with read_base():
    from ..._base_.downstream.parsing_hrnet import *
    from ..._base_.pipelines.parsing import *
    from ..._base_.pipelines.parsing_depth import *


def steps(frames):
    """150 epochs (H) of batches of 40."""
    return 150 * frames // 40


model.update(data_preprocessor=dict(type=DepthPreprocessor))
train_cfg.max_steps = steps(1963)
sources = dict(nturgbd_parsing=dict(
    task='parsing', batch_size=40, slots=1, head=dict(parsing_hrnet_head, class_weights='nturgbd_parsing'),  # H
    dataset=dict(type=NTURGBDParsing, split='train', modality='depth', pipeline=parsing_depth_train_pipeline)))
evaluations = dict(nturgbd_parsing=dict(
    source='nturgbd_parsing', batch_size=16, evaluator=parsing_hrnet_evaluator,
    dataset=dict(type=NTURGBDParsing, split='val', modality='depth', pipeline=parsing_depth_test_pipeline)))
flavors = dict(
    v3=dict(train_cfg=dict(max_steps=steps(392)), sources=dict(nturgbd_parsing=dict(dataset=dict(version='v3'))),
            evaluations=dict(nturgbd_parsing=dict(dataset=dict(version='v3')))),
    rgb=dict(
        model=dict(data_preprocessor=dict(type=HumanDataPreprocessor)),
        sources=dict(nturgbd_parsing=dict(dataset=dict(
            modality='rgb', pipeline=resized(parsing_train_pipeline, parsing_depth_size)))),
        evaluations=dict(nturgbd_parsing=dict(dataset=dict(
            modality='rgb', pipeline=resized(parsing_test_pipeline, parsing_depth_size))))),
    debug=dict(
        debug_parsing_hrnet, sources=dict(nturgbd_parsing=dict(batch_size=8, dataset=dict(
            root=debug_root, pipeline=resized(parsing_depth_train_pipeline, (128, 128), debug_scales)))),
        evaluations=dict(nturgbd_parsing=dict(dataset=dict(
            root=debug_root, pipeline=resized(parsing_depth_test_pipeline, (128, 128)))))))
