"""People with depth and joints, and people in photos: NTU RGB+D and MPII at equal shares, what HCMoCo learns from.

One frame of each of NTU's 56,578 clips with a good skeleton, and MPII's 22,246 people of train. (HCMoCo's own list of
frames was not published; HAP's authors count 82,000 samples of it.) A step of 224 people is four units of 56, as on
HCMoCo's four GPUs.
"""
from mmengine.config import read_base

from humanbench.datasets import MPII, NTURGBD, EqualShares
from humanbench.models import HCMoCoPretext, SemGCN

with read_base():
    from ..pipelines.rgbd import *

ntu_rgbd = dict(
    task='pretext', batch_size=56, slots=4,
    head=dict(type=HCMoCoPretext, num_samples=56_578 + 22_246, joint_encoder=dict(type=SemGCN, skeleton=rgbd_joints)),
    dataset=dict(type=EqualShares, datasets=[
        dict(type=NTURGBD, pipeline=rgbd_train_pipeline),
        dict(type=MPII, split='train', pipeline=depthless_train_pipeline)]))
