"""Heads: one file per task."""
from .attribute import AttributeHead
from .base import BaseHead, DenseHead
from .parsing import OCRParsingHead, ParsingHead
from .pose import PoseHead
from .reid import ReIDHead

__all__ = ['AttributeHead', 'BaseHead', 'DenseHead', 'OCRParsingHead', 'ParsingHead', 'PoseHead', 'ReIDHead']
