"""Position tables of a grid, and their interpolation to another grid.

Shapes: h x w the stored grid, H x W the wanted one, C channels.
"""
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


def sincos_table(grid: tuple[int, int], channels: int) -> Tensor:
    """Fixed sine-cosine positions (1, h * w, C) as MAE initialises them: half of the channels for x, half for y."""
    assert channels % 4 == 0, 'sine and cosine of two axes need a width divisible by 4'
    frequencies = 10000 ** -(torch.arange(channels // 4, dtype=torch.float64) / (channels // 4))

    def axis(size: int) -> Tensor:
        angles = torch.arange(size, dtype=torch.float64)[:, None] * frequencies
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    y, x = axis(grid[0])[:, None], axis(grid[1])[None]
    table = torch.cat([x.expand(grid[0], -1, -1), y.expand(-1, grid[1], -1)], dim=-1)
    return table.reshape(1, -1, channels).float()


@lru_cache(maxsize=256)
def _bicubic(old: int, new: int, antialias: bool, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Matrix (new, old) of bicubic interpolation along one axis."""
    with torch.inference_mode(False):
        identity = torch.eye(old, dtype=torch.float64)
        matrix = F.interpolate(identity[None, None], size=(new, old), mode='bicubic', align_corners=False,
                               antialias=antialias)
        return matrix[0, 0].to(device=device, dtype=dtype)


def interpolate_positions(table: Tensor, grid: tuple[int, int], new_grid: tuple[int, int],
                          antialias: bool = False) -> Tensor:
    """Bicubic interpolation of a position table; the table itself where the grid is the same.

    Equal to ``F.interpolate(mode='bicubic')``, but written as two matrix products: the gradient of the library's
    version adds up in any order on a GPU, and so differs from run to run.

    Args:
        table: (1, h * w, C).
        grid: stored (h, w).
        new_grid: wanted (H, W).
        antialias: smooth where the grid gets coarser, as timm does; MAE and PATH do not.

    Returns:
        (1, H * W, C).
    """
    if grid == new_grid:
        return table
    with torch.autocast(table.device.type, enabled=False):
        rows, columns = (_bicubic(old, new, antialias, table.device, table.dtype)
                         for old, new in zip(grid, new_grid))
        table = table.reshape(*grid, -1)
        return torch.einsum('Hh,hwc,Ww->HWc', rows, table, columns).reshape(1, -1, table.shape[-1])
