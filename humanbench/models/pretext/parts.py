"""Body parts as clusters of an image's tokens (SOLIDER, section 5 of its specification).

Shapes: B images, C channels, h x w tokens.
"""
import torch
from torch import Tensor

from ..heads.base import at_least_float32, full_precision
from .clusters import k_means, two_means

BACKGROUND = 0


def body_parts(maps: Tensor, parts: int, generator: torch.Generator, least: float = 0.5) -> tuple[Tensor, Tensor]:
    """The foreground of every image, cut into parts that are counted from the top.

    Foreground are the tokens whose length is in the upper of two clusters; parts are clusters of those tokens, in the
    order of their mean rows (where these are equal, of their first tokens: clusters come in any order). In float32 or
    more, also under autocast.

    Args:
        maps: (B, C, h, w).
        parts: how many.
        generator: on the host.
        least: an image of which no more than this share is foreground has none that could be trusted.

    Returns:
        Labels (B, h, w), 0 for the background and 1 to ``parts``; and which images (B,) have a foreground.
    """
    batch, _, height, width = maps.shape
    if maps.is_meta:  # nothing can be told apart where there are no numbers
        return maps.new_zeros((batch, height, width), dtype=torch.long), maps.new_ones(batch, dtype=torch.bool)
    with full_precision(maps):
        tokens = at_least_float32(maps).flatten(2).mT
        front = two_means(tokens.norm(dim=-1))
        clusters = k_means(tokens, front, parts, generator)
    member = torch.nn.functional.one_hot(clusters + 1, parts + 1)[..., 1:]  # B, N, parts
    index = torch.arange(height * width, device=maps.device)[None, :, None]
    mean_row = (member * (index // width)).sum(1) / member.sum(1)  # not a number for no tokens, which sorts last
    by_first = index.where(member.bool(), height * width).amin(1).argsort(dim=1)
    order = by_first.gather(1, mean_row.gather(1, by_first).argsort(dim=1, stable=True))
    place = order.argsort(dim=1)
    labels = (member * (place + 1)[:, None]).sum(-1)
    return labels.view(batch, height, width), front.sum(1) > least * height * width
