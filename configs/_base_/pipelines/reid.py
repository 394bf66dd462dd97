"""Person crops for re-identification (recipe RE).

Flip, pad 10 and crop, random erasing of half the crops (PATH's release erased three quarters, by a slip).

Another input size in a recipe::

    reid_train_pipeline = [dict(x, size=(128, 64)) if 'size' in x else x for x in reid_train_pipeline]
"""
from humanbench.datasets.transforms import LoadImage, PackHumanInputs, PadCrop, RandomErasing, RandomFlip, Resize

reid_size = (256, 128)  # height, width
reid_train_pipeline = [
    dict(type=LoadImage),
    dict(type=Resize, size=reid_size),
    dict(type=RandomFlip, prob=0.5),
    dict(type=PadCrop, padding=10),
    dict(type=RandomErasing, prob=0.5, area=(0.02, 0.4), aspect=(0.3, 3.33)),
    dict(type=PackHumanInputs),
]
reid_test_pipeline = [
    dict(type=LoadImage),
    dict(type=Resize, size=reid_size),
    dict(type=PackHumanInputs),
]
