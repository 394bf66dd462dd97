"""HRNet: four maps side by side, from fine to coarse, that exchange what they see all the way.

Shapes: B images, H x W pixels, C channels of all four maps together.
"""
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import UserError
from ...registry import MODELS
from ...structures import Features, Level
from .conditioned import Conditioned, KeptStatistics

STRIDES = (4, 8, 16, 32)
"""Pixels per cell of the four maps."""


@MODELS.register_module()
class HumanHRNet(Conditioned, nn.Module):
    """HRNetV2 by mmseg's modules, for images of any size.

    Parameter names are those of the authors' files (``conv1``, ``bn1``, ``layer1``, ``transitionI``, ``stageI``), which
    mmseg, mmpose and timm have too. Coarse maps are enlarged bilinearly where they meet finer ones, as in the authors'
    code for dense tasks and in HCMoCo's; their classifier on ImageNet repeats each cell instead.

    The four maps differ in channels and stride, and most heads read one map: ``merged`` puts all of them beside each
    other at one stride, coarse ones enlarged bilinearly, fine ones as the means of their cells. That map comes last,
    after the four. Stride 4 is what HRNet's own heads and HCMoCo's dense features read; heads here that enlarge a map
    of stride 16 themselves (pose, detection, counting) take 16. Heads that read several maps (CSP) take None.

    No HRNet drops paths: a call's ``drop_path`` has no effect.

    Args:
        width: channels of the finest map; every coarser one has twice as many. 18, 32 and 48 are published.
        modules: how many modules, each with one exchange, the stages of two, three and four maps have.
        blocks: residual blocks of a module for each map.
        first_width: of the bottlenecks of the first stage, which leave 4 times as many channels.
        first_blocks: how many of them.
        merged: stride of the last map, 4, 8, 16 or 32; None for the four alone.
        momentum: of the running statistics; HCMoCo trains with 0.01, for tens of thousands of steps.
        checkpointing: recompute modules in the backward pass: for all, for none, or for the named tasks.

    Attributes:
        out_channels: C, of ``pooled`` and of the merged map.
        patch_size: pixels per cell of the coarsest map; images are padded to a multiple of it.
        depth: modules, the first stage counting as one: what layer decay and the partial protocol call blocks.
    """
    normalisation: dict[str, tuple[float, ...]] = {}  # the data preprocessor's default, ImageNet's
    drop_path = 0.0
    patch_size = STRIDES[-1]

    def __init__(self, width: int = 18, modules: Sequence[int] = (1, 4, 3), blocks: int = 4, first_width: int = 64,
                 first_blocks: int = 4, merged: int | None = None, momentum: float = 0.1,
                 checkpointing: bool | Collection[str] = False):
        super().__init__()
        if len(modules) != 3 or min(width, blocks, first_width, first_blocks, *modules) < 1:
            raise UserError(f'width = {width}, modules = {tuple(modules)}, blocks = {blocks}, first_width = '
                            f'{first_width}, first_blocks = {first_blocks}: expected whole numbers of 1 or more, and '
                            'modules for three stages.')
        if merged is not None and merged not in STRIDES:
            raise UserError(f'merged = {merged}: expected a stride among {STRIDES}, or None for the four maps alone.')
        self.sizes = dict(width=width, modules=tuple(modules), blocks=blocks, first_width=first_width,
                          first_blocks=first_blocks)
        self.widths = tuple(width * 2**level for level in range(len(STRIDES)))
        self.merged, self.momentum, self.checkpointing = merged, momentum, checkpointing
        self.out_channels, self.depth = sum(self.widths), 1 + sum(modules)
        self._build()

    def _build(self) -> None:
        # mmseg's model zoo takes seconds to import, and nothing else needs it
        from mmseg.models.backbones.hrnet import HRNet
        sizes = self.sizes
        stages = dict(stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK',
                                  num_blocks=(sizes['first_blocks'],), num_channels=(sizes['first_width'],)))
        for index, count in enumerate(sizes['modules']):
            branches = index + 2
            stages[f'stage{branches}'] = dict(
                num_modules=count, num_branches=branches, block='BASIC', num_blocks=(sizes['blocks'],) * branches,
                num_channels=self.widths[:branches])
        network = HRNet(stages, norm_cfg=dict(type='BN', momentum=self.momentum, requires_grad=True))
        for name, child in network.named_children():
            self.add_module(name, child)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode='fan_out', nonlinearity='relu')

    @property
    def architecture(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        return self.sizes | dict(modules=list(self.sizes['modules']), merged=self.merged, momentum=self.momentum)

    @property
    def levels(self) -> tuple[Level, ...]:
        """What ``Features.maps`` are: the four, and the merged one where there is one."""
        four = tuple(map(Level, self.widths, STRIDES))
        return four if self.merged is None else (*four, Level(self.out_channels, self.merged))

    @property
    def stages(self) -> list[tuple[nn.ModuleList, nn.Sequential]]:
        """Of two, three and four maps: what opens each, and its modules."""
        return [(self.transition1, self.stage2), (self.transition2, self.stage3), (self.transition3, self.stage4)]

    @property
    def blocks(self) -> list[nn.Module]:
        """The first stage, and all modules in their order."""
        return [self.layer1, *(module for _, stage in self.stages for module in stage)]

    def layer_id(self, name: str) -> int:
        """Layer of a parameter: 0 for the two convolutions before the first stage, i + 1 for block i, depth + 1 for the
        exchange that ends the last one, as for the last norm of others. What opens a stage belongs to its first module.
        """
        part, index, *rest = name.split('.')
        if part.startswith(('conv', 'bn')):
            return 0
        if part == 'layer1':
            return 1
        opens = part.startswith('transition')
        stage = int(part.removeprefix('transition')) + 1 if opens else int(part.removeprefix('stage'))
        layer = 2 + sum(self.sizes['modules'][:stage - 2]) + (0 if opens else int(index))
        return layer + (layer == self.depth and rest[0] == 'fuse_layers')

    def forward(self, images: Tensor, condition: dict | None = None) -> Features:
        """Features of all four strides.

        Args:
            images: (B, 3, H, W), normalised; of any size (a map's sides are rounded up).
            condition: ``task`` (optional), which decides about recomputation; nothing else has an effect.

        Returns:
            ``maps`` as :attr:`levels` says, ``tokens`` the last of them as one level, ``pooled`` the means of the four
            beside each other (B, C), and no class feature: heads that want one take ``pooled``.

        Raises:
            UserError: one image in training whose coarsest map is a single cell, of which there are no statistics.
        """
        if self.training and len(images) == 1 and max(images.shape[-2:]) <= STRIDES[-1]:
            raise UserError(f'HumanHRNet normalises over images and cells, but got a training unit of one image of '
                            f'{images.shape[-2]} x {images.shape[-1]} pixels, which is one cell of stride 32. Give '
                            'this source a batch_size of 2 or more, or larger images.')
        task = (condition or {}).get('task')
        x = self.relu(self.bn1(self.conv1(images)))
        maps = [self._run(self.layer1, self.relu(self.bn2(self.conv2(x))), task)]
        for opening, stage in self.stages:
            maps = [maps[i] if layer is None else layer(maps[-1]) for i, layer in enumerate(opening)]
            for module in stage:
                maps = self._run(module, maps, task)
        pooled = torch.cat([x.mean((2, 3)) for x in maps], dim=1)
        if self.merged is not None:
            maps = [*maps, merge(maps, STRIDES.index(self.merged))]
        last = maps[-1]
        return Features(maps=maps, tokens=[last.flatten(2).transpose(1, 2)], cls=None, pooled=pooled,
                        grid=tuple(last.shape[2:]))

    def _run(self, block: nn.Module, x: Tensor | list[Tensor], task: str | None) -> Any:
        """A block, recomputed in the backward pass where the task wants it."""
        def run(x: Tensor | list[Tensor]) -> Any:
            return block(list(x) if isinstance(x, list) else x)  # a module writes into the list it is given

        if not self.recomputes(task):
            return run(x)
        return checkpoint(run, x, use_reentrant=False, preserve_rng_state=False,
                          context_fn=lambda: (nullcontext(), KeptStatistics(block)))


def merge(maps: Sequence[Tensor], level: int) -> Tensor:
    """Maps beside each other, with as many cells as one of them.

    Args:
        maps: (B, C_i, h_i, w_i), each with half the cells of the one before along each axis, rounded up.
        level: index of the one whose cells all get: coarser maps are enlarged bilinearly, finer ones averaged.

    Returns:
        (B, sum of C_i, h, w).
    """
    size = maps[level].shape[2:]
    fine = [F.avg_pool2d(x, 2**(level - i), ceil_mode=True, count_include_pad=False)
            for i, x in enumerate(maps[:level])]
    coarse = [F.interpolate(x, size=size, mode='bilinear', align_corners=False) for x in maps[level + 1:]]
    return torch.cat([*fine, maps[level], *coarse], dim=1)
