"""Parts of the anchor-query decoder: position code, attention, decoder layer, anchor points.

Shapes: B images, Q queries, K keys (cells of the feature map), C channels.
"""
import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from mmdet.models.layers import coordinate_to_encoding
from torch import Tensor, nn

from ...errors import UserError, unknown_name


def anchor_points(num_points: int, init: Literal['uniform', 'grid']) -> Tensor:
    """Where the queries start, (num_points, 2) x, y as fractions of the image.

    Args:
        num_points: any number; a grid spreads them over round(sqrt(num_points)) rows.
        init: 'uniform' draws them (Anchor DETR, PATH), 'grid' covers the image evenly.
    """
    if init == 'uniform':
        return torch.rand(num_points, 2)
    if init != 'grid':
        raise unknown_name('point_init', init, ('uniform', 'grid'))
    rows = torch.arange(num_points).tensor_split(max(round(math.sqrt(num_points)), 1))
    return torch.cat([
        torch.stack([(torch.arange(len(row)) + .5) / len(row), torch.full((len(row), ), (i + .5) / len(rows))], 1)
        for i, row in enumerate(rows)])


def cell_positions(grid: tuple[int, int], image_sizes: Sequence[tuple[int, int]], padded_size: tuple[int, int],
                   frame: Literal['valid', 'padded']) -> tuple[Tensor, Tensor | None]:
    """Where the cells of a padded batch's feature map are, as fractions of each image.

    Args:
        grid: (h, w) cells.
        image_sizes: B times (height, width) in pixels, without padding.
        padded_size: (height, width) in pixels of the batch.
        frame: 'valid': of the image itself, the frame of its boxes; cells that show padding alone are marked. 'padded':
            of the padded batch, and no cell is marked (PATH's release).

    Returns:
        Cell centres x, y (B, h * w, 2), or (1, h * w, 2) where all images are alike; and which cells may be attended
        to, (B or 1, h * w) bool, or None: all.
    """
    if len(set(image_sizes)) == 1:
        image_sizes = image_sizes[:1]  # one row broadcasts: saves coding every key of every image
    cells, padded = torch.tensor(grid), torch.tensor(padded_size, dtype=torch.float)
    sizes = torch.tensor(image_sizes, dtype=torch.float)
    index = torch.cartesian_prod(*(torch.arange(length) for length in grid))  # (h * w, 2) row, column
    stride = padded / cells
    if frame == 'padded':
        return ((index + .5) * stride / padded).flip(-1).expand(len(sizes), -1, -1), None
    positions = (index + .5) * stride / sizes[:, None]
    visible = (index * stride < sizes[:, None]).all(-1)
    return positions.flip(-1), None if visible.all() else visible


def init_fan_in(module: nn.Module) -> None:
    """Weights of every linear layer from N(0, 1 / fan_in), biases zero: the initialisation of PATH's decoder."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=layer.in_features**-.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class PositionCode(nn.Module):
    """Sine code of a point (y before x, half of the channels each), then an MLP; one for queries and keys."""

    def __init__(self, embed_dims: int):
        super().__init__()
        if embed_dims % 4:
            raise UserError(f'embed_dims is {embed_dims}; the position code needs a multiple of 4.')
        self.embed_dims = embed_dims
        self.mlp = nn.Sequential(nn.Linear(embed_dims, embed_dims), nn.ReLU(), nn.Linear(embed_dims, embed_dims))

    def forward(self, points: Tensor) -> Tensor:
        """(B, N, 2) points x, y -> (B, N, C)."""
        return self.mlp(coordinate_to_encoding(points, num_feats=self.embed_dims // 2))


class Attention(nn.Module):
    """Multi-head attention through PyTorch's fused kernels.

    There is no key bias: it shifts all scores of a query alike, which softmax undoes, so it would never get a gradient.
    """

    def __init__(self, embed_dims: int, num_heads: int):
        super().__init__()
        if embed_dims % num_heads:
            raise UserError(f'embed_dims {embed_dims} is not a multiple of num_heads {num_heads}.')
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dims, embed_dims)
        self.key = nn.Linear(embed_dims, embed_dims, bias=False)
        self.value = nn.Linear(embed_dims, embed_dims)
        self.out = nn.Linear(embed_dims, embed_dims)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, Q, C), (B, K, C), (B, K, C) -> (B, Q, C); ``mask`` broadcasts to (B, heads, Q, K), True may be seen."""
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
                   for x in (self.query(query), self.key(key), self.value(value)))
        return self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2))


class DecoderLayer(nn.Module):
    """Cross-attention, self-attention, feed-forward, each added to the queries and normalised (Mask2Former's order).

    Args:
        embed_dims: C.
        num_heads: of both attentions.
        feedforward_channels: hidden channels of the feed-forward part.
        residual_scale: factor of the initial weights of the three output layers; see :class:`DetectionHead`.
    """

    def __init__(self, embed_dims: int, num_heads: int, feedforward_channels: int,
                 residual_scale: float = 1.):
        super().__init__()
        self.cross_attention = Attention(embed_dims, num_heads)
        self.self_attention = Attention(embed_dims, num_heads)
        self.feedforward = nn.Sequential(
            nn.Linear(embed_dims, feedforward_channels), nn.ReLU(), nn.Linear(feedforward_channels, embed_dims))
        self.norms = nn.ModuleList(nn.LayerNorm(embed_dims) for _ in range(3))
        init_fan_in(self)
        with torch.no_grad():
            for output in (self.cross_attention.out, self.self_attention.out, self.feedforward[-1]):
                output.weight.mul_(residual_scale)

    def forward(self, query: Tensor, query_code: Tensor, memory: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
        """One layer.

        Args:
            query: (B, Q, C) what the queries know so far.
            query_code: (1 or B, Q, C) where they are.
            memory: (B, K, C) what the cells show.
            key: (B, K, C) the same plus where the cells are.
            mask: broadcasts to (B, heads, Q, K), True may be seen; None: everything.

        Returns:
            (B, Q, C).
        """
        query = self.norms[0](query + self.cross_attention(query + query_code, key, memory, mask))
        placed = query + query_code
        query = self.norms[1](query + self.self_attention(placed, placed, query))
        return self.norms[2](query + self.feedforward(query))
