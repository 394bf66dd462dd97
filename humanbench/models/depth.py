"""Depth as a network takes it.

Shapes: B images, H x W pixels.
"""
import math

import torch
from torch import Tensor

from ..errors import UserError
from ..registry import MODELS
from .data_preprocessor import HumanDataPreprocessor


def valid_depth(depth: Tensor) -> Tensor:
    """Where (bool, of the same shape) depth in metres is known: neither 0 nor infinite nor NaN."""
    return (depth > 0) & (depth < math.inf)


def mean_depth(depth: Tensor) -> Tensor:
    """Mean of the valid pixels of each image (..., 1, H, W): (..., 1, 1, 1) metres; 0 where there is none."""
    valid = valid_depth(depth)
    known = torch.where(valid, depth, 0)
    return known.sum((-3, -2, -1), keepdim=True) / valid.sum((-3, -2, -1), keepdim=True).clamp(min=1)


def depth_input(depth: Tensor) -> Tensor:
    """Depth as three equal channels: metres from the mean of an image's own valid pixels, and 0 where there is none.

    As HCMoCo has it: not divided by a deviation, so that a metre means the same in every image. What is added to all
    depths of an image changes nothing.

    Args:
        depth: (B, 1, H, W) or (1, H, W) metres; 0 where there is none.

    Returns:
        (B, 3, H, W) or (3, H, W), of the same precision; all zero where no pixel of an image is valid.
    """
    centred = torch.where(valid_depth(depth), depth - mean_depth(depth), 0)
    return centred.expand(*depth.shape[:-3], 3, *depth.shape[-2:])


@MODELS.register_module()
class DepthPreprocessor(HumanDataPreprocessor):
    """For recipes whose image is depth: stacks it, pads it to the right and bottom, and turns it into
    :func:`depth_input` on the device.

    ``inputs`` are (1, h, w) float32 metres, 0 where there is none. Padding has no depth. Samples keep the
    ``mean_depth`` that the network does not see. ``mean`` and ``std`` of the colours that a network was trained with
    mean nothing here.

    Args:
        pad_size_divisor: H and W become multiples of it; the backbone's patch.
        non_blocking: whether copies to the device may overlap with computation.
        colours: ``mean`` and ``std``, which a model passes on.
    """

    def __init__(self, pad_size_divisor: int = 16, non_blocking: bool = True, **colours: object):
        super().__init__(pad_size_divisor=pad_size_divisor, non_blocking=non_blocking)
        if unknown := colours.keys() - {'mean', 'std'}:
            raise UserError(f"DepthPreprocessor: no argument {', '.join(sorted(unknown))}.")

    def forward(self, data: dict, training: bool = False) -> dict:
        """A batch for the model, whose samples have ``mean_depth`` ()."""
        data = self.cast_data(data)
        for image, sample in zip(data['inputs'], data.get('data_samples') or ()):
            sample.mean_depth = mean_depth(image)[0, 0, 0]
        return super().forward(data, training)

    def pixels(self, images: Tensor) -> Tensor:
        """Grey pictures (..., 3, H, W) of inputs: from black, 2 m nearer than the mean, to white, 2 m farther."""
        return ((images + 2) * (255 / 4)).round().clamp(0, 255).to(torch.uint8)

    def _normalise(self, images: Tensor) -> Tensor:
        if images.shape[-3] != 1 or not images.is_floating_point():
            raise UserError(f'DepthPreprocessor: expected depth (1, h, w) in metres as floats, got a tensor of shape '
                            f'{tuple(images.shape[-3:])} and type {images.dtype}. For images, leave data_preprocessor '
                            'out of the model.')
        return depth_input(images)
