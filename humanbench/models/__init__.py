"""Models: a backbone for all tasks, a projector per task, a head per source."""
from .backbones import HumanViT, TimmSwin, TimmViT
from .data_preprocessor import HumanDataPreprocessor
from .heads import (
    AttributeHead,
    BaseHead,
    CountingHead,
    DenseHead,
    DetectionHead,
    LinearAttributeHead,
    LinearReIDHead,
    LocalEnhancedReIDHead,
    OCRParsingHead,
    ParsingHead,
    PoseHead,
    ReIDHead,
)
from .human_model import HumanModel
from .projectors import IdentityProjector, LadderProjector

__all__ = [
    'AttributeHead', 'BaseHead', 'CountingHead', 'DenseHead', 'DetectionHead', 'HumanDataPreprocessor', 'HumanModel',
    'HumanViT', 'IdentityProjector', 'LadderProjector', 'LinearAttributeHead', 'LinearReIDHead',
    'LocalEnhancedReIDHead', 'OCRParsingHead', 'ParsingHead', 'PoseHead', 'ReIDHead', 'TimmSwin', 'TimmViT']
