"""Heads: one file per task."""
from .base import BaseHead, DenseHead
from .reid import ReIDHead

__all__ = ['BaseHead', 'DenseHead', 'ReIDHead']
