"""Person crops with captions, for text-to-image re-identification; captions travel as the text they are.

Where a value is from: R HAP's released recipe, D reasoned (its augmentation is not known). Flips do not change whom a
caption describes; erasing would take away what it says.
"""
from humanbench.datasets.transforms import LoadImage, PackHumanInputs, PadCrop, RandomFlip, Resize

text_reid_size = (384, 128)  # R: height, width
text_reid_train_pipeline = [
    dict(type=LoadImage),
    dict(type=Resize, size=text_reid_size),
    dict(type=RandomFlip, prob=0.5),  # D, as in ReID
    dict(type=PadCrop, padding=10),  # D, as in ReID
    dict(type=PackHumanInputs),
]
text_reid_test_pipeline = [
    dict(type=LoadImage),
    dict(type=Resize, size=text_reid_size),
    dict(type=PackHumanInputs),
]
