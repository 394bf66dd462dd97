"""Pedestrians from a car as SOLIDER finetunes for them: whole images at their own size, and a flip."""
from humanbench.datasets.transforms import LoadBoxes, LoadImage, PackHumanInputs, RandomFlip
from mmdet.datasets.transforms import FilterAnnotations
from mmdet.datasets.transforms import Resize as ResizeWithBoxes


def csp_pipelines(size, least):
    """Training and test at one size (width, height); boxes with a side of ``least`` pixels or less are left out."""
    resized = [dict(type=LoadImage), dict(type=LoadBoxes), dict(type=ResizeWithBoxes, scale=size, keep_ratio=False)]
    train = [
        *resized, dict(type=RandomFlip, prob=0.5),
        dict(type=FilterAnnotations, min_gt_bbox_wh=(least, least), keep_empty=False), dict(type=PackHumanInputs)]
    return train, [*resized, dict(type=PackHumanInputs)]


csp_train_pipeline, csp_test_pipeline = csp_pipelines((2048, 1024), 8)
csp_debug_train_pipeline, csp_debug_test_pipeline = csp_pipelines((288, 144), 2)
