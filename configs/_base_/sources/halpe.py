"""Halpe keypoints, the first 20: 41,712 people.

Loss weight 2 a sample on 1000 x the mean square error, which is then of the size of the other losses; in
PATH 2000 on the plain one (entry 7).
"""
from mmengine.config import read_base

from humanbench.datasets import Halpe
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

halpe = dict(
    task='pose',
    dataset=dict(type=Halpe, split='train', pipeline=pose_shift_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=20, loss_weight=1000.0),
    batch_size=64, slots=1, weight=2.0 * 64)
