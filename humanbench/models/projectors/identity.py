"""No projector: the heads read the backbone."""
from torch import nn

from ...registry import MODELS
from ...structures import Features


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

    def forward(self, features: Features) -> Features:
        """The features themselves."""
        return features
