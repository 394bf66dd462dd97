"""What every head has in common.

Shapes: B images, C channels, H x W pixels of the network's input, h x w a feature grid.
"""
import contextlib

import torch
from torch import Tensor, nn

from ...errors import UserError
from ...structures import Features, HumanSample


def full_precision(tensor: Tensor) -> contextlib.AbstractContextManager:
    """A context without autocast on the device of ``tensor``: losses and their statistics are computed in float32."""
    return torch.autocast(tensor.device.type, enabled=False)


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor, in float32 where it has fewer bits."""
    return tensor if tensor.dtype is torch.float64 else tensor.float()


class BaseHead(nn.Module):
    """Turns features into a loss or into predictions.

    Attributes:
        task: the task it serves.
        reads_levels: whether it reads several maps; it is then built with ``levels``, what they are.
        window: (H, W) of the crops that it is trained on, where a larger image is predicted in such windows; or None.
            Only a :class:`DenseHead` may have one.

    Args:
        in_channels: channels of the features, given by the model.
    """
    task: str
    reads_levels: bool = False
    window: tuple[int, int] | None = None

    def __init__(self, in_channels: int):
        super().__init__()
        self.in_channels = in_channels

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """Losses of one unit: the entries with ``loss`` in their name add up, others are only reported."""
        raise NotImplementedError

    def predict(self, features: Features, samples: list[HumanSample]) -> list[HumanSample]:
        """The samples with predictions, in pixels of the original image where they have a place."""
        raise NotImplementedError

    def count(self, samples: list[HumanSample]) -> float:
        """What the mean loss of these samples is a mean over; here images."""
        return float(len(samples))

    def require_statistics(self, samples: list[HumanSample]) -> None:
        """Refuse a training unit of one image, of which batch norm over images can take no statistics."""
        if self.training and len(samples) < 2:
            raise UserError(f'{type(self).__name__} normalises over the images of a unit, but got a unit of one '
                            f"(source '{samples[0].get('source')}'). Give this source a batch_size of 2 or more.")


class DenseHead(BaseHead):
    """A head whose raw output is a map, so that the model can average it over flips and windows before decoding."""

    def forward(self, features: Features) -> Tensor:
        """Raw maps (B, channels, h, w)."""
        raise NotImplementedError

    def decode(self, maps: Tensor, samples: list[HumanSample]) -> list[HumanSample]:
        """The samples with predictions made of their maps."""
        raise NotImplementedError

    def predict(self, features: Features, samples: list[HumanSample]) -> list[HumanSample]:
        """The samples with predictions."""
        return self.decode(self(features), samples)
