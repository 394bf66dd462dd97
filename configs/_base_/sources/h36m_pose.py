"""Human3.6M 2-D pose: 312,187 people.

Loss weight 2 a sample on 1000 x the mean square error, which is then of the size of the other losses; in
PATH 2000 on the plain one (entry 9).
"""
from mmengine.config import read_base

from humanbench.datasets import Human36MPose
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

h36m_pose = dict(
    task='pose',
    dataset=dict(type=Human36MPose, split='train', pipeline=pose_h36m_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=17, loss_weight=1000.0),
    batch_size=128, slots=1, weight=2.0 * 128)
