"""Neighbours among points in space, in plain PyTorch: which points are far from each other, and which are near.

All in float32, whatever autocast says, and without gradient: where points lie is not learnt.

Shapes: B clouds, N points, M centres or queries, k neighbours, C channels.
"""
import torch
from torch import Tensor

ROWS = 512
"""Queries whose distances to all points are held at once."""


def squared_distances(queries: Tensor, points: Tensor) -> Tensor:
    """(B, M, N) of (B, M, 3) to (B, N, 3), by differences: exact for points close together."""
    return sum((queries[..., axis, None] - points[:, None, :, axis]).square() for axis in range(3))


@torch.no_grad()
def farthest_points(points: Tensor, count: int) -> Tensor:
    """Farthest point sampling: the first point, then always the one that is farthest from all chosen ones.

    Args:
        points: (B, N, 3).
        count: how many; with N or more, all of them in their order.

    Returns:
        Their indices (B, min(count, N)).
    """
    batch, size, _ = points.shape
    if count >= size:
        return torch.arange(size, device=points.device).expand(batch, -1)
    rows = torch.arange(batch, device=points.device)
    chosen = torch.zeros(batch, count, dtype=torch.long, device=points.device)
    nearest = torch.full((batch, size), torch.inf, device=points.device)
    for place in range(1, count):
        last = points[rows, chosen[:, place - 1]]
        nearest = torch.minimum(nearest, (points - last[:, None]).square().sum(-1))
        chosen[:, place] = nearest.argmax(1)
    return chosen


@torch.no_grad()
def ball_neighbours(centres: Tensor, points: Tensor, radius: float, count: int) -> Tensor:
    """The first points of a cloud that are nearer to a centre than a radius.

    Args:
        centres: (B, M, 3).
        points: (B, N, 3).
        radius: in the unit of the points.
        count: k.

    Returns:
        Indices (B, M, k) in rising order; where fewer are near, the first is repeated; where none is, the cloud's first
        point stands for it.
    """
    size = points.shape[1]
    order = torch.arange(size, device=points.device, dtype=torch.int32)
    found = []
    for part in centres.split(ROWS, dim=1):
        near = torch.where(squared_distances(part, points) < radius**2, order, size)
        found.append(near.topk(min(count, size), largest=False, sorted=True).values)
    first = torch.cat(found, dim=1).long()
    if count > size:
        first = torch.cat([first, first.new_full((*first.shape[:2], count - size), size)], dim=2)
    first = torch.where(first < size, first, first[..., :1])
    return torch.where(first < size, first, 0)


@torch.no_grad()
def nearest_three(queries: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """The three points nearest to each query, and their weights, which fall with the distance and add up to one.

    Args:
        queries: (B, M, 3).
        points: (B, N, 3) with N of 3 or more.

    Returns:
        Indices (B, M, 3) and weights (B, M, 3).
    """
    nearest = [squared_distances(part, points).topk(3, largest=False) for part in queries.split(ROWS, dim=1)]
    inverse = 1 / (torch.cat([x.values for x in nearest], dim=1).sqrt() + 1e-8)
    return torch.cat([x.indices for x in nearest], dim=1), inverse / inverse.sum(-1, keepdim=True)


def gathered(values: Tensor, indices: Tensor) -> Tensor:
    """(B, C, ...) of values (B, C, N) at indices (B, ...)."""
    flat = indices.flatten(1)[:, None].expand(-1, values.shape[1], -1)
    return values.gather(2, flat).unflatten(2, indices.shape[1:])


def interpolated(values: Tensor, indices: Tensor, weights: Tensor) -> Tensor:
    """(B, C, M) weighted means of values (B, C, N) by :func:`nearest_three`."""
    return (gathered(values, indices) * weights[:, None].to(values)).sum(-1)
