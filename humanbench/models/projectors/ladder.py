"""PATH's projector: a narrow ladder that climbs beside the backbone.

Shapes: B images, N patch tokens of an h x w grid, C channels of the backbone, R of the ladder, L = depth + 1 levels.
"""
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, Level


@MODELS.register_module()
class LadderProjector(nn.Module):
    """Gathers all levels of the backbone into one feature, for one task.

    Starting from the reduced embedding, every further level is reduced, mixed in through a learnt gate and passed
    through a small transformer block (PATH, section 3.2; the idea of the ladder is from arXiv 2206.06522, but here the
    gradient does reach the backbone):

        f = R_0 z_0;    f = Block_i(g_i f + (1 - g_i) R_i z_i),  g_i = sigmoid(gate_i),  i = 1 .. L - 1;    out = W f

    The release stops one level short, so that the backbone's last block never learns; here all levels are climbed.

    Args:
        in_channels: C.
        depth: blocks of the backbone.
        reduction: C / R.
        num_heads: attention heads of the side blocks; R is rounded up to a multiple of it.
    """

    def __init__(self, in_channels: int, depth: int, reduction: int = 8, num_heads: int = 2):
        super().__init__()
        width = math.ceil(in_channels / reduction / num_heads) * num_heads
        self.out_channels = in_channels
        self.reduce = nn.ModuleList(nn.Linear(in_channels, width) for _ in range(depth + 1))
        self.gates = nn.Parameter(torch.zeros(depth))
        self.blocks = nn.ModuleList(
            Block(width, num_heads, qkv_bias=False, norm_layer=nn.LayerNorm) for _ in range(depth))
        self.expand = nn.Linear(width, in_channels)
        self._initialise()

    def _initialise(self) -> None:
        """Truncated normal of 0.02 as PATH has it at width 768; narrower ladders as much wider, for equal outputs."""
        std = 0.02 * (768 / self.out_channels) ** 0.5
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def levels(self, backbone: Sequence[Level]) -> tuple[Level, ...]:
        """What its one map is, from what those of the backbone are."""
        return (Level(self.out_channels, backbone[-1].stride),)

    def forward(self, features: Features) -> Features:
        """New features of width C: one map, its tokens, the class token where there was one, and the mean."""
        if len(features.tokens) != len(self.reduce):
            raise UserError(f'The ladder has {len(self.reduce)} levels (its depth + 1), but the backbone gives '
                            f"{len(features.tokens)}. Set the projector's depth to the backbone's; with a hierarchical "
                            'backbone (Swin), which has one level on this grid, leave the projector out.')
        ladder = self._reduced(features, 0)
        for level, block in enumerate(self.blocks, start=1):
            gate = self.gates[level - 1].sigmoid()
            ladder = block(gate * ladder + (1 - gate) * self._reduced(features, level))
        tokens = self.expand(ladder)
        cls = None
        if features.cls_tokens:
            cls, tokens = tokens[:, 0], tokens[:, 1:]
        new = tokens.transpose(1, 2).unflatten(2, features.grid)
        cells = features.maps[-1].shape[-2:]  # of small patches a backbone averages them
        new = new if new.shape[-2:] == cells else F.adaptive_avg_pool2d(new, cells)
        return Features(
            maps=[new], tokens=[tokens], cls=cls,
            pooled=tokens.mean(1), grid=features.grid, cls_tokens=() if cls is None else (cls,))

    def _reduced(self, features: Features, level: int) -> Tensor:
        """One level at the ladder's width (B, N or 1 + N, R)."""
        tokens = self.reduce[level](features.tokens[level])
        if not features.cls_tokens:
            return tokens
        return torch.cat([self.reduce[level](features.cls_tokens[level])[:, None], tokens], dim=1)
