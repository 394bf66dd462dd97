"""Models: a backbone for all tasks, a projector per task, a head per source."""
from .backbones import HumanViT, TimmSwin, TimmViT
from .data_preprocessor import HumanDataPreprocessor
from .heads import (
    AttributeHead,
    BaseHead,
    CountingHead,
    DenseHead,
    DetectionHead,
    OCRParsingHead,
    ParsingHead,
    PoseHead,
    ReIDHead,
)
from .human_model import HumanModel
from .projectors import IdentityProjector, LadderProjector

__all__ = [
    'AttributeHead', 'BaseHead', 'CountingHead', 'DenseHead', 'DetectionHead', 'HumanDataPreprocessor', 'HumanModel',
    'HumanViT', 'IdentityProjector', 'LadderProjector', 'OCRParsingHead', 'ParsingHead', 'PoseHead', 'ReIDHead',
    'TimmSwin', 'TimmViT']
