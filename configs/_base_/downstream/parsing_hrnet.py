"""Human parsing as HCMoCo finetunes for it: each cell of HRNet's merged map by itself, at 473 x 473.

Where a value is from: H HCMoCo, N HRNet's code for segmentation, on which HCMoCo's is built, D reasoned. There, a test
is the mean over an image and its mirror image; here it is of the image alone.
"""
from mmengine.config import read_base

from humanbench.evaluation import ParsingMetric
from humanbench.models import PixelParsingHead

with read_base():
    from ..debug import *
    from ..models.hrnet_debug import model as debug_hrnet
    from ..models.hrnet_w18 import model

model.backbone.update(merged=4)  # N
train_cfg = dict(max_steps=1, precision='bf16')  # each config counts; bf16 D
schedule = dict(policy='poly', power=0.9)  # N
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=7e-3, momentum=0.9, weight_decay=5e-4),  # H
    paramwise_cfg=dict(layer_decay=1.0))
protocols = dict(full=dict(), partial=dict(), head=dict())  # H: full
parsing_hrnet_head = dict(type=PixelParsingHead, num_classes=25)
parsing_hrnet_evaluator = dict(type=ParsingMetric)


def resized(pipeline, size, scales=None):
    """The same transforms at another input size, and with other scales."""
    def changed(step):
        step = dict(step, size=size) if 'size' in step else step
        return dict(step, scales=scales) if scales and 'scales' in step else step
    return [changed(x) for x in pipeline]


debug_parsing_hrnet = dict(
    debug_finetune, model=dict(backbone=dict(debug_hrnet.backbone, _delete_=True, merged=4)),
    train_cfg=dict(max_steps=300, precision='fp32'), optim_wrapper=dict(
        debug_finetune['optim_wrapper'], paramwise_cfg=dict(_delete_=True, backbone_multiplier=1.0)))
debug_scales = (0.9, 1.0, 1.1)
