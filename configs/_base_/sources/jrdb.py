"""JRDB-Pose keypoints: 310,035 people by the paper's table.

Loss weight 4 a sample on 1000 x the mean square error, which is then of the size of the other losses; in
PATH 4000 on the plain one (entry 3).

Flip pairs are those of the dataset; PATH mirrors it with those of another one.
"""
from mmengine.config import read_base

from humanbench.datasets import JRDBPose
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

jrdb = dict(
    task='pose',
    dataset=dict(type=JRDBPose, split='train', pipeline=pose_shift_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=17, loss_weight=1000.0),
    batch_size=224, slots=1, weight=4.0 * 224)
