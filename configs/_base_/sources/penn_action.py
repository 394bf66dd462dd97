"""Penn Action keypoints: 163,839 people, which are the frames of both splits.

Loss weight 4 a sample on 1000 x the mean square error, which is then of the size of the other losses; in
PATH 4000 on the plain one (entry 5).
"""
from mmengine.config import read_base

from humanbench.datasets import PennAction
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

penn_action = dict(
    task='pose',
    dataset=dict(type=PennAction, split='all', pipeline=pose_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=13, loss_weight=1000.0),
    batch_size=128, slots=1, weight=4.0 * 128)
