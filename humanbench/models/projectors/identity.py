"""No projector: the heads read the backbone."""
from collections.abc import Sequence

from torch import nn

from ...registry import MODELS
from ...structures import Features, Level


@MODELS.register_module()
class IdentityProjector(nn.Module):
    """Passes the backbone's features on, as every finetuning run does.

    Args:
        in_channels: width of the backbone.
        depth: number of its blocks; unused.
    """

    def __init__(self, in_channels: int, depth: int):
        super().__init__()
        self.out_channels = in_channels

    def levels(self, backbone: Sequence[Level]) -> tuple[Level, ...]:
        """What its maps are, from what those of the backbone are."""
        return tuple(backbone)

    def forward(self, features: Features) -> Features:
        """The features themselves."""
        return features
