"""Models: a backbone for all tasks, a projector per task, a head per source."""
from .backbones import HumanHRNet, HumanViT, LastStage, PointNet2MSG, SemanticSwin, TimmSwin, TimmViT
from .data_preprocessor import HumanDataPreprocessor
from .depth import DepthPreprocessor
from .graph import SemGCN
from .heads import (
    AttributeHead,
    BaseHead,
    CountingHead,
    CSPHead,
    DenseHead,
    DetectionHead,
    LinearAttributeHead,
    LinearReIDHead,
    LocalEnhancedReIDHead,
    OCRParsingHead,
    ParsingHead,
    PersonSearchHead,
    PixelParsingHead,
    Pose3DHead,
    PoseHead,
    ReIDHead,
    TextReIDHead,
)
from .human_model import HumanModel
from .pretext import (
    BasePretext,
    DINOPretext,
    HAPPretext,
    HCMoCoParsingPretext,
    HCMoCoPretext,
    HCMoCoQueuePretext,
    MAEPretext,
    SOLIDERPretext,
)
from .projectors import IdentityProjector, LadderProjector
from .text import TextEncoder

__all__ = [
    'AttributeHead', 'BaseHead', 'BasePretext', 'CSPHead', 'CountingHead', 'DINOPretext', 'DenseHead',
    'DepthPreprocessor', 'DetectionHead', 'HAPPretext', 'HCMoCoParsingPretext', 'HCMoCoPretext',
    'HCMoCoQueuePretext', 'HumanDataPreprocessor', 'HumanHRNet', 'HumanModel', 'HumanViT', 'IdentityProjector',
    'LadderProjector', 'LastStage', 'LinearAttributeHead', 'LinearReIDHead', 'LocalEnhancedReIDHead', 'MAEPretext',
    'OCRParsingHead', 'ParsingHead', 'PersonSearchHead', 'PixelParsingHead', 'PointNet2MSG', 'Pose3DHead', 'PoseHead',
    'ReIDHead', 'SOLIDERPretext', 'SemGCN', 'SemanticSwin', 'TextEncoder', 'TextReIDHead', 'TimmSwin', 'TimmViT']
