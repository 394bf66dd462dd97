"""Backbones: images to :class:`~humanbench.structures.Features`."""
from .conditioned import Conditioned
from .hrnet import HumanHRNet, merge
from .pointnet2 import PointNet2MSG
from .semantic_swin import LastStage, SemanticSwin
from .timm_swin import TimmSwin
from .timm_vit import TimmViT
from .vit import HumanViT

__all__ = ['Conditioned', 'HumanHRNet', 'HumanViT', 'LastStage', 'PointNet2MSG', 'SemanticSwin', 'TimmSwin', 'TimmViT',
           'merge']
