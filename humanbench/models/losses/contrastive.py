"""Contrastive losses.

Shapes: B queries, K keys, C channels.
"""
import torch.nn.functional as F
from torch import Tensor


def info_nce(queries: Tensor, keys: Tensor, positives: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of finding each query's own key among all keys (van den Oord et al. 2018).

    Args:
        queries: (B, C), of length 1.
        keys: (K, C), of length 1; one of length 0 is no key of anybody.
        positives: (B,) index of each query's key.
        temperature: of the softmax.
    """
    logits = queries @ keys.T / temperature
    return F.cross_entropy(logits.masked_fill(keys.square().sum(1) == 0, float('-inf')), positives)
