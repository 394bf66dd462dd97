"""Backbones: images to :class:`~humanbench.structures.Features`."""
from .hrnet import HumanHRNet
from .semantic_swin import LastStage, SemanticSwin
from .timm_swin import TimmSwin
from .timm_vit import TimmViT
from .vit import HumanViT

__all__ = ['HumanHRNet', 'HumanViT', 'LastStage', 'SemanticSwin', 'TimmSwin', 'TimmViT']
