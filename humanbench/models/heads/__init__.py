"""Heads: one file per task."""
from .attribute import AttributeHead, LinearAttributeHead
from .base import BaseHead, DenseHead
from .counting import CountingHead
from .csp import CSPHead
from .detection import DetectionHead
from .parsing import OCRParsingHead, ParsingHead, PixelParsingHead
from .person_search import PersonSearchHead
from .pose import PoseHead
from .pose_3d import Pose3DHead
from .reid import LinearReIDHead, LocalEnhancedReIDHead, ReIDHead
from .text_reid import TextReIDHead

__all__ = ['AttributeHead', 'BaseHead', 'CSPHead', 'CountingHead', 'DenseHead', 'DetectionHead',
           'LinearAttributeHead', 'LinearReIDHead', 'LocalEnhancedReIDHead', 'OCRParsingHead', 'ParsingHead',
           'PersonSearchHead', 'PixelParsingHead', 'Pose3DHead', 'PoseHead', 'ReIDHead', 'TextReIDHead']
