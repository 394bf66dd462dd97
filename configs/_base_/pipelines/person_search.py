"""Whole frames for person search: short side 900, long side at most 1500; flip.

Where a value is from: S SOLIDER's task repository (which is SeqNet's).
"""
from humanbench.datasets.transforms import LoadBoxes, LoadImage, PackHumanInputs, RandomFlip
from mmdet.datasets.transforms import Resize as ResizeWithBoxes

person_search_scale = (1500, 900)  # S
person_search_train_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadBoxes),
    dict(type=RandomFlip, prob=0.5),  # S
    dict(type=ResizeWithBoxes, scale=person_search_scale, keep_ratio=True),
    dict(type=PackHumanInputs),
]
person_search_test_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadBoxes),
    dict(type=ResizeWithBoxes, scale=person_search_scale, keep_ratio=True),
    dict(type=PackHumanInputs),
]
