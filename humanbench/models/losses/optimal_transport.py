"""Entropic optimal transport between head points and a density map, with squared pixel distances.

Shapes: n points, h x w cells, m = h * w.
"""
import math

import torch
from torch import Tensor


def squared_distances(points: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Squared distance in pixels from every point (n, 2) x, y to the centre of every cell, (n, h * w), row by row."""
    x, y = ((torch.arange(length, device=points.device, dtype=points.dtype) + .5) * stride for length in size[::-1])
    along_x = (points[:, :1] - x)**2
    along_y = (points[:, 1:] - y)**2
    return (along_y[:, :, None] + along_x[:, None, :]).flatten(1)


@torch.no_grad()
def sinkhorn(rows: Tensor, columns: Tensor, cost: Tensor, reg: float, iterations: int) -> tuple[Tensor, Tensor]:
    """Dual potentials of min <P, cost> + reg sum P log P over plans P with the given margins.

    Works on logarithms: exp(-cost / reg) itself underflows some 30 pixels away at reg 10.

    Args:
        rows: (n,) positive, sum 1.
        columns: (m,) sum 1; zeros are lifted to the smallest normal number.
        cost: (n, m).
        reg: strength of the entropy, in the unit of the cost.
        iterations: updates of both potentials; the column margin holds exactly after each, the row margin in the limit.

    Returns:
        Potentials (n,) and (m,); the plan is exp((f + g - cost) / reg).
    """
    log_rows, log_columns = (x.clamp(min=torch.finfo(x.dtype).tiny).log() for x in (rows, columns))
    scaled = cost / reg
    g = torch.zeros_like(columns)
    for _ in range(iterations):
        f = log_rows - torch.logsumexp(g - scaled, 1)
        g = log_columns - torch.logsumexp(f[:, None] - scaled, 0)
    return reg * f, reg * g


def transport_loss(density: Tensor, points: Tensor, stride: int, reg: float = 10.,
                   iterations: int = 100) -> tuple[Tensor, Tensor]:
    """How far the mass of a density map, brought to sum 1, is from evenly weighted points (DM-Count's second term).

    The value is min <P, D> + reg KL(P | even) over the plans P between the two, with D the squared distance and
    ``even`` the plan that spreads every point over all cells: never negative. Its derivative by the normalised density
    is the dual potential of the cells, so that is all that is differentiated; nothing flows through the iterations.

    Args:
        density: (h, w), positive.
        points: (n, 2) x, y in pixels, n at least 1.
        stride: pixels per cell.
        reg: as in :func:`sinkhorn`.
        iterations: as in :func:`sinkhorn`.

    Returns:
        The value (), and the transport cost <P, D> () in squared pixels without gradient.
    """
    count, cells = len(points), density.numel()
    assert count > 0, 'transport from no points'
    normalised = (density / density.sum()).flatten()
    cost = squared_distances(points, density.shape, stride)
    weights = cost.new_full((count, ), 1 / count)
    f, g = sinkhorn(weights, normalised.detach(), cost, reg, iterations)
    plan = ((f[:, None] + g - cost) / reg).exp()
    value = (weights * f).sum() + (normalised * g).sum() + reg * math.log(count * cells)
    return value, (plan * cost).sum()
