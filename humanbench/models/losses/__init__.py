"""Losses that no library has in the form that the recipes need."""
from .attribute import weighted_attribute_loss
from .optimal_transport import sinkhorn, transport_loss
from .semi_hard import semi_hard_ranking
from .set_prediction import Matching, SetPrediction
from .triplet import batch_hard_triplet

__all__ = ['Matching', 'SetPrediction', 'batch_hard_triplet', 'semi_hard_ranking', 'sinkhorn', 'transport_loss',
           'weighted_attribute_loss']
