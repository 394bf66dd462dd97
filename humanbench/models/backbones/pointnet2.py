"""PointNet++ with several scales, for depth seen as points in space.

Shapes: B images, H x W pixels, P points, M centres, k neighbours, C channels, h x w the cells of the map.
"""
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features
from ..depth import mean_depth, valid_depth
from .conditioned import Conditioned
from .points import ball_neighbours, farthest_points, gathered, interpolated, nearest_three

CENTRES = (4096, 1024, 256, 64)
RADII = ((0.025, 0.125), (0.125, 0.25), (0.25, 0.5), (0.5, 1.0))
WIDTHS = (((16, 32), (32, 64)), ((64, 128), (64, 128)), ((128, 256), (128, 256)), ((256, 512), (256, 512)))
PROPAGATION = ((128, 128), (256, 256), (512, 512), (512, 512))


class NormedConv(nn.Module):
    """A 1 x 1 convolution, batch norm over images and points, ReLU."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = nn.ModuleDict(dict(bn=nn.BatchNorm2d(out_channels)))
        nn.init.kaiming_normal_(self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, out_channels, M, k) of (B, in_channels, M, k)."""
        return self.bn['bn'](self.conv(x)).relu()


def shared_mlp(in_channels: int, widths: Sequence[int]) -> nn.Sequential:
    """The same layers for every point."""
    layers = nn.Sequential()
    for index, width in enumerate(widths):
        layers.add_module(f'layer{index}', NormedConv(in_channels, width))
        in_channels = width
    return layers


class Abstraction(nn.Module):
    """Centres among the points, each with what several balls about it hold."""

    def __init__(self, in_channels: int, centres: int, radii: Sequence[float], neighbours: Sequence[int],
                 widths: Sequence[Sequence[int]]):
        super().__init__()
        self.centres, self.balls = centres, tuple(zip(radii, neighbours, strict=True))
        self.mlps = nn.ModuleList(shared_mlp(3 + in_channels, x) for x in widths)
        self.out_channels = sum(x[-1] for x in widths)

    def forward(self, points: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor]:
        """Centres (B, M, 3) and their features (B, out_channels, M), of points (B, N, 3) with features (B, C, N)."""
        places = gathered(points.mT, farthest_points(points, self.centres))
        found = []
        for (radius, count), mlp in zip(self.balls, self.mlps, strict=True):
            near = ball_neighbours(places.mT, points, radius, count)
            x = gathered(points.mT, near) - places[..., None]
            if features is not None:
                x = torch.cat([x.to(features), gathered(features, near)], dim=1)
            found.append(mlp(x).amax(-1))
        return places.mT, torch.cat(found, dim=1)


class Propagation(nn.Module):
    """Features of centres brought back to the points that they were chosen from."""

    def __init__(self, in_channels: int, widths: Sequence[int]):
        super().__init__()
        self.mlp = shared_mlp(in_channels, widths)

    def forward(self, points: Tensor, centres: Tensor, features: Tensor | None, coarse: Tensor) -> Tensor:
        """(B, widths[-1], N) of points (B, N, 3) with features (B, C, N), from centres (B, M, 3) with ``coarse``."""
        x = interpolated(coarse, *nearest_three(points, centres))
        x = x if features is None else torch.cat([x, features], dim=1)
        return self.mlp(x[..., None])[..., 0]


@MODELS.register_module()
class PointNet2MSG(Conditioned, nn.Module):
    """Depth as points: drawn from the pixels that have one, put where they lie in space, seen at four scales.

    As HCMoCo's encoder of points, with its names (``SA_modules.I.mlps.J.layerK.*``, ``FP_modules.I.mlp.layerK.*``).
    Unlike there, a cell of the map that has no depth lies at the image's mean depth (there, at the camera), and the
    optical axis goes through the middle of the image it is given, a crop (there, of the whole picture). Cells are
    filled at the map's own stride, which is what filling all pixels and taking every fourth gives.

    It takes depth in metres and no picture, so that it serves as a pretext's encoder of depth, not as the backbone of a
    task.

    Args:
        points: P, drawn with replacement.
        centres: of each stage; at least 3.
        radii: of the balls of each stage, in metres.
        neighbours: k in each ball of a stage.
        widths: of the layers for each ball of each stage.
        propagation: of the layers on the way back, finest first.
        stride: pixels per cell of the map.
        pixel: how far apart the rays of two neighbouring pixels are at a distance of 1 m, in metres.

    Attributes:
        out_channels: C.
    """
    sees_metres = True
    drop_path = 0.0
    checkpointing = False

    def __init__(self, points: int = 4096, centres: Sequence[int] = CENTRES,
                 radii: Sequence[Sequence[float]] = RADII, neighbours: Sequence[int] = (16, 32),
                 widths: Sequence[Sequence[Sequence[int]]] = WIDTHS,
                 propagation: Sequence[Sequence[int]] = PROPAGATION, stride: int = 4, pixel: float = 0.0035):
        super().__init__()
        if len({len(centres), len(radii), len(widths), len(propagation)}) > 1 or min(points, *centres) < 3:
            raise UserError(f'PointNet2MSG: centres = {tuple(centres)}, radii, widths and propagation say different '
                            'numbers of stages, or fewer than 3 points.')
        self._arguments = dict(points=points, centres=centres, radii=radii, neighbours=neighbours, widths=widths,
                               propagation=propagation, stride=stride, pixel=pixel)
        self.points, self.patch_size, self.pixel = points, stride, pixel
        channels = [0]
        self.SA_modules, self.FP_modules = nn.ModuleList(), nn.ModuleList()
        for count, balls, mlps in zip(centres, radii, widths, strict=True):
            self.SA_modules.append(Abstraction(channels[-1], count, balls, neighbours, mlps))
            channels.append(self.SA_modules[-1].out_channels)
        coarser = [*(x[-1] for x in propagation[1:]), channels[-1]]
        for skipped, coarse, mlp in zip(channels, coarser, propagation):
            self.FP_modules.append(Propagation(skipped + coarse, mlp))
        self.out_channels, self.depth = propagation[0][-1], 2 * len(centres)

    @property
    def architecture(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        return dict(self._arguments)

    @property
    def blocks(self) -> list[nn.Module]:
        """All stages in the order in which they run."""
        return [*self.SA_modules, *reversed(self.FP_modules)]

    def layer_id(self, name: str) -> int:
        """Layer of a parameter: i + 1 for block i."""
        part, index, *_ = name.split('.')
        return int(index) + 1 if part == 'SA_modules' else self.depth - int(index)

    def forward(self, depth: Tensor, condition: dict | None = None) -> Features:
        """Features of points and cells.

        Args:
            depth: (B, 1, H, W) metres, 0 where there is none; H and W multiples of the stride.
            condition: ``generator`` (a CPU generator that points are drawn by; None for the same draws in every call).

        Returns:
            ``maps`` one map (B, C, h, w), ``tokens`` the points (B, P, C), ``pooled`` their mean.

        Raises:
            UserError: it is no depth.
        """
        if depth.ndim != 4 or depth.shape[1] != 1 or any(side % self.patch_size for side in depth.shape[-2:]):
            raise UserError(f'PointNet2MSG sees depth (B, 1, H, W) in metres, H and W multiples of {self.patch_size}; '
                            f'got {tuple(depth.shape)}.')
        generator = (condition or {}).get('generator') or torch.Generator().manual_seed(0)
        draws = torch.rand(len(depth), self.points, generator=generator).to(depth.device)
        with torch.autocast(depth.device.type, enabled=False):
            places, valid = in_space(depth.float(), self.pixel)
            clouds = draw(places, valid, draws)
            cells = places.unflatten(1, depth.shape[-2:])[:, ::self.patch_size, ::self.patch_size]
        features = self._see(clouds)
        grid = tuple(cells.shape[1:3])
        dense = interpolated(features, *nearest_three(cells.flatten(1, 2), clouds)).unflatten(2, grid)
        return Features(maps=[dense], tokens=[features.mT], cls=None, pooled=features.mean(2), grid=grid)

    def _see(self, clouds: Tensor) -> Tensor:
        """(B, C, P) of points (B, P, 3)."""
        levels: list[tuple[Tensor, Tensor | None]] = [(clouds, None)]
        for stage in self.SA_modules:
            levels.append(stage(*levels[-1]))
        (centres, coarse), *finer = reversed(levels)
        for stage, (points, features) in zip(reversed(self.FP_modules), finer, strict=True):
            centres, coarse = points, stage(points, centres, features, coarse)
        return coarse


def in_space(depth: Tensor, pixel: float) -> tuple[Tensor, Tensor]:
    """Where each pixel lies: (B, H W, 3) metres to the right, up, and farther than the image's mean depth; and which
    (B, H W) have a depth. The others are put at the mean.

    Args:
        depth: (B, 1, H, W) metres.
        pixel: how far apart the rays of two neighbouring pixels are at 1 m.
    """
    height, width = depth.shape[-2:]
    valid, mean = valid_depth(depth).flatten(1), mean_depth(depth).flatten(1)
    away = torch.where(valid, depth.flatten(1), mean)
    rows, columns = torch.meshgrid(torch.arange(height, device=depth.device), torch.arange(width, device=depth.device),
                                   indexing='ij')
    right, up = columns.flatten() - width / 2, height / 2 - rows.flatten()
    return torch.stack([right * pixel * away, up * pixel * away, away - mean], dim=-1), valid


def draw(places: Tensor, valid: Tensor, draws: Tensor) -> Tensor:
    """Points (B, P, 3), each of the valid ones as likely; the first place of an image that has none.

    Args:
        places: (B, N, 3).
        valid: (B, N) bool.
        draws: (B, P) from 0 to 1.
    """
    known = valid.cumsum(1)
    wanted = (draws * known[:, -1:]).long() + 1
    chosen = torch.searchsorted(known, wanted)
    chosen = torch.where(known[:, -1:] > 0, chosen, 0)
    return places.gather(1, chosen[..., None].expand(-1, -1, 3))
