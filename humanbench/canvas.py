"""Several crops of one image as one picture: how pipelines hand them over and pretexts find them again.

A unit is a stack of images of one size, which is what loaders, workers and the data preprocessor are fast with.
"""
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .errors import UserError

Size = tuple[int, int]  # height, width


class Group(NamedTuple):
    """Crops of one size.

    Attributes:
        count: how many.
        size: (height, width) of each.
    """
    count: int
    size: Size


class Canvas:
    """Where crops lie on the picture: groups below each other, row by row, as wide as the first group side by side.

    Args:
        groups: mappings with ``count`` and ``size``, and whatever else.

    Attributes:
        groups: the same as :class:`Group`.
        size: (height, width) of the picture.
        corners: of every group, (top, left) of each crop.
    """

    def __init__(self, groups: Sequence[Mapping]):
        self.groups = [Group(int(group['count']), tuple(group['size'])) for group in groups]
        if not self.groups or min(min(group.count, *group.size) for group in self.groups) < 1:
            raise UserError(f'Crops are given as {groups}: expected groups with a count and a size of 1 or more.')
        width = max(self.groups[0].count * self.groups[0].size[1], *(group.size[1] for group in self.groups))
        self.corners: list[list[tuple[int, int]]] = []
        top = 0
        for count, (h, w) in self.groups:
            in_row = width // w
            self.corners.append([(top + i // in_row * h, i % in_row * w) for i in range(count)])
            top += -(-count // in_row) * h
        self.size: Size = (top, width)
