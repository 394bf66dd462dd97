"""Backbones: images to :class:`~humanbench.structures.Features`."""
from .semantic_swin import LastStage, SemanticSwin
from .timm_swin import TimmSwin
from .timm_vit import TimmViT
from .vit import HumanViT

__all__ = ['HumanViT', 'LastStage', 'SemanticSwin', 'TimmSwin', 'TimmViT']
