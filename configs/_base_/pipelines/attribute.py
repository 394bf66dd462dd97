"""Person crops for attributes (recipe AT): resize, pad 10 and crop, flip; no colour change, no erasing.

People in photos (WIDER Attribute, Parse-27k) are cut out first; to the crops of other datasets that does nothing.

Another input size in a recipe::

    attribute_train_pipeline = [dict(x, size=(128, 96)) if 'size' in x else x for x in attribute_train_pipeline]
"""
from humanbench.datasets.transforms import CropBox, LoadImage, PackHumanInputs, PadCrop, RandomFlip, Resize

attribute_size = (256, 192)  # height, width
attribute_train_pipeline = [
    dict(type=LoadImage, lazy=True),
    dict(type=CropBox),
    dict(type=Resize, size=attribute_size),
    dict(type=PadCrop, padding=10),
    dict(type=RandomFlip, prob=0.5),
    dict(type=PackHumanInputs),
]
attribute_test_pipeline = [
    dict(type=LoadImage),
    dict(type=CropBox),
    dict(type=Resize, size=attribute_size),
    dict(type=PackHumanInputs),
]
