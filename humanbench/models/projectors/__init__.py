"""Projectors: task-specific modules between the shared backbone and the heads."""
from .identity import IdentityProjector
from .ladder import LadderProjector

__all__ = ['IdentityProjector', 'LadderProjector']
