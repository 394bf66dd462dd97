"""Losses that no library has in the form that the recipes need."""
from .attribute import weighted_attribute_loss
from .optimal_transport import sinkhorn, transport_loss
from .set_prediction import Matching, SetPrediction
from .triplet import batch_hard_triplet

__all__ = ['Matching', 'SetPrediction', 'batch_hard_triplet', 'sinkhorn', 'transport_loss',
           'weighted_attribute_loss']
