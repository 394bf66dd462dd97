"""What a centre-and-scale head learns from boxes, and by which losses.

Shapes: n people of one image, h x w cells of its maps, m cells near a centre. Boxes are corners in cells.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FOCUS, FORGIVENESS = 2, 4
"""Exponents of the centre loss: of what is still to be learnt, and of how near a cell is to a centre."""


@dataclass(frozen=True)
class Targets:
    """Of one image.

    Attributes:
        heat: (h, w) 1 in the cell of a centre, falling off as a Gaussian within the box.
        counts: (h, w) whether a cell counts: False in ignore regions outside people, and in the padding.
        centres: (n,) flat index of the cell of each centre.
        offsets: (n, 2) x, y of each centre in its cell, 0 to 1.
        near: (m,) flat index of the cells within the radius of a centre.
        sizes: (m, 2) log of width and height of the box whose centre is nearest, in cells.
    """
    heat: Tensor
    counts: Tensor
    centres: Tensor
    offsets: Tensor
    near: Tensor
    sizes: Tensor


def targets_of(people: Tensor, ignored: Tensor, grid: tuple[int, int], extent: tuple[float, float],
               radius: int) -> Targets:
    """What the cells of one image should say.

    Args:
        people: (n, 4) boxes to find.
        ignored: (k, 4) regions in which nothing counts but the people in them.
        grid: (h, w).
        extent: (height, width) of the image in cells; what lies beyond is padding.
        radius: cells around a centre, as a square, that learn the size.
    """
    limits = people.new_tensor([grid[1], grid[0]])
    middle = (people[:, :2] + people[:, 2:]) / 2
    cell = middle.floor().clamp(min=0).minimum(limits - 1)  # a centre outside is looked for at the border
    columns, rows = (torch.arange(length, device=people.device, dtype=people.dtype) for length in (grid[1], grid[0]))
    x, y = columns - cell[:, :1], rows - cell[:, 1:]  # (n, w), (n, h) cells from each centre
    size = (people[:, 2:] - people[:, :2]).clamp(min=1e-2)

    inside_x, inside_y = _spans(people, columns, rows)
    sigma = 0.15 * size + 0.35  # of OpenCV's Gaussian kernel of that size
    profile_x = torch.exp(-x**2 / (2 * sigma[:, :1]**2)) * (inside_x | (x == 0))
    profile_y = torch.exp(-y**2 / (2 * sigma[:, 1:]**2)) * (inside_y | (y == 0))
    heat = _largest(profile_y[:, :, None] * profile_x[:, None], grid)

    ignored_x, ignored_y = _spans(ignored, columns, rows)
    left_out = _covered(ignored_y, ignored_x) & ~_covered(inside_y, inside_x)
    counts = ~left_out & (rows < extent[0])[:, None] & (columns < extent[1])
    counts |= heat == 1

    near = ((x.abs() <= radius)[:, None] & (y.abs() <= radius)[:, :, None])
    distance = (x[:, None]**2 + y[:, :, None]**2).masked_fill(~near, torch.inf).flatten(1)
    where = near.flatten(1).any(0).nonzero()[:, 0]
    owner = distance[:, where].argmin(0) if len(people) else where
    centres = (cell[:, 1] * grid[1] + cell[:, 0]).long()
    return Targets(heat, counts, centres, (middle - cell).clamp(0, 1), where, size.log()[owner])


def _spans(boxes: Tensor, columns: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """(n, w) and (n, h): the columns and the rows that each box touches."""
    first, last = boxes[:, :2].floor(), boxes[:, 2:].ceil()
    return ((columns >= first[:, :1]) & (columns < last[:, :1]), (rows >= first[:, 1:]) & (rows < last[:, 1:]))


def _covered(rows: Tensor, columns: Tensor) -> Tensor:
    """(h, w) whether any box touches a cell; rows (n, h), columns (n, w)."""
    return (rows[:, :, None] & columns[:, None]).any(0)


def _largest(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """(h, w) maximum over n maps, 0 of none."""
    return maps.amax(0) if len(maps) else maps.new_zeros(grid)


def centre_loss(logits: Tensor, targets: Sequence[Tensor], counts: Sequence[Tensor]) -> Tensor:
    """Sum over cells of the focal loss of centres: a cell near one is forgiven what it says.

    CornerNet's loss, as CSP has it:  -(1 - p)^2 log p in the cell of a centre, else -(1 - heat)^4 p^2 log(1 - p).

    Args:
        logits: (B, h, w) before the sigmoid.
        targets: B times ``heat``.
        counts: B times ``counts``.
    """
    heat, counted = torch.stack(list(targets)), torch.stack(list(counts))
    score = logits.sigmoid()
    present = -F.logsigmoid(logits) * (1 - score)**FOCUS
    absent = -F.logsigmoid(-logits) * score**FOCUS * (1 - heat)**FORGIVENESS
    return (torch.where(heat == 1, present, absent) * counted).sum()


def size_loss(predicted: Tensor, sizes: Tensor) -> Tensor:
    """Sum over cells of -log of the overlap that the predicted box would have about the same centre.

    The overlap is intersection over the smallest box around both, which is the IoU wherever one contains the other, and
    of two boxes about one centre -log of it is |difference of log width| + |difference of log height|.

    Args:
        predicted: (m, 2) log width and log height.
        sizes: (m, 2) those to be learnt.
    """
    return (predicted - sizes).abs().sum()
