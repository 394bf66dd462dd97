"""Person detection (recipe DE): short side 480..800, half of the images after a random crop; flip.

The recipe resizes before it crops, and again afterwards; :class:`CropAsResized` cuts the same window out of the image
as it is, so that one resize remains. What is mirrored is the crop, which is smaller: all places are as likely.

A recipe at a small size replaces crop and scales by one step, for which all of the image is decoded::

    detection_train_pipeline = [
        dict(type=ResizeWithBoxes, scale=(256, 192), keep_ratio=True) if 'scales' in x else
        dict(x, lazy=False) if 'lazy' in x else x for x in detection_train_pipeline if 'shorts' not in x]
"""
from humanbench.datasets.transforms import (CropAsResized, LoadBoxes, LoadImage, PackHumanInputs, RandomFlip,
                                            RandomResizeWithBoxes)
from mmdet.datasets.transforms import Resize as ResizeWithBoxes

detection_scale = (1333, 800)  # long side at most, short side
detection_train_scales = [(1333, short) for short in (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)]
detection_train_pipeline = [
    dict(type=LoadImage, lazy=True),
    dict(type=LoadBoxes),
    dict(type=CropAsResized, shorts=(400, 500, 600), size=(384, 600), prob=0.5),
    dict(type=RandomFlip, prob=0.5),
    dict(type=RandomResizeWithBoxes, scales=detection_train_scales, keep_ratio=True),
    dict(type=PackHumanInputs),
]
detection_test_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadBoxes),
    dict(type=ResizeWithBoxes, scale=detection_scale, keep_ratio=True),
    dict(type=PackHumanInputs),
]
