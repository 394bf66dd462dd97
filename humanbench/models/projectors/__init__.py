"""Projectors: task-specific modules between the shared backbone and the heads."""
from .identity import IdentityProjector

__all__ = ['IdentityProjector']
