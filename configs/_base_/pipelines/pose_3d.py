"""Three-dimensional pose in depth images (ITOP): the person's box stretched to 288 x 288, nearest pixels.

In training its sides move by up to 10 pixels, and it is turned by up to 15 degrees and scaled by 0.5 to 1.5. From
HCMoCo's copy of A2J, which also cuts the depth off 5 cm behind the farthest *true* joint, in the test too: here that is
off (``cut``). The input is depth in metres; the recipe's data preprocessor takes the mean away.

Another input size in a recipe::

    pose_3d_train_pipeline = [dict(x, size=(96, 96)) if 'size' in x else x for x in pose_3d_train_pipeline]
"""
from humanbench.datasets.transforms import DepthBoxCrop, LoadDepthImage, PackHumanInputs

pose_3d_size = (288, 288)  # height, width
pose_3d_train_pipeline = [
    dict(type=LoadDepthImage),
    dict(type=DepthBoxCrop, size=pose_3d_size, shift=10.0, rotate=15.0, scale=(0.5, 1.5)),
    dict(type=PackHumanInputs),
]
pose_3d_test_pipeline = [
    dict(type=LoadDepthImage),
    dict(type=DepthBoxCrop, size=pose_3d_size),
    dict(type=PackHumanInputs),
]
