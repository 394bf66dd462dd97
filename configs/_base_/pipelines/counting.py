"""Crowd counting (recipe CO): scale 0.7 to 1.3, crop (256 for part A, 512 for part B), flip, mild colour change.

The test keeps the native resolution and enlarges images whose short side is below the crop.

Another crop in a recipe::

    counting_train_pipeline = [dict(x, size=512) if 'size' in x else x for x in counting_train_pipeline]
"""
from humanbench.datasets.transforms import (EnlargeSmall, LoadImage, PackHumanInputs, RandomColor, RandomCountingCrop,
                                            RandomFlip)

counting_crop = 256
counting_train_pipeline = [
    dict(type=LoadImage, lazy=True),
    dict(type=RandomCountingCrop, size=counting_crop, scale=(0.7, 1.3)),
    dict(type=RandomFlip, prob=0.5),
    dict(type=RandomColor, strength=0.1, prob=0.2),
    dict(type=PackHumanInputs),
]
counting_test_pipeline = [
    dict(type=LoadImage),
    dict(type=EnlargeSmall, min_side=counting_crop),
    dict(type=PackHumanInputs),
]
