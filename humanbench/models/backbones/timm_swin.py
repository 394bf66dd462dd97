"""timm's Swin transformers, first and second version, as backbones.

Shapes: B images, C channels of the last stage, H x W pixels.
"""
from itertools import product

import torch
from torch import Tensor, nn

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, Level
from .timm_network import HIERARCHICAL, STRIDE, TimmNetwork

PHASES = tuple(product((0, 1), repeat=2))


@MODELS.register_module()
class TimmSwin(TimmNetwork):
    """A timm Swin for images of any size.

    The last stage has stride 32, too coarse for the heads here, which read one map of stride 16. Where SOLIDER's tasks
    set the stride of the last merge to 1 and keep the weights, the last stage here runs on the four ways in which the
    map of stride 16 can be cut into 2 x 2 cells, and the four results are interleaved: a map of stride 16 and C
    channels whose every other row and column is exactly what timm computes. ``pooled`` is the mean of those, the usual
    average of the last map. It costs three more runs of the last stage (30 % more operations for Swin-B) and has no
    parameter of its own.

    ``maps`` are the stages' outputs at strides 4, 8 and 16 and that map, which is also the one level of ``tokens``.
    Windows are shifted wherever the map is larger than a window, as timm does for a network built at that size.

    Arguments are those of :class:`TimmNetwork`; without a name it is timm's SwinTransformer.
    """
    families = HIERARCHICAL
    resizing = dict(strict_img_size=False)

    def _describe(self) -> None:
        strides = [info['reduction'] for info in self.network.feature_info]
        if strides[-1] != 2 * STRIDE:
            raise UserError(f'A Swin whose stages have strides {strides} gives no map of stride {STRIDE}: expected the '
                            f'last at {2 * STRIDE}, as with four stages and patch 4.')
        self.out_channels, self.patch_size = self.network.num_features, strides[-1]
        depths = [len(stage.blocks) for stage in self.network.layers]
        self._first = [sum(depths[:stage]) for stage in range(len(depths))]  # index of every stage's first block

    @property
    def levels(self) -> tuple[Level, ...]:
        """What ``Features.maps`` are: the last one is as fine as the one before."""
        return tuple(Level(info['num_chs'], min(info['reduction'], STRIDE)) for info in self.network.feature_info)

    @property
    def blocks(self) -> list[nn.Module]:
        return [block for stage in self.network.layers for block in stage.blocks]

    def layer_id(self, name: str) -> int:
        """Layer of a parameter: 0 for the embedding, i + 1 for block i of all, depth + 1 for the final norm.

        A patch merge closes the stage before it, as in the original code: it has the layer of that stage's last block.
        """
        _, part, *rest = name.split('.')
        if part == 'patch_embed':
            return 0
        if part == 'layers':
            first = self._first[int(rest[0])]
            return first if rest[1] == 'downsample' else first + int(rest[2]) + 1
        assert part == 'norm', f'{name} is no parameter of a TimmSwin'
        return self.depth + 1

    def forward(self, images: Tensor, condition: dict | None = None) -> Features:
        """Features of all stages.

        Args:
            images: (B, 3, H, W), normalised; H and W multiples of 32.
            condition: ``task``, ``drop_path`` (rate; None for the default) and ``generator`` (a CPU generator that
                drop path draws from; None for torch's own). All optional.
        """
        condition = condition or {}
        self._refuse_size(images)
        x = self.network.patch_embed(images)
        keeps = self._keeps(len(images), condition, x)
        maps = []
        for stage in range(len(self.network.layers) - 1):
            x = self._stage(stage, x, keeps, condition)
            maps.append(x.permute(0, 3, 1, 2))
        fine, pooled = self._last_stage(x, keeps, condition)
        maps.append(fine.permute(0, 3, 1, 2))
        return Features(maps=maps, tokens=[fine.flatten(1, 2)], cls=None, pooled=pooled, grid=tuple(fine.shape[1:3]))

    def _stage(self, stage: int, x: Tensor, keeps: list[Tensor | None], condition: dict) -> Tensor:
        """One stage on x (B, h, w, c)."""
        layer = self.network.layers[stage]
        x = layer.downsample(x)
        for index in range(self._first[stage], self._first[stage] + len(layer.blocks)):
            x = self._run(index, x, keeps[index], condition.get('task'))
        return x

    def _last_stage(self, x: Tensor, keeps: list[Tensor | None], condition: dict) -> tuple[Tensor, Tensor]:
        """The last stage, normalised, at the stride of its input: (B, h, w, C) and (B, C)."""
        batch, height, width, _ = x.shape
        x = torch.cat([x, x[:, -1:]], dim=1)  # the last row and column meet themselves
        x = torch.cat([x, x[:, :, -1:]], dim=2)
        x = torch.cat([x[:, top:top + height, left:left + width] for top, left in PHASES])
        keeps = [None if keep is None else keep.repeat(1, len(PHASES)) for keep in keeps]
        x = self.network.norm(self._stage(len(self.network.layers) - 1, x, keeps, condition))
        pooled = x[:batch].mean((1, 2))
        fine = x.unflatten(0, (2, 2, batch)).permute(2, 3, 0, 4, 1, 5)  # B, h/2, top, w/2, left, C
        return fine.reshape(batch, height, width, -1), pooled

    def _prepare(self, block: nn.Module, x: Tensor) -> None:
        sides = zip(x.shape[1:3], block.window_size, block.target_shift_size)
        block.shift_size = tuple(0 if side <= window else shift for side, window, shift in sides)
