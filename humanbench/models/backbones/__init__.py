"""Backbones: images to :class:`~humanbench.structures.Features`."""
from .timm_swin import TimmSwin
from .timm_vit import TimmViT
from .vit import HumanViT

__all__ = ['HumanViT', 'TimmSwin', 'TimmViT']
