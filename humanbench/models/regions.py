"""Regions of a feature map: cutting them out, and what looks at them.

Shapes: B images, R regions of all of them, C channels, H x W the map, h x w a region.
"""
from collections.abc import Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SAMPLES = 2  # along each axis of a cell


def cut_regions(maps: Tensor, boxes: Sequence[Tensor], size: int, stride: float) -> Tensor:
    """RoIAlign (He et al. 2017, arXiv 1703.06870) with pixel centres at halves and 2 x 2 samples a cell.

    The libraries' operators are compiled; without them torchvision's would ask for a compiler. This is bilinear
    sampling that PyTorch has on every device, equal to theirs for boxes within the image.

    Args:
        maps: (B, C, H, W).
        boxes: of each image (r, 4) corners x1, y1, x2, y2 in pixels, within the image.
        size: h and w.
        stride: pixels per cell of the map.

    Returns:
        (R, C, h, w) in the order of the images.
    """
    grid = maps.new_tensor([maps.shape[3], maps.shape[2]]) * stride
    cells = torch.arange(size, device=maps.device, dtype=maps.dtype)
    regions = []
    for image, own in zip(maps, boxes):
        corner, extent = own[:, None, :2].to(maps), (own[:, None, 2:] - own[:, None, :2]).to(maps)
        total = 0.0
        for down, right in product(range(SAMPLES), repeat=2):
            x, y = (corner[..., i] + extent[..., i] * (cells + (part + 0.5) / SAMPLES) / size
                    for i, part in enumerate((right, down)))  # (r, w) and (r, h)
            places = torch.stack([x[:, None].expand(-1, size, -1), y[:, :, None].expand(-1, -1, size)], dim=-1)
            found = F.grid_sample(image[None], (2 * places / grid - 1).flatten(0, 1)[None], padding_mode='border',
                                  align_corners=False)
            total = total + found[0].unflatten(1, (-1, size)).transpose(0, 1)
        regions.append(total / SAMPLES**2)
    return torch.cat(regions)


class ResidualStage(nn.Module):
    """Residual blocks on regions, the first of stride 2: for backbones without a stage of their own for it.

    The first block also sees where in the region a cell lies, from -1 to 1 along each axis: what comes out is pooled,
    and a box is to be moved by what is seen where.

    Args:
        channels: C.
        out_channels: of the regions that leave; None for C.
        blocks: how many.
    """

    def __init__(self, channels: int, out_channels: int | None = None, blocks: int = 2):
        super().__init__()
        self.out_channels = out_channels or channels
        widths = [channels + 2, *[self.out_channels] * blocks]
        self.blocks = nn.Sequential(*(_Block(a, b, 1 if i else 2) for i, (a, b) in enumerate(zip(widths, widths[1:]))))

    def forward(self, regions: Tensor) -> Tensor:
        """(R, C', h / 2, w / 2) of regions (R, C, h, w)."""
        axes = (torch.linspace(-1, 1, side, device=regions.device, dtype=regions.dtype) for side in regions.shape[2:])
        places = torch.stack(torch.meshgrid(*axes, indexing='ij'))[None].expand(len(regions), -1, -1, -1)
        return self.blocks(torch.cat([regions, places], dim=1))


class _Block(nn.Module):
    """Two convolutions and a shortcut; group norm, because regions of one image are no sample of a batch."""

    def __init__(self, channels: int, out_channels: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.GroupNorm(_groups(out_channels), out_channels) for _ in range(2))
        self.shortcut = (nn.Conv2d(channels, out_channels, 1, stride, bias=False)
                         if stride > 1 or channels != out_channels else nn.Identity())
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norms[0](self.first(x)))
        return F.relu(self.norms[1](self.second(inner)) + self.shortcut(x))


def _groups(channels: int) -> int:
    """At most 32, and a divisor."""
    return next(n for n in range(min(32, channels), 0, -1) if channels % n == 0)
