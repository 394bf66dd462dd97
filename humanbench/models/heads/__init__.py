"""Heads: one file per task."""
from .attribute import AttributeHead
from .base import BaseHead, DenseHead
from .counting import CountingHead
from .detection import DetectionHead
from .parsing import OCRParsingHead, ParsingHead
from .pose import PoseHead
from .reid import ReIDHead

__all__ = ['AttributeHead', 'BaseHead', 'CountingHead', 'DenseHead', 'DetectionHead', 'OCRParsingHead', 'ParsingHead',
           'PoseHead', 'ReIDHead']
