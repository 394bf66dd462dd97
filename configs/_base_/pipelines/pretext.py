"""Person crops for self-supervised pretraining, with their joints where they are known (recipe of HAP).

A random part of 80 to 100 % of the area in the form of a person, stretched to 256 x 128 (bicubic), and flipped half of
the time. No colours are changed.

The crop of MAE, and another input size, in a recipe::

    pretext_train_pipeline = [dict(x, scale=(0.2, 1.0)) if x['type'] is RandomResizedCrop else x
                              for x in pretext_train_pipeline]
    pretext_train_pipeline = [dict(x, size=(128, 64)) if 'size' in x else x for x in pretext_train_pipeline]
"""
from humanbench.datasets.transforms import LoadImage, PackHumanInputs, RandomFlip, RandomResizedCrop, Resize

pretext_size = (256, 128)  # height, width
pretext_train_pipeline = [
    dict(type=LoadImage, lazy=True),
    dict(type=RandomResizedCrop, size=pretext_size, scale=(0.8, 1.0), aspect=(0.375, 0.6667), interpolation='bicubic'),
    dict(type=RandomFlip, prob=0.5),
    dict(type=PackHumanInputs),
]
pretext_test_pipeline = [
    dict(type=LoadImage),
    dict(type=Resize, size=pretext_size, interpolation='bicubic'),
    dict(type=PackHumanInputs),
]
