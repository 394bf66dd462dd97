"""AI Challenger keypoints: 378,352 people.

Loss weight 6 a sample on 1000 x the mean square error, which is then of the size of the other losses; in
PATH 6000 on the plain one (entry 1).
"""
from mmengine.config import read_base

from humanbench.datasets import AIChallenger
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

aic = dict(
    task='pose',
    dataset=dict(type=AIChallenger, split='train', pipeline=pose_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=14, loss_weight=1000.0),
    batch_size=224, slots=2, weight=6.0 * 448)
