"""What self-supervised objectives have in common.

A pretext is a head that says itself what the backbone looks at: views of the images, each with its own condition
(which patches are seen, say). It may compare its images with those of all other units of its source in a step; they
come to it as keys, whose gradient nobody needs.

Shapes: B images, V views, U units of the source in a step, C channels.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...structures import Features, HumanSample
from ..heads.base import BaseHead


@dataclass(frozen=True)
class View:
    """What the backbone sees of a batch.

    Attributes:
        images: (B, 3, H, W).
        condition: of the backbone, beside task and drop path.
        masked: (B, N) True for the patches that are not seen; None where all are.
    """
    images: Tensor
    condition: Mapping[str, Any] = field(default_factory=dict)
    masked: Tensor | None = None


@dataclass(frozen=True)
class Shared:
    """Keys of all units of a source in a step.

    Attributes:
        keys: (U, V, B, C), all zero where a unit had none that are finite.
        unit: which of them is the one at hand.
    """
    keys: Tensor
    unit: int


@dataclass(frozen=True)
class Looked:
    """A batch that the backbone has seen: the views, and the features of each."""
    views: list[View]
    features: list[Features]


class BasePretext(BaseHead):
    """A self-supervised objective.

    Attributes:
        shares_keys: whether images are compared with those of other units.
    """
    task = 'pretext'
    shares_keys = False

    def views(self, images: Tensor, samples: Sequence[HumanSample], generator: torch.Generator) -> list[View]:
        """What the backbone sees of a batch; all that is random is drawn from ``generator``, on the host."""
        raise NotImplementedError

    def forward(self, features: Sequence[Features], views: Sequence[View]) -> list[Tensor]:
        """What is predicted of each view, before the loss."""
        raise NotImplementedError

    def targets(self, views: Sequence[View], batch: int) -> Tensor | None:
        """What another network than the one that learns says of the views of ``batch`` images, for the loss to compare
        with; without gradient. None where there is no such network."""
        return None

    def keys(self, features: Sequence[Features]) -> Tensor:
        """What other units are told of this one: (V, B, C)."""
        raise NotImplementedError

    def loss(self, features: Sequence[Features], samples: Sequence[HumanSample], views: Sequence[View],
             shared: Shared | None = None) -> dict[str, Tensor]:
        """Losses of one unit, as those of any head.

        Args:
            features: of each view.
            samples: B samples.
            views: as :meth:`views` made them.
            shared: keys of the whole step; None compares the images with each other.
        """
        raise NotImplementedError

    def predict(self, features: Sequence[Features], samples: list[HumanSample],
                views: Sequence[View]) -> list[HumanSample]:
        """The samples with what the pretext can show of them."""
        raise NotImplementedError
