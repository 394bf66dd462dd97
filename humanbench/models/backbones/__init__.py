"""Backbones: images to :class:`~humanbench.structures.Features`."""
from .vit import HumanViT

__all__ = ['HumanViT']
