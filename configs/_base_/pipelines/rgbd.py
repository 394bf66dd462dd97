"""Colour, depth and joints for HCMoCo, at 320 x 320.

``rgbd`` is of frames with depth (NTU RGB+D): a random square of 8 to 120 % of the image's area around a point between
the joints. ``depthless`` is of people in photos (MPII, COCO): their box, scaled by 0.75 to 1.25 and turned by up to 60
degrees. ``rgbd_parsing`` is of frames with labels beside their depth (NTURGBD-Parsing-4K); in the test the whole frame
is stretched, and the label map keeps its own size. None flips or changes colours. Give them to the readers of
:class:`~humanbench.datasets.EqualShares`; a sample is the same from each, and says whether it has depth.

All of it is from HCMoCo's release. Another joint set or size in a recipe::

    rgbd_train_pipeline = [dict(x, joint_set='reduced13') if 'joint_set' in x else x for x in rgbd_train_pipeline]
    rgbd_train_pipeline = [dict(x, size=(96, 96)) if 'size' in x else x for x in rgbd_train_pipeline]
    depthless_train_pipeline = [dict(x, input_size=(96, 96)) if 'input_size' in x else x
                                for x in depthless_train_pipeline]
"""
from humanbench.datasets.transforms import (HideJointsOutside, JointCrop, LoadDepth, LoadImage, LoadLabelMap,
                                            PackHumanInputs, RandomBoxTransform, RandomJointCrop, Resize, SelectJoints,
                                            TopdownAffine)
from mmpose.datasets.transforms import GetBBoxCenterScale

rgbd_size = (320, 320)
rgbd_joints = 'mpii16'
rgbd_train_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadDepth),
    dict(type=SelectJoints, joint_set=rgbd_joints),
    dict(type=RandomJointCrop, size=rgbd_size, area=(0.08, 1.2)),
    dict(type=PackHumanInputs),
]
rgbd_test_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadDepth),
    dict(type=SelectJoints, joint_set=rgbd_joints),
    dict(type=JointCrop, size=rgbd_size),
    dict(type=PackHumanInputs),
]
depthless_train_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadDepth),
    dict(type=SelectJoints, joint_set=rgbd_joints),
    dict(type=GetBBoxCenterScale, padding=1.25),
    dict(type=RandomBoxTransform, scale_factor=0.25, rotate_factor=30.0, rotate_prob=0.6),
    dict(type=TopdownAffine, input_size=rgbd_size),
    dict(type=HideJointsOutside),
    dict(type=PackHumanInputs),
]
rgbd_parsing_train_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadDepth),
    dict(type=LoadLabelMap),
    dict(type=SelectJoints, joint_set=rgbd_joints),
    dict(type=RandomJointCrop, size=rgbd_size, area=(0.08, 1.2)),
    dict(type=PackHumanInputs),
]
rgbd_parsing_test_pipeline = [
    dict(type=LoadImage),
    dict(type=LoadDepth),
    dict(type=SelectJoints, joint_set=rgbd_joints),
    dict(type=Resize, size=rgbd_size),
    dict(type=LoadLabelMap),
    dict(type=PackHumanInputs),
]
