"""Clusters of many small sets of points at once, on the device: what SOLIDER finds body parts with.

All that is random comes from a generator on the host, so a seed means the same on every device.

Shapes: B sets, N points, C channels, K clusters, R starts of each set.
"""
import torch
import torch.nn.functional as F
from torch import Tensor


def two_means(values: Tensor) -> Tensor:
    """The two clusters of numbers: (B, N) True for the upper one.

    Exact: of all places where sorted numbers can be cut, the one that leaves the least squared distance to the two
    means. A set of equal numbers has no upper cluster.
    """
    order = values.double().sort(dim=1).values
    count = torch.arange(1, order.shape[1], device=values.device)  # of the lower cluster
    lower = order.cumsum(1)[:, :-1]
    upper = order.sum(1, keepdim=True) - lower
    between = lower.square() / count + upper.square() / (order.shape[1] - count)  # the more, the less is left within
    cut = between.argmax(1, keepdim=True)
    return values > order.gather(1, cut).to(values.dtype)


def k_means(points: Tensor, valid: Tensor, clusters: int, generator: torch.Generator, starts: int = 10,
            iterations: int = 100) -> Tensor:
    """Lloyd's clusters from k-means++ starts, the best of several.

    Means are never computed: their distances are sums of products between points, which are taken once. Where a set has
    fewer points than channels, as the tokens of an image do, that leaves little to do.

    Args:
        points: (B, N, C).
        valid: (B, N) False for points that are in no cluster.
        clusters: K.
        generator: on the host.
        starts: R.
        iterations: at most; it ends where no point changes its cluster any more.

    Returns:
        (B, N) the cluster of every point from 0, -1 for those that are not valid. A set of fewer different points than
        K has fewer clusters.
    """
    points = points.float() if points.dtype in (torch.float16, torch.bfloat16) else points
    weight = valid.to(points.dtype)[..., None]
    points = points - (points * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1)
    products = (points @ points.mT)[:, None]  # B, 1, N, N
    labels = _nearest(products, _starts(products, valid, clusters, generator, starts))
    for _ in range(iterations):
        before, labels = labels, _nearest(products, _means(labels, weight, clusters))
        if torch.equal(before, labels):
            break
    means = _means(labels, weight, clusters)
    sizes = (F.one_hot(labels, clusters) * weight[:, None]).sum(2)
    gained = (sizes * _squared(products, means)).sum(-1)  # squared distances within are those to the origin less this
    best = labels.gather(1, gained.argmax(1)[:, None, None].expand(-1, 1, labels.shape[2]))[:, 0]
    return torch.where(valid, best, -1)


def _starts(products: Tensor, valid: Tensor, clusters: int, generator: torch.Generator, starts: int) -> Tensor:
    """Clusters (B, R, N, K) of one point each, drawn as likely as its squared distance to those before it is large."""
    batch, count = valid.shape
    draws = torch.rand(clusters, batch, starts, 1, generator=generator).to(products.device)
    norms = products.diagonal(dim1=2, dim2=3).expand(-1, starts, -1)
    likely, chosen = valid[:, None].to(products.dtype).expand(-1, starts, -1), []
    for draw in draws:
        reached = likely.cumsum(-1)
        # the first point at which the sum goes beyond the draw: never one that is not likely at all
        index = (reached <= draw * reached[..., -1:]).sum(-1, keepdim=True).clamp(max=count - 1)
        chosen.append(F.one_hot(index[..., 0], count).to(products.dtype))
        shared = products.expand(-1, starts, -1, -1).gather(2, index[..., None].expand(-1, -1, 1, count))[:, :, 0]
        distance = (norms + norms.gather(2, index) - 2 * shared).clamp(min=0) * valid[:, None]
        likely = distance if len(chosen) == 1 else torch.minimum(likely, distance)
    return torch.stack(chosen, dim=-1)


def _means(labels: Tensor, weight: Tensor, clusters: int) -> Tensor:
    """Means of clusters, as the weights (B, R, N, K) of their points; all zero for one without points."""
    members = F.one_hot(labels, clusters) * weight[:, None]
    return members / members.sum(2, keepdim=True).clamp(min=1)


def _squared(products: Tensor, means: Tensor) -> Tensor:
    """Squared lengths (B, R, K) of means."""
    return (means * (products @ means)).sum(2)


def _nearest(products: Tensor, means: Tensor) -> Tensor:
    """The nearest mean (B, R, N) of every point; one without points is nobody's."""
    distance = _squared(products, means)[:, :, None] - 2 * products @ means
    return distance.masked_fill((means.sum(2) == 0)[:, :, None], torch.inf).argmin(-1)
