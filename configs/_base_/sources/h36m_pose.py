"""Human3.6M 2-D pose: 312,187 people. Loss weight 2000 a sample (PATH, entry 9)."""
from mmengine.config import read_base

from humanbench.datasets import Human36MPose
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

h36m_pose = dict(
    task='pose',
    dataset=dict(type=Human36MPose, split='train', pipeline=pose_h36m_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=17),
    batch_size=128, slots=1, weight=2000.0 * 128)
