"""Crowd counting: a density map whose sum is the number of people.

Shapes: B images, C channels, h x w cells of the density map, n points.
"""
import math
from typing import Literal

import torch
import torch.nn.functional as F
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from ...errors import UserError, unknown_name
from ...registry import MODELS
from ...structures import Features, HumanSample
from ..losses.optimal_transport import transport_loss
from .base import DenseHead, full_precision


def dot_map(points: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Number of points in every cell, (h, w); a point beyond an edge belongs to the cell at that edge."""
    height, width = size
    limit = torch.tensor([width - 1, height - 1], device=points.device)
    x, y = (points / stride).floor().long().clamp(min=0).minimum(limit).unbind(1)
    dots = torch.bincount(y * width + x, minlength=height * width).view(height, width)
    assert dots.sum() == len(points), 'a point was lost on the way to its cell'
    return dots.to(points.dtype)


def gaussian_map(points: Tensor, size: tuple[int, int], stride: int, sigma: float) -> Tensor:
    """One Gaussian of ``sigma`` pixels per point, each brought to sum 1 inside the map, (h, w)."""
    profiles = []
    for axis, length in enumerate(size[::-1]):
        centres = (torch.arange(length, device=points.device, dtype=points.dtype) + .5) * stride
        # softmax: a point far outside still has a whole unit to give, to the nearest cells
        profiles.append((-(centres - points[:, axis, None])**2 / (2 * sigma**2)).softmax(1))
    along_x, along_y = profiles
    return along_y.T @ along_x


@MODELS.register_module()
class CountingHead(DenseHead):
    """Density map at twice the resolution of a plain ViT's map: 1x1, enlarge, 3x3, 3x3, 1x1, softplus.

    PATH published counting results and no counting code; head and default loss are those of DM-Count, with the
    reduction, the norms and the softplus (no dead units at the start) added. The norm is over the channels of each
    cell: one over cells as well (group, instance) takes away how full an image is, and was measured to double the
    error.

    Args:
        in_channels: channels of the map.
        channels: of the hidden maps; the last one has half as many.
        stride: pixels per cell of the density map.
        in_stride: pixels per cell of the feature map, a multiple of ``stride``.
        loss: ``'dm'``: L1 of the count + optimal transport + total variation, no kernel width to choose (DM-Count).
            ``'gaussian'``: squared error of a smoothed map + L1 of the count; learns faster in runs of minutes.
        window: (H, W) of the training crops; a larger image is then predicted in such windows. None: in one pass.
        mean_count_per_cell: what an untrained head predicts everywhere (ShanghaiTech A about 0.05, B about 0.01).
        transport_weight: of optimal transport, a mean over images like all else here. DM-Count's code sums it over its
            batch of 10, so its 0.1 is 1.0 here.
        variation_weight: of the total variation, each image weighted by its number of people.
        reg: entropy of the transport, in squared pixels.
        iterations: of the transport.
        sigma: of the Gaussians in pixels.
        density_weight: of the squared error of the smoothed map.
        gaussian_count_weight: of the count beside it.
    """
    task = 'counting'

    def __init__(self, in_channels: int, channels: int = 256, stride: int = 8, in_stride: int = 16,
                 loss: Literal['dm', 'gaussian'] = 'dm', window: tuple[int, int] | None = None,
                 mean_count_per_cell: float = 0.05, transport_weight: float = 0.1, variation_weight: float = 0.01,
                 reg: float = 10.0, iterations: int = 100, sigma: float = 8.0, density_weight: float = 100.0,
                 gaussian_count_weight: float = 0.1):
        super().__init__(in_channels)
        if in_stride % stride:
            raise UserError(f'CountingHead: in_stride {in_stride} is not a multiple of stride {stride}.')
        losses = dict(dm=self._distribution_loss, gaussian=self._gaussian_loss)
        if loss not in losses:
            raise unknown_name('counting loss', loss, losses)
        self.image_loss = losses[loss]
        self.window = None if window is None else tuple(window)
        self.stride, self.enlarge = stride, in_stride // stride
        self.transport_weight, self.variation_weight = transport_weight, variation_weight
        self.reg, self.iterations = reg, iterations
        self.sigma, self.density_weight, self.gaussian_count_weight = sigma, density_weight, gaussian_count_weight

        half = channels // 2
        self.reduce = nn.Sequential(nn.Conv2d(in_channels, channels, 1, bias=False), LayerNorm2d(channels), nn.ReLU())
        self.density = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), LayerNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, half, 3, padding=1, bias=False), LayerNorm2d(half), nn.ReLU(), nn.Conv2d(half, 1, 1))
        nn.init.normal_(self.density[-1].weight, std=0.01)
        nn.init.constant_(self.density[-1].bias, math.log(math.expm1(mean_count_per_cell)))  # softplus undone

    def forward(self, features: Features) -> Tensor:
        """People per cell (B, 1, h, w), float32."""
        maps = self.reduce(features.maps[-1])
        maps = F.interpolate(maps, scale_factor=self.enlarge, mode='bilinear', align_corners=False)
        return F.softplus(self.density(maps).float())

    def _valid_size(self, sample: HumanSample) -> tuple[int, int]:
        """Cells (h, w) that show any of the image, the others being padding."""
        return tuple(-(-side // self.stride) for side in sample.img_shape[:2])

    def loss(self, features: Features, samples: list[HumanSample]) -> dict[str, Tensor]:
        """Means over images; padding takes no part.

        ``loss_count`` and, by the choice of loss, ``loss_density`` or ``loss_transport``, ``loss_tv`` and, to watch,
        ``transport_cost`` in squared pixels.
        """
        maps = self(features)
        padded = tuple(self.stride * side for side in maps.shape[-2:])
        if padded != tuple(samples[0].batch_input_shape):
            raise UserError(f'CountingHead: {tuple(maps.shape[-2:])} cells of {self.stride} pixels do not make up the '
                            f'input {tuple(samples[0].batch_input_shape)}. Set in_stride to the stride of the '
                            "backbone's last map.")
        with full_precision(maps):
            terms = []
            for density, sample in zip(maps[:, 0], samples):
                height, width = self._valid_size(sample)
                points = sample.gt_instances.points.to(density)
                terms.append(self.image_loss(density[:height, :width], points))
            return {key: torch.stack([term[key] for term in terms]).mean() for key in terms[0]}

    def _distribution_loss(self, density: Tensor, points: Tensor) -> dict[str, Tensor]:
        """DM-Count. An image without people has a count and no distribution."""
        count_error = (density.sum() - len(points)).abs()
        if not len(points):
            nothing = density.new_zeros(())
            return dict(loss_count=count_error, loss_transport=nothing, loss_tv=nothing, transport_cost=nothing)
        transport, cost = transport_loss(density, points, self.stride, self.reg, self.iterations)
        dots = dot_map(points, density.shape, self.stride)
        # per person: |density / sum - dots / n| * n
        variation = (density / density.sum() * len(points) - dots).abs().sum()
        return dict(loss_count=count_error, loss_transport=self.transport_weight * transport,
                    loss_tv=self.variation_weight * variation, transport_cost=cost)

    def _gaussian_loss(self, density: Tensor, points: Tensor) -> dict[str, Tensor]:
        target = gaussian_map(points, density.shape, self.stride, self.sigma)
        count_error = (density.sum() - len(points)).abs()
        return dict(loss_density=self.density_weight * F.mse_loss(density, target),
                    loss_count=self.gaussian_count_weight * count_error)

    def decode(self, maps: Tensor, samples: list[HumanSample]) -> list[HumanSample]:
        """Samples with ``pred_density`` (h, w) of the image without its padding, and ``pred_count`` its sum."""
        for density, sample in zip(maps[:, 0], samples):
            height, width = self._valid_size(sample)
            sample.pred_density = density[:height, :width].float()
            sample.pred_count = sample.pred_density.sum()
        return samples
