"""Top-down pose (recipes PO1 to PO4): box x 1.25, scale, rotation, UDP affine, flip.

=======================  ==============  ==========  ============
variant                  centre jitter   half body   random shift
=======================  ==============  ==========  ============
``pose`` COCO, AIC       yes             yes         no
``pose_shift`` video     yes             yes         yes
``pose_h36m``            yes             no          yes
``pose_mpii``            no              no          no
=======================  ==============  ==========  ============

``pose`` serves MHP and Penn Action also; ``pose_shift`` PoseTrack, JRDB, 3DPW, Halpe, MPI-INF-3DHP and AIST++.

The flip stands after the affine crop, where it costs microseconds; the distribution is the same as before it, because
jitter, shift and rotation are symmetric. The release jitters the centre once, when the dataset is built; here each
access draws anew.

Another input size in a recipe::

    pose_train_pipeline = [dict(x, input_size=(96, 128)) if 'input_size' in x else x for x in pose_train_pipeline]
"""
from humanbench.datasets.transforms import (JitterBoxCenter, LoadImage, PackHumanInputs, RandomBoxTransform, RandomFlip,
                                            RandomHalfBody, TopdownAffine)
from mmpose.datasets.transforms import GetBBoxCenterScale

pose_size = (192, 256)  # width, height
pose_train_pipeline = [
    dict(type=LoadImage, lazy=True),
    dict(type=GetBBoxCenterScale, padding=1.25),
    dict(type=JitterBoxCenter, prob=0.3, factor=0.2),
    dict(type=RandomHalfBody, prob=0.3, min_total_keypoints=9, upper_prioritized_prob=0.7, padding=1.5),
    dict(type=RandomBoxTransform, scale_factor=0.5, rotate_factor=40.0, rotate_prob=0.6),
    dict(type=TopdownAffine, input_size=pose_size),
    dict(type=RandomFlip, prob=0.5),
    dict(type=PackHumanInputs),
]
pose_shift_train_pipeline = [
    dict(x, shift_factor=0.16, shift_prob=0.3) if x['type'] is RandomBoxTransform else x for x in pose_train_pipeline]
pose_h36m_train_pipeline = [
    dict(type=LoadImage, lazy=True),
    dict(type=GetBBoxCenterScale, padding=1.25),
    dict(type=JitterBoxCenter, prob=0.3, factor=0.2),
    dict(type=RandomBoxTransform, scale_factor=0.5, rotate_factor=40.0, rotate_prob=0.6,
         shift_factor=0.16, shift_prob=0.3),
    dict(type=TopdownAffine, input_size=pose_size),
    dict(type=RandomFlip, prob=0.5),
    dict(type=PackHumanInputs),
]
pose_mpii_train_pipeline = [
    dict(type=LoadImage, lazy=True),
    dict(type=GetBBoxCenterScale, padding=1.25),
    dict(type=RandomBoxTransform, scale_factor=0.5, rotate_factor=40.0, rotate_prob=0.6),
    dict(type=TopdownAffine, input_size=pose_size),
    dict(type=RandomFlip, prob=0.5),
    dict(type=PackHumanInputs),
]
pose_test_pipeline = [
    dict(type=LoadImage),
    dict(type=GetBBoxCenterScale, padding=1.25),
    dict(type=TopdownAffine, input_size=pose_size),
    dict(type=PackHumanInputs),
]
