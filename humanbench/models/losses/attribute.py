"""Cross-entropy of attributes that are rarely, or often, present.

Shapes: B images, A attributes.
"""
import torch
import torch.nn.functional as F
from torch import Tensor


def weighted_attribute_loss(logits: Tensor, labels: Tensor, positive_ratio: Tensor) -> Tensor:
    """Binary cross-entropy, each label weighted by the rarity of its value (DeepMAR, as PATH uses it).

    A present attribute weighs ``exp(1 - p)`` and an absent one ``exp(p)``, where p is how often it is present.

    Args:
        logits: (B, A).
        labels: (B, A) 1 present, 0 absent, -1 unknown (counts nowhere).
        positive_ratio: (A,) in [0, 1].

    Returns:
        () sum over attributes, mean over images.
    """
    positive = labels == 1
    weight = torch.where(positive, torch.exp(1 - positive_ratio), torch.exp(positive_ratio)) * (labels >= 0)
    loss = F.binary_cross_entropy_with_logits(logits, positive.to(logits.dtype), weight=weight, reduction='sum')
    return loss / len(logits)
