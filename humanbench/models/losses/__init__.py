"""Losses that no library has in the form that the recipes need."""
from .attribute import weighted_attribute_loss
from .triplet import batch_hard_triplet

__all__ = ['batch_hard_triplet', 'weighted_attribute_loss']
