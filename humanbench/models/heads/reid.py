"""Person re-identification.

Shapes: B images, C channels.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...registry import MODELS
from ...structures import Features, HumanSample
from ..losses.triplet import batch_hard_triplet
from .base import BaseHead, full_precision


@MODELS.register_module()
class ReIDHead(BaseHead):
    """Batch-norm neck with identity classifier and batch-hard triplet (Luo et al. 2019, arXiv 1903.07071).

    The triplet acts on the feature before the neck, the classifier on the one after it; the feature before it is what
    queries and galleries are compared by. It is the class token where there is one, else the pooled feature.

    Args:
        in_channels: width of the feature.
        num_identities: training identities.
        triplet_weight: weight of the triplet beside the cross-entropy.
    """
    task = 'reid'

    def __init__(self, in_channels: int, num_identities: int, triplet_weight: float = 1.0):
        super().__init__(in_channels)
        self.triplet_weight = triplet_weight
        self.neck = nn.BatchNorm1d(in_channels)
        self.neck.bias.requires_grad_(False)  # keeps the two losses' spaces centred on one origin
        self.classifier = nn.Linear(in_channels, num_identities, bias=False)
        nn.init.normal_(self.classifier.weight, std=0.001)

    @staticmethod
    def feature(features: Features) -> Tensor:
        """The identity feature (B, C)."""
        return features.pooled if features.cls is None else features.cls

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_id``, ``loss_triplet``, and the share of rightly classified images as ``accuracy``."""
        self.require_statistics(samples)
        feature = self.feature(features)
        identities = torch.stack([sample.gt_identity for sample in samples]).to(feature.device).long().reshape(-1)
        with full_precision(feature):
            feature = feature.to(self.classifier.weight.dtype)
            logits = self.classifier(self.neck(feature))
            triplet = batch_hard_triplet(feature, identities)
            return dict(
                loss_id=F.cross_entropy(logits, identities), loss_triplet=self.triplet_weight * triplet,
                accuracy=(logits.detach().argmax(1) == identities).float().mean())

    def predict(self, features: Features, samples: list[HumanSample]) -> list[HumanSample]:
        """Sets ``pred_feature`` (C,), not normalised."""
        for sample, feature in zip(samples, self.feature(features).float()):
            sample.pred_feature = feature
        return samples
