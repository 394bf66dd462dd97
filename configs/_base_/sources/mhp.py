"""LV-MHP v2 keypoints: 41,128 people.

Loss weight 4 a sample on 1000 x the mean square error, which is then of the size of the other losses; in
PATH 4000 on the plain one (entry 4).
"""
from mmengine.config import read_base

from humanbench.datasets import MHP
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

mhp = dict(
    task='pose',
    dataset=dict(type=MHP, split='train', pipeline=pose_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=16, loss_weight=1000.0),
    batch_size=96, slots=1, weight=4.0 * 96)
