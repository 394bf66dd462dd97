"""Person re-identification.

Shapes: B images, C channels, N identities, h x w patches.
"""
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck

from ...registry import MODELS
from ...structures import Features, HumanSample
from ..losses.triplet import batch_hard_triplet
from .base import BaseHead, full_precision


class IdentityHead(BaseHead):
    """A head that tells identities apart in training; queries and galleries are compared by its feature.

    The feature is the class token where there is one, else the pooled feature.
    """
    task = 'reid'

    def feature(self, features: Features) -> Tensor:
        """What queries and galleries are compared by, (B, C)."""
        return features.pooled if features.cls is None else features.cls

    @staticmethod
    def identities(samples: list[HumanSample], device: torch.device) -> Tensor:
        """(B,) training labels."""
        return torch.stack([sample.gt_identity for sample in samples]).to(device).long().reshape(-1)

    def predict(self, features: Features, samples: list[HumanSample]) -> list[HumanSample]:
        """Sets ``pred_feature`` (C,), not normalised."""
        for sample, feature in zip(samples, self.feature(features).float()):
            sample.pred_feature = feature
        return samples


def neck_and_classifier(channels: int, num_identities: int) -> tuple[nn.BatchNorm1d, nn.Linear]:
    """Batch norm whose bias stays zero, and a linear classifier without bias."""
    neck = nn.BatchNorm1d(channels)
    neck.bias.requires_grad_(False)  # keeps the spaces of classifier and triplet centred on one origin
    classifier = nn.Linear(channels, num_identities, bias=False)
    nn.init.normal_(classifier.weight, std=0.001)
    return neck, classifier


def accuracy(logits: Tensor, identities: Tensor) -> Tensor:
    """() share of rightly classified images."""
    return (logits.detach().argmax(1) == identities).float().mean()


@MODELS.register_module()
class ReIDHead(IdentityHead):
    """Batch-norm neck with identity classifier and batch-hard triplet (Luo et al. 2019, arXiv 1903.07071).

    The triplet acts on the feature before the neck, the classifier on the one after it; the feature before it is what
    queries and galleries are compared by.

    Args:
        in_channels: width of the feature.
        num_identities: training identities.
        triplet_weight: weight of the triplet beside the cross-entropy.
    """

    def __init__(self, in_channels: int, num_identities: int, triplet_weight: float = 1.0):
        super().__init__(in_channels)
        self.triplet_weight = triplet_weight
        self.neck, self.classifier = neck_and_classifier(in_channels, num_identities)

    def forward(self, features: Features) -> Tensor:
        """Logits (B, N)."""
        return self.classifier(self.neck(self.feature(features).to(self.classifier.weight.dtype)))

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_id``, ``loss_triplet``, and the share of rightly classified images as ``accuracy``."""
        self.require_statistics(samples)
        feature = self.feature(features)
        identities = self.identities(samples, feature.device)
        with full_precision(feature):
            logits = self(features)
            triplet = batch_hard_triplet(feature.to(logits.dtype), identities)
            return dict(
                loss_id=F.cross_entropy(logits, identities), loss_triplet=self.triplet_weight * triplet,
                accuracy=accuracy(logits, identities))


@MODELS.register_module()
class LinearReIDHead(IdentityHead):
    """A linear identity classifier and the batch-hard triplet on one feature, no neck: HAP's head.

    Args:
        in_channels: width of the feature.
        num_identities: training identities.
        id_weight: of the cross-entropy.
        triplet_weight: of the triplet.
    """

    def __init__(self, in_channels: int, num_identities: int, id_weight: float = 0.5, triplet_weight: float = 0.5):
        super().__init__(in_channels)
        self.id_weight, self.triplet_weight = id_weight, triplet_weight
        self.classifier = nn.Linear(in_channels, num_identities)
        nn.init.normal_(self.classifier.weight, std=0.001)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, features: Features) -> Tensor:
        """Logits (B, N)."""
        return self.classifier(self.feature(features).to(self.classifier.weight.dtype))

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_id``, ``loss_triplet``, and the share of rightly classified images as ``accuracy``."""
        feature = self.feature(features)
        identities = self.identities(samples, feature.device)
        with full_precision(feature):
            logits = self(features)
            triplet = batch_hard_triplet(feature.to(logits.dtype), identities)
            return dict(
                loss_id=self.id_weight * F.cross_entropy(logits, identities),
                loss_triplet=self.triplet_weight * triplet, accuracy=accuracy(logits, identities))


@MODELS.register_module()
class LocalEnhancedReIDHead(IdentityHead):
    """A branch on the class token and one on the patches, whose losses are averaged: HAP's local-enhanced head.

    The patches go through three ResNet bottlenecks (C to 2 C channels, the first of stride 2), are averaged and
    normalised; each branch has a batch-norm neck with its own classifier, and a triplet before the neck. The features
    of both branches together, 3 C channels, are what queries and galleries are compared by.

    Args:
        in_channels: C.
        num_identities: training identities.
        id_weight: of the cross-entropy.
        triplet_weight: of the triplet.
    """
    BLOCKS = 3

    def __init__(self, in_channels: int, num_identities: int, id_weight: float = 0.5, triplet_weight: float = 0.5):
        super().__init__(in_channels)
        self.id_weight, self.triplet_weight = id_weight, triplet_weight
        self.local = _bottlenecks(in_channels, 2 * in_channels, self.BLOCKS)
        self.local_norm = nn.LayerNorm(2 * in_channels)
        self.global_branch = nn.Sequential(*neck_and_classifier(in_channels, num_identities))
        self.local_branch = nn.Sequential(*neck_and_classifier(2 * in_channels, num_identities))

    def branches(self, features: Features) -> tuple[Tensor, Tensor]:
        """Features of the class token (B, C) and of the patches (B, 2 C), in full precision."""
        patches = self.local(features.maps[-1]).mean((2, 3))
        with full_precision(patches):
            dtype = self.local_norm.weight.dtype
            return super().feature(features).to(dtype), self.local_norm(patches.to(dtype))

    def feature(self, features: Features) -> Tensor:
        """What queries and galleries are compared by, (B, 3 C)."""
        return torch.cat(self.branches(features), dim=1)

    def forward(self, features: Features) -> Tensor:
        """Logits of both branches (2, B, N)."""
        return self._logits(*self.branches(features))

    def _logits(self, whole: Tensor, local: Tensor) -> Tensor:
        with full_precision(whole):
            return torch.stack([self.global_branch(whole), self.local_branch(local)])

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_id``, ``loss_triplet``, means over the branches, and ``accuracy``, of the class token's branch."""
        self.require_statistics(samples)
        branches = self.branches(features)
        identities = self.identities(samples, branches[0].device)
        logits = self._logits(*branches)
        with full_precision(logits):
            classified = F.cross_entropy(logits.flatten(0, 1), identities.repeat(len(branches)))
            triplet = sum(batch_hard_triplet(feature, identities) for feature in branches) / len(branches)
            return dict(loss_id=self.id_weight * classified, loss_triplet=self.triplet_weight * triplet,
                        accuracy=accuracy(logits[0], identities))


def _bottlenecks(in_channels: int, out_channels: int, count: int) -> nn.Sequential:
    """A stage of a ResNet, stride 2, initialised as He et al. do."""
    width = out_channels // Bottleneck.expansion
    shortcut = nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=2, bias=False), nn.BatchNorm2d(out_channels))
    stage = nn.Sequential(Bottleneck(in_channels, width, stride=2, downsample=shortcut),
                          *(Bottleneck(out_channels, width) for _ in range(count - 1)))
    for module in stage.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
    return stage
