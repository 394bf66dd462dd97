"""Person crops for attributes (recipe AT): resize, pad 10 and crop, flip; no colour change, no erasing."""
from humanbench.datasets.transforms import LoadImage, PackHumanInputs, PadCrop, RandomFlip, Resize

attribute_size = (256, 192)  # height, width
attribute_train_pipeline = [
    dict(type=LoadImage),
    dict(type=Resize, size=attribute_size),
    dict(type=PadCrop, padding=10),
    dict(type=RandomFlip, prob=0.5),
    dict(type=PackHumanInputs),
]
attribute_test_pipeline = [
    dict(type=LoadImage),
    dict(type=Resize, size=attribute_size),
    dict(type=PackHumanInputs),
]
