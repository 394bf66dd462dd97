"""COCO keypoints: 149,813 people. Loss weight 8000 a sample (PATH, entry 0)."""
from mmengine.config import read_base

from humanbench.datasets import CocoKeypoints
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

coco_pose = dict(
    task='pose',
    dataset=dict(type=CocoKeypoints, split='train', pipeline=pose_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=17),
    batch_size=224, slots=2, weight=8000.0 * 448)
