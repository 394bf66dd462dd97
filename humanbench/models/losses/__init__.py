"""Losses that no library has in the form that the recipes need."""
from .triplet import batch_hard_triplet

__all__ = ['batch_hard_triplet']
