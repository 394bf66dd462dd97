"""Which patches of an image are hidden: at random, in blocks, and by body parts.

Everything is drawn for a whole batch at once, on the host, from one generator: a seed means the same on every device.
An image has exactly as many masked patches as asked for, whatever was drawn.

Shapes: B images, H x W patches of the grid, N = H * W, J = 17 joints (COCO order), P = 6 parts.
"""
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import UserError, unknown_name

BONES: Mapping[str, tuple[tuple[int, int], ...]] = MappingProxyType({
    'head': ((0, 1), (0, 2), (1, 2), (1, 3), (2, 4)),
    'left_arm': ((5, 7), (7, 9)),
    'right_arm': ((6, 8), (8, 10)),
    'left_leg': ((11, 13), (13, 15)),
    'right_leg': ((12, 14), (14, 16)),
    'upper_body': ((6, 11), (5, 12))})
"""Pairs of COCO joints that span each part (HAP, section 3; the torso by its two diagonals)."""
PARTS = tuple(BONES)
JOINTS = 17
KINDS = ('random', 'block')
DRAWS = ('per_image', 'released')

_MOST = max(map(len, BONES.values()))
# (P, bones) joints; where a part has fewer bones than the head, its first one again
_STARTS, _ENDS = torch.tensor([(bones + bones[:1] * _MOST)[:_MOST] for bones in BONES.values()]).unbind(-1)


def part_patches(joints: Tensor, visible: Tensor, grid: tuple[int, int], patch: int) -> Tensor:
    """Patches of each body part: those that the rectangles between the ends of its bones touch.

    Args:
        joints: (B, J, 2) x, y in pixels of the input.
        visible: (B, J) 0 where a joint is not in the frame or not known; its bones are then left out.
        grid: (H, W).
        patch: side of a patch in pixels.

    Returns:
        (B, P, H, W) bool.
    """
    cells = (joints / patch).floor()
    starts, ends = cells[:, _STARTS], cells[:, _ENDS]  # (B, P, bones, 2)
    low, high = torch.minimum(starts, ends)[..., None], torch.maximum(starts, ends)[..., None]
    columns, rows = (torch.arange(size) for size in reversed(grid))
    spans_x = (columns >= low[..., 0, :]) & (columns <= high[..., 0, :])
    spans_y = (rows >= low[..., 1, :]) & (rows <= high[..., 1, :])
    known = (visible[:, _STARTS] > 0) & (visible[:, _ENDS] > 0)
    # a rectangle is an outer product, and a part the sum of its rectangles
    return (spans_y & known[..., None]).float().transpose(2, 3) @ spans_x.float() > 0


def block_masks(batch: int, grid: tuple[int, int], count: int, generator: torch.Generator, smallest: float = 12,
                flattest: float = 0.3, attempts: int = 10, overlap_weight: int = 1) -> Tensor:
    """Masks of rectangular blocks (BEiT, Bao et al. 2022, algorithm 1), all images at once.

    A block's area is uniform between ``smallest`` and what is missing, its aspect log-uniform; it is taken where it
    adds patches and not more than are missing. An image is done when it has ``count`` patches, or when none of so many
    blocks could be taken.

    Args:
        batch: B.
        grid: (H, W).
        count: patches to mask, at most.
        generator: of the draws.
        smallest: patches of a block.
        flattest: aspect ratios lie between it and its inverse.
        attempts: see above.
        overlap_weight: how often a patch counts that a block shares with earlier ones. 2 is HAP's release, whose masks
            then have more or fewer than ``count`` patches.

    Returns:
        (B, H, W) bool.
    """
    height, width = grid
    masks = torch.zeros(batch, height, width, dtype=torch.bool)
    missing, active = torch.full((batch,), count), torch.arange(batch)
    rows, columns = torch.arange(height), torch.arange(width)
    while len(active):
        before, most = masks[active], missing[active, None]
        top, bottom, left, right = _candidates(most, grid, smallest, flattest, attempts, generator)
        added = (bottom - top) * (right - left) - overlap_weight * _covered(before, top, bottom, left, right)
        fits = (bottom - top < height) & (right - left < width) & (added > 0) & (added <= most)
        first = fits.float().argmax(1, keepdim=True)  # the others are as if they had never been drawn
        top, bottom, left, right = (x.gather(1, first) for x in (top, bottom, left, right))
        inside_y, inside_x = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
        block = inside_y[:, :, None] & inside_x[:, None, :] & fits.any(1)[:, None, None]
        masks[active] = before | block
        missing[active] -= (block & ~before).sum((1, 2))
        active = active[fits.any(1) & (missing[active] > 0)]
    return masks


def _candidates(most: Tensor, grid: tuple[int, int], smallest: float, flattest: float, attempts: int,
                generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Top, bottom, left and right (B, attempts) of random blocks; one that is larger than the grid leaves it.

    Args:
        most: (B, 1) patches of the largest block.
    """
    area_draw, aspect_draw, top_draw, left_draw = torch.rand(4, len(most), attempts, generator=generator)
    area = smallest + area_draw * (most - smallest)
    aspect = ((2 * aspect_draw - 1) * -math.log(flattest)).exp()
    height, width = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    top = (top_draw * (grid[0] - height + 1)).floor().clamp(min=0).long()
    left = (left_draw * (grid[1] - width + 1)).floor().clamp(min=0).long()
    return top, top + height.long(), left, left + width.long()


def _covered(masks: Tensor, top: Tensor, bottom: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """How many patches of a mask lie in each block (B, n), by sums over all patches above and left of a corner."""
    height, width = masks.shape[1:]
    sums = F.pad(masks.cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32), (1, 0, 1, 0)).flatten(1)
    bottom, right = bottom.clamp(max=height), right.clamp(max=width)

    def at(row: Tensor, column: Tensor) -> Tensor:
        return sums.gather(1, row * (width + 1) + column)

    return at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left)


@dataclass(frozen=True)
class Masking:
    """How a mask is drawn. Patches are ranked, and the highest are masked: those of chosen parts, then blocks, then
    others, ties at random.

    Attributes:
        ratio: share of the patches that is masked.
        kind: ``'random'`` or ``'block'``.
        parts: whether body parts come first.
        part_draw: how many parts are chosen: ``'per_image'`` uniform over 0..6; ``'released'`` as HAP's code does,
            whose number can only shrink from image to image of a batch, so that one image in a hundred has any.
        part_fraction: which share of a chosen part's patches comes first: a number, or a range to draw from; HAP's
            figure shows whole parts (1.0), its code has (0.0, 0.3).
        tie_noise: patches of one rank are masked in random order; False takes the later rows first (in HAP's release
            the order is that of an unstable sort).
        overlap_weight: see :func:`block_masks`.
        smallest_block: share of the grid; HAP's 12 of 128 patches.
    """
    ratio: float = 0.5
    kind: str = 'block'
    parts: bool = True
    part_draw: str = 'per_image'
    part_fraction: float | tuple[float, float] = 1.0
    tie_noise: bool = True
    overlap_weight: int = 1
    smallest_block: float = 12 / 128

    def __post_init__(self):
        for name, known in (('kind', KINDS), ('part_draw', DRAWS)):
            if getattr(self, name) not in known:
                raise unknown_name(f'{name} of a mask', getattr(self, name), known)
        if not 0 < self.ratio < 1:
            raise UserError(f'The ratio of a mask is {self.ratio}; expected a share between 0 and 1, such as 0.5.')
        low, high = self._fractions()
        if not 0 <= low <= high <= 1:
            raise UserError(f'part_fraction of a mask is {self.part_fraction}; expected a share of at most 1, or a '
                            'range of them such as (0.0, 0.3).')

    def _fractions(self) -> tuple[float, float]:
        """The range of part_fraction."""
        fixed = isinstance(self.part_fraction, (int, float))
        return (self.part_fraction, self.part_fraction) if fixed else tuple(self.part_fraction)

    def count(self, grid: tuple[int, int]) -> int:
        """How many patches of an image are masked; at least one is, and one is not."""
        patches = grid[0] * grid[1]
        return min(max(round(self.ratio * patches), 1), patches - 1)

    def draw(self, joints: Tensor, visible: Tensor, grid: tuple[int, int], patch: int,
             generator: torch.Generator) -> Tensor:
        """Masks of a batch.

        Args:
            joints: (B, J, 2), see :func:`part_patches`.
            visible: (B, J).
            grid: (H, W).
            patch: side of a patch in pixels.
            generator: of the draws.

        Returns:
            (B, N) bool, True where masked: :meth:`count` of them in every image.
        """
        batch, count = len(joints), self.count(grid)
        rank = torch.zeros(batch, *grid)
        if self.kind == 'block':
            smallest = self.smallest_block * grid[0] * grid[1]
            blocks = block_masks(batch, grid, count, generator, smallest, overlap_weight=self.overlap_weight)
            rank += 2.0 * blocks
        if self.parts:
            found = part_patches(joints, visible, grid, patch)
            rank = torch.maximum(rank, self._part_ranks(found, generator))
        rank = rank.flatten(1)
        if self.tie_noise:
            rank = rank + torch.rand(rank.shape, generator=generator)
        order = rank.argsort(dim=1, stable=True)
        return torch.zeros_like(rank, dtype=torch.bool).scatter_(1, order[:, -count:], True)

    def _part_ranks(self, found: Tensor, generator: torch.Generator) -> Tensor:
        """Ranks (B, H, W) by the chosen parts: 100 for the patches of the first, 99 for those of the second ..."""
        place = torch.rand(found.shape[:2], generator=generator).argsort(1).argsort(1)
        chosen = place < self._numbers(len(found), generator)[:, None]
        return (((100 - place) * chosen)[..., None, None] * self._some(found, generator)).amax(1).float()

    def _numbers(self, batch: int, generator: torch.Generator) -> Tensor:
        """(B,) how many parts are chosen."""
        draws = torch.rand(batch, generator=generator)
        if self.part_draw == 'per_image':
            return (draws * (len(PARTS) + 1)).long()
        number, numbers = len(PARTS), []
        for draw in draws.tolist():
            number = int(draw * (number + 1))
            numbers.append(number)
        return torch.tensor(numbers)

    def _some(self, found: Tensor, generator: torch.Generator) -> Tensor:
        """A random share of each part's patches, rounded down."""
        low, high = self._fractions()
        if low == 1:
            return found
        share = low + (high - low) * torch.rand(found.shape[:2], generator=generator)
        wanted = (share * found.sum((2, 3))).long()
        draws = torch.rand(found.shape, generator=generator).masked_fill(~found, 2.0).flatten(2)
        first = draws.argsort(2).argsort(2) < wanted[..., None]
        return first.view_as(found) & found
