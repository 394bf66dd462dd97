"""COCO keypoints: 149,813 people.

Loss weight 8 a sample on 1000 x the mean square error, which is then of the size of the other losses; in
PATH 8000 on the plain one (entry 0).
"""
from mmengine.config import read_base

from humanbench.datasets import CocoKeypoints
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

coco_pose = dict(
    task='pose',
    dataset=dict(type=CocoKeypoints, split='train', pipeline=pose_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=17, loss_weight=1000.0),
    batch_size=224, slots=2, weight=8.0 * 448)
