"""MPI-INF-3DHP joints in 2-D: 1,031,701 people.

Loss weight 2 a sample on 1000 x the mean square error, which is then of the size of the other losses; in
PATH 2000 on the plain one (entry 8).
"""
from mmengine.config import read_base

from humanbench.datasets import MPIInf3DHP
from humanbench.models import PoseHead

with read_base():
    from ..pipelines.pose import *

mpi_inf_3dhp = dict(
    task='pose',
    dataset=dict(type=MPIInf3DHP, split='train', pipeline=pose_shift_train_pipeline),
    head=dict(type=PoseHead, num_keypoints=17, loss_weight=1000.0),
    batch_size=128, slots=1, weight=2.0 * 128)
