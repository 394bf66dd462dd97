"""MiniHuman: synthetic people, written to disk in the native format of every dataset."""
from .edition import SIZES, ensure

__all__ = ['SIZES', 'ensure']
