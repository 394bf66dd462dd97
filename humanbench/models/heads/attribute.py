"""Pedestrian attributes.

Shapes: B images, C channels, A attributes.
"""
from collections.abc import Sequence

import torch
from timm.layers import trunc_normal_
from torch import Tensor, nn

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, HumanSample
from ..losses.attribute import weighted_attribute_loss
from .base import BaseHead, full_precision


class WeightedAttributeHead(BaseHead):
    """The pooled feature to logits, and a cross-entropy weighted by the rarity of each label.

    Args:
        in_channels: C.
        num_attributes: A.
        positive_ratio: (A,) how often each attribute is present in the training set. None estimates it as a running
            mean over units, and then a unit's loss depends on the units before it; recipes name it.
        momentum: of that estimate.
    """
    task = 'attribute'

    def __init__(self, in_channels: int, num_attributes: int, positive_ratio: Sequence[float] | None = None,
                 momentum: float = 0.05):
        super().__init__(in_channels)
        if positive_ratio is not None and len(positive_ratio) != num_attributes:
            raise UserError(f'{type(self).__name__} has {num_attributes} attributes, but positive_ratio has '
                            f'{len(positive_ratio)} values. Give one for each.')
        self.estimates, self.momentum = positive_ratio is None, momentum
        ratio = torch.full((num_attributes,), 0.5) if self.estimates else torch.tensor(positive_ratio).float()
        self.register_buffer('positive_ratio', ratio)

    def forward(self, features: Features) -> Tensor:
        """Logits (B, A), in full precision."""
        raise NotImplementedError

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_attribute``."""
        logits = self(features)
        labels = torch.stack([sample.gt_attributes for sample in samples]).to(logits.device)
        with full_precision(logits):
            loss = weighted_attribute_loss(logits, labels, self.positive_ratio)
        if self.estimates and self.training:
            self._estimate(labels)
        return dict(loss_attribute=loss)

    @torch.no_grad()
    def _estimate(self, labels: Tensor) -> None:
        """Move the estimated ratios of the attributes that this unit knows towards its own."""
        known = (labels >= 0).sum(0)
        ratio = (labels == 1).sum(0) / known.clamp(min=1)
        step = self.momentum * (known > 0)
        self.positive_ratio += step * (ratio - self.positive_ratio)

    def predict(self, features: Features, samples: list[HumanSample]) -> list[HumanSample]:
        """Sets ``pred_attributes`` (A,), probabilities."""
        for sample, probabilities in zip(samples, self(features).sigmoid()):
            sample.pred_attributes = probabilities
        return samples


@MODELS.register_module()
class AttributeHead(WeightedAttributeHead):
    """Linear layer and batch norm; the linear layer has no bias, which the batch norm after it would subtract.

    Args:
        in_channels: C.
        num_attributes: A.
        positive_ratio: of :class:`WeightedAttributeHead`.
        momentum: likewise.
    """

    def __init__(self, in_channels: int, num_attributes: int, positive_ratio: Sequence[float] | None = None,
                 momentum: float = 0.05):
        super().__init__(in_channels, num_attributes, positive_ratio, momentum)
        self.linear = nn.Linear(in_channels, num_attributes, bias=False)
        trunc_normal_(self.linear.weight, std=0.02)
        self.norm = nn.BatchNorm1d(num_attributes)

    def forward(self, features: Features) -> Tensor:
        """Logits (B, A), in full precision."""
        with full_precision(features.pooled):
            return self.norm(self.linear(features.pooled.to(self.linear.weight.dtype)))

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """``loss_attribute``."""
        self.require_statistics(samples)
        return super().loss(features, samples)


@MODELS.register_module()
class LinearAttributeHead(WeightedAttributeHead):
    """A linear layer and nothing else: HAP's head.

    Args:
        in_channels: C.
        num_attributes: A.
        positive_ratio: of :class:`WeightedAttributeHead`.
        momentum: likewise.
    """

    def __init__(self, in_channels: int, num_attributes: int, positive_ratio: Sequence[float] | None = None,
                 momentum: float = 0.05):
        super().__init__(in_channels, num_attributes, positive_ratio, momentum)
        self.linear = nn.Linear(in_channels, num_attributes)
        trunc_normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Features) -> Tensor:
        """Logits (B, A), in full precision."""
        with full_precision(features.pooled):
            return self.linear(features.pooled.to(self.linear.weight.dtype))
