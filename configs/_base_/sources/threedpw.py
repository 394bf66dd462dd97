"""3DPW 2-D joints: 74,620 people of all splits together.

Loss weight 4 a sample on 1000 x the mean square error, which is then of the size of the other losses; in
PATH 4000 on the plain one (entry 6).

With ``split='train'`` its test part stays unseen.
"""
from mmengine.config import read_base

from humanbench.datasets import ThreeDPW
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

threedpw = dict(
    task='pose',
    dataset=dict(type=ThreeDPW, split='all', pipeline=pose_shift_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=18, loss_weight=1000.0),
    batch_size=128, slots=1, weight=4.0 * 128)
