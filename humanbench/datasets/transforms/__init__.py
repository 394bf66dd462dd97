"""What MMCV, MMPose, MMDetection and MMSegmentation lack, or do too slowly for a training pipeline.

Every draw comes from NumPy's global generator, so a sample's augmentation is a pure function of the seed set before it.
"""
from .counting import EnlargeSmall, RandomColor, RandomCountingCrop
from .depth import (
    DepthBoxCrop,
    HideJointsOutside,
    HideModality,
    JointCrop,
    LoadDepth,
    LoadDepthImage,
    RandomJointCrop,
    SelectJoints,
)
from .detection import CropAsResized, LoadBoxes, RandomResizeWithBoxes
from .formatting import PackHumanInputs
from .geometry import (
    CropBox,
    PadCrop,
    RandomErasing,
    RandomFlip,
    RandomResizedCrop,
    RandomScaleCrop,
    Resize,
    ResizeLabelMap,
)
from .loading import LoadImage, LoadLabelMap
from .multicrop import MultiCrop
from .pose import JitterBoxCenter, RandomBoxTransform, RandomHalfBody, TopdownAffine

__all__ = ['CropAsResized', 'CropBox', 'DepthBoxCrop', 'EnlargeSmall', 'HideJointsOutside', 'HideModality',
           'JitterBoxCenter', 'JointCrop', 'LoadBoxes', 'LoadDepth', 'LoadDepthImage', 'LoadImage', 'LoadLabelMap',
           'MultiCrop', 'PackHumanInputs', 'PadCrop', 'RandomBoxTransform', 'RandomColor', 'RandomCountingCrop',
           'RandomErasing', 'RandomFlip', 'RandomHalfBody', 'RandomJointCrop', 'RandomResizeWithBoxes',
           'RandomResizedCrop', 'RandomScaleCrop', 'Resize', 'ResizeLabelMap', 'SelectJoints', 'TopdownAffine']
