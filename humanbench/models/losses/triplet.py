"""Triplet loss for identity features.

Shapes: B features of C channels.
"""
import torch
import torch.nn.functional as F
from torch import Tensor


def euclidean(features: Tensor) -> Tensor:
    """Pairwise Euclidean distances (B, B) of features (B, C), with a finite gradient for equal ones."""
    squared = features.pow(2).sum(1)
    distance = squared[:, None] + squared[None] - 2 * features @ features.T
    return distance.clamp(min=1e-12).sqrt()


def batch_hard_triplet(features: Tensor, identities: Tensor) -> Tensor:
    """Batch-hard triplet loss with a soft margin.

    Every feature that has company of its own identity and of another is an anchor; its loss is
    ``softplus(furthest of its identity - nearest of another)`` (Hermans et al. 2017, arXiv 1703.07737).

    Args:
        features: (B, C), not normalised. Computed in float32 at least, whatever autocast says.
        identities: (B,) integer labels.

    Returns:
        () mean over the anchors; 0 where there is none.
    """
    with torch.autocast(features.device.type, enabled=False):
        distance = euclidean(features if features.dtype == torch.float64 else features.float())
        same = identities[:, None] == identities[None]
        positive = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
        anchors = positive.any(1) & (~same).any(1)
        furthest = distance.masked_fill(~positive, -torch.inf).amax(1)
        nearest = distance.masked_fill(same, torch.inf).amin(1)
        loss = F.softplus(torch.where(anchors, furthest - nearest, 0))
        return (loss * anchors).sum() / anchors.sum().clamp(min=1)
