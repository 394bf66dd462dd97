"""PoseTrack18 keypoints: 97,174 people.

Loss weight 6 a sample on 1000 x the mean square error, which is then of the size of the other losses; in
PATH 6000 on the plain one (entry 2).
"""
from mmengine.config import read_base

from humanbench.datasets import PoseTrack18
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

posetrack = dict(
    task='pose',
    dataset=dict(type=PoseTrack18, split='train', pipeline=pose_shift_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=15, loss_weight=1000.0),
    batch_size=224, slots=1, weight=6.0 * 224)
