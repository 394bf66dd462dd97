"""SOLIDER's backbone: a Swin transformer whose features a number turns from appearance to semantics.

Shapes: B images, R regions, C channels of a stage, N = h x w its tokens, D the width of the first stage.
"""
from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate
from operator import mul
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models.backbones.swin import SwinBlockSequence
from mmdet.models.layers import PatchEmbed, PatchMerging
from torch import Tensor, nn

from ...errors import UserError, unknown_name
from ...registry import MODELS
from ...structures import Features, Level
from .conditioned import Conditioned, key_drop_paths

ARCHS = {
    'tiny': dict(embed_dims=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24), window_size=7),
    'small': dict(embed_dims=96, depths=(2, 2, 18, 2), num_heads=(3, 6, 12, 24), window_size=7),
    'base': dict(embed_dims=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32), window_size=7)}
SEMANTIC = dict(reid=0.2, attribute=0.8, pose=0.8, parsing=0.8, detection=1.0, person_search=0.6,
                counting=1.0, text_reid=0.2, default=0.5)
"""The lambda of each task, as SOLIDER's authors set it. Theirs has no counting (here as detection: where people are,
not who), no text-to-image ReID (as ReID) and no other task (half of each)."""
MLP_RATIO = 4
NORM = dict(type='LN')

Semantic = float | Mapping[str, float] | None


class Controller(nn.Linear):
    """What lambda says to the channels of one stage: two numbers (lambda, 1 - lambda) to C, see :func:`modulate`."""

    def __init__(self, channels: int):
        super().__init__(2, channels)
        nn.init.trunc_normal_(self.weight, std=0.02)
        nn.init.zeros_(self.bias)


def modulate(x: Tensor, scale: Controller, shift: Controller, dial: Tensor | None) -> Tensor:
    """``x * softplus(scale(dial)) + shift(dial)``, alike for all tokens of an image.

    Args:
        x: (B, N, C).
        scale: of the channels.
        shift: of the channels.
        dial: (B, 2), or (1, 2) for all images, in float32 or more; None leaves ``x`` as it is.
    """
    if dial is None:
        return x
    with torch.autocast(x.device.type, enabled=False):  # 0.2 has no place in bfloat16
        return x * F.softplus(scale(dial))[:, None] + shift(dial)[:, None]


def dial_of(semantic: float | Tensor, count: int, like: Tensor) -> Tensor:
    """The controllers' input (lambda, 1 - lambda), for ``count`` images or regions.

    Args:
        semantic: lambda from 0 (appearance) to 1 (semantics), for all or, as a tensor (count,), for each.
        count: B or R.
        like: whose device and precision it gets.

    Raises:
        UserError: a number out of that range, or a tensor of another shape.
    """
    if isinstance(semantic, Tensor) and semantic.ndim:
        if semantic.shape != (count,):
            raise UserError(f'semantic: expected a number or one for each of {count} images, got a tensor of shape '
                            f'{tuple(semantic.shape)}.')
        value = semantic.to(like.device, like.dtype, non_blocking=True)
    else:
        if not isinstance(semantic, Tensor):
            check_semantic(semantic)
        value = torch.as_tensor(semantic, dtype=like.dtype, device=like.device).view(1)
    return torch.stack([value, 1 - value], dim=1)


def check_semantic(value: float) -> None:
    """Refuse a lambda out of [0, 1]."""
    if not 0 <= value <= 1:
        raise UserError(f'semantic = {value}: expected a number from 0 (appearance: who it is) to 1 (semantics: which '
                        'part of a person it is), or None for no controller.')


def make_stage(embed_dims: int, depth: int, num_heads: int, window_size: int,
               downsample: nn.Module | None = None) -> SwinBlockSequence:
    """The blocks of a stage; every second one shifts its windows."""
    return SwinBlockSequence(embed_dims=embed_dims, num_heads=num_heads, feedforward_channels=MLP_RATIO * embed_dims,
                             depth=depth, window_size=window_size, downsample=downsample, norm_cfg=NORM)


def make_merge(channels: int, stride: int) -> PatchMerging:
    """2 x 2 tokens to one of twice the channels; with stride 1 each with its neighbours, as many as there were."""
    return PatchMerging(in_channels=channels, out_channels=2 * channels, stride=stride, norm_cfg=NORM)


def initialise(module: nn.Module) -> None:
    """Linear layers and position tables as Swin has them."""
    for name, parameter in module.named_parameters():
        if name.endswith('relative_position_bias_table'):
            nn.init.trunc_normal_(parameter, std=0.02)
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def to_map(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Tokens (B, N, C) as a map (B, C, h, w)."""
    return x.transpose(1, 2).unflatten(2, grid)


@MODELS.register_module()
class SemanticSwin(Conditioned, nn.Module):
    """Swin by mmdet's modules, with SOLIDER's controllers after the stages, for images of any size.

    Parameter names are those of mmdet's ``SwinTransformer`` and of the published files: ``patch_embed.projection.*``,
    ``patch_embed.norm.*``, ``stages.I.blocks.J.*``, ``stages.I.downsample.*``, ``normI.*``, and
    ``semantic_embed_w.I.*``, ``semantic_embed_b.I.*``. Without controllers it computes what mmdet's network computes.

    A stage's map is taken before its merge, and its controller acts on what the merge gives: the first map is never
    modulated, and the last controller modulates nothing. It is there for the published files, and frozen, so that no
    optimiser and no weight decay knows of it.

    Lambda (``semantic``) is the call's (``condition['semantic']``, a number or one for each image), else that of the
    call's task.

    Args:
        arch: ``'tiny'``, ``'small'`` or ``'base'``; the following four are its own where they are None.
        embed_dims: D; every stage is twice as wide as the one before.
        depths: blocks of each stage.
        num_heads: attention heads of each stage.
        window_size: side of an attention window in tokens.
        strides: pixels per token of the first stage, then how many tokens the merge before each stage makes one of,
            along each axis: 2, or 1 for a map as fine as the one before (SOLIDER's (4, 2, 2, 1) for dense tasks: heads
            here read one map of stride 16).
        stages: how many of the stages there are; 3 for a two-stage detector whose heads have a :class:`LastStage`.
        semantic: lambda for all tasks, or of each task (``default``: of those not named); None for no controllers.
        drop_path: largest drop-path rate, of the last block (linear over depth), where a call names none.
        checkpointing: recompute blocks in the backward pass: for all, for none, or for the named tasks.

    Attributes:
        out_channels: C of the last map, which heads read.
        patch_size: pixels per token of the last map; images are padded to a multiple of it.
    """
    normalisation: dict[str, tuple[float, ...]] = {}  # the data preprocessor's default, ImageNet's

    def __init__(self, arch: str = 'tiny', embed_dims: int | None = None, depths: Sequence[int] | None = None,
                 num_heads: Sequence[int] | None = None, window_size: int | None = None,
                 strides: Sequence[int] = (4, 2, 2, 2), stages: int = 4, semantic: Semantic = SEMANTIC,
                 drop_path: float = 0.0, checkpointing: bool | Collection[str] = False):
        super().__init__()
        self.sizes = sizes_of(arch, embed_dims=embed_dims, depths=depths, num_heads=num_heads, window_size=window_size)
        self.strides, self.drop_path, self.checkpointing = tuple(strides), drop_path, checkpointing
        self._check(stages)
        self.semantic = dict(semantic) if isinstance(semantic, Mapping) else semantic
        for value in self.semantic.values() if isinstance(self.semantic, dict) else [self.semantic]:
            if value is not None:
                check_semantic(value)
        self.depth = sum(self.sizes['depths'][:stages])
        self._first = [sum(self.sizes['depths'][:stage]) for stage in range(stages)]  # first block of each stage
        self._build(stages)

    def _check(self, stages: int) -> None:
        if not 1 <= stages <= len(self.sizes['depths']):
            raise UserError(f"stages = {stages}: this Swin has {len(self.sizes['depths'])}.")
        if len({len(self.strides), len(self.sizes['depths']), len(self.sizes['num_heads'])}) > 1:
            raise UserError(f"strides, depths and num_heads say different numbers of stages: {self.strides}, "
                            f"{self.sizes['depths']}, {self.sizes['num_heads']}.")
        if not set(self.strides[1:]) <= {1, 2}:
            raise UserError(f'strides = {self.strides}: a merge is of 2 x 2 tokens, so that its stride is 1 or 2.')

    def _build(self, stages: int) -> None:
        """All modules. Small parts that a backward pass completes last, or not at all, come first: gradients are
        reduced from the end on while it runs."""
        width = self.sizes['embed_dims']
        widths = [width * 2**stage for stage in range(stages)]
        self.out_channels, self.patch_size = widths[-1], 1
        for stride in self.strides[:stages]:
            self.patch_size *= stride
        merged = [2 * x for x in widths]
        if stages == len(self.sizes['depths']):
            merged[-1] = widths[-1]  # after the last stage of all there is no merge
        for name in () if self.semantic is None else ('semantic_embed_w', 'semantic_embed_b'):
            setattr(self, name, nn.ModuleList(Controller(x) for x in merged))
            getattr(self, name)[-1].requires_grad_(False)
        for stage, channels in enumerate(widths[:-1]):
            self.add_module(f'norm{stage}', nn.LayerNorm(channels))
        self.patch_embed = PatchEmbed(
            in_channels=3, embed_dims=width, kernel_size=self.strides[0], stride=self.strides[0], norm_cfg=NORM)
        self.stages = nn.ModuleList(
            make_stage(channels, self.sizes['depths'][stage], self.sizes['num_heads'][stage], self.sizes['window_size'],
                       make_merge(channels, self.strides[stage + 1]) if stage + 1 < stages else None)
            for stage, channels in enumerate(widths))
        self.add_module(f'norm{stages - 1}', nn.LayerNorm(widths[-1]))
        initialise(self.stages)
        self._sites = [key_drop_paths(block) for block in self.blocks]

    @property
    def architecture(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        sizes = {key: list(value) if isinstance(value, tuple) else value for key, value in self.sizes.items()}
        return dict(sizes, strides=list(self.strides), stages=len(self.stages), semantic=self.semantic)

    @property
    def levels(self) -> tuple[Level, ...]:
        """What ``Features.maps`` are, one for each stage."""
        strides = accumulate(self.strides[:len(self.stages)], mul)
        return tuple(Level(self.sizes['embed_dims'] * 2**stage, stride) for stage, stride in enumerate(strides))

    @property
    def blocks(self) -> list[nn.Module]:
        """All transformer blocks in their order."""
        return [block for stage in self.stages for block in stage.blocks]

    def no_weight_decay(self) -> set[str]:
        """Names of the position tables, to which decay does harm (as mmdet's and timm's recipes have it)."""
        return {name for name, _ in self.named_parameters() if name.endswith('relative_position_bias_table')}

    def layer_id(self, name: str) -> int:
        """Layer of a parameter: 0 for the embedding, i + 1 for block i of all, depth + 1 for the last norm.

        What follows a stage (its merge, controllers, and norm, but for the last) has the layer of its last block.
        """
        part, *rest = name.split('.')
        if part == 'patch_embed':
            return 0
        ends = [*self._first[1:], self.depth]
        if part == 'stages':
            stage = int(rest[0])
            return ends[stage] if rest[1] == 'downsample' else self._first[stage] + int(rest[2]) + 1
        if part in ('semantic_embed_w', 'semantic_embed_b'):
            return ends[int(rest[0])]
        assert part.startswith('norm'), f'{name} is no parameter of a {type(self).__name__}'
        stage = int(part.removeprefix('norm'))
        return self.depth + 1 if stage == len(self.stages) - 1 else ends[stage]

    def forward(self, images: Tensor, condition: dict | None = None) -> Features:
        """Features of all stages.

        Args:
            images: (B, 3, H, W), normalised; of any size, padded with zeros at the right and bottom where it does not
                divide.
            condition: ``task``, ``semantic`` (a number, or a tensor (B,)), ``drop_path`` (rate; None for the default)
                and ``generator`` (a CPU generator that drop path draws from; None for torch's own). All optional.

        Returns:
            ``maps`` of all stages, each normalised, ``tokens`` the last of them as one level, ``pooled`` their mean,
            and no class feature: heads that want one take ``pooled``.

        Raises:
            UserError: a lambda that is none, none for this task, or one for a network without controllers.
        """
        condition = condition or {}
        x, grid = self.patch_embed(images)
        dial = self._dial(condition, len(images))
        keeps = self.draw_keeps(len(images), condition, x)
        maps = []
        for index, stage in enumerate(self.stages):
            for block in range(self._first[index], self._first[index] + len(stage.blocks)):
                x = self._run(block, x, grid, keeps[block], condition.get('task'))
            level = getattr(self, f'norm{index}')(x)
            maps.append(to_map(level, grid))
            if stage.downsample is not None:
                x, grid = stage.downsample(x, grid)
                if dial is not None:
                    x = modulate(x, self.semantic_embed_w[index], self.semantic_embed_b[index], dial)
        return Features(maps=maps, tokens=[level], cls=None, pooled=level.mean(1), grid=grid)

    def semantic_of(self, task: str | None) -> float | None:
        """Lambda of a task; half of each for a call that names none, where there is no ``default``. None where there
        are no controllers.

        Raises:
            UserError: the network has none for it.
        """
        if not isinstance(self.semantic, Mapping):
            return self.semantic
        value = self.semantic.get(task, self.semantic.get('default', 0.5 if task is None else None))
        if value is None:
            raise UserError(f"semantic says no lambda for '{task}': it has {', '.join(self.semantic)}. Name it, or add "
                            "'default'.")
        return value

    def _dial(self, condition: dict, count: int) -> Tensor | None:
        """The controllers' input for a batch of ``count``, or None without controllers."""
        given = condition.get('semantic')
        if self.semantic is None:
            if given is not None:
                raise UserError('The call says a lambda, and this network has no controllers (semantic=None). Give it '
                                'a lambda, or a table of them by task.')
            return None
        value = self.semantic_of(condition.get('task')) if given is None else given
        return dial_of(value, count, self.semantic_embed_w[0].weight)

    def _run(self, index: int, x: Tensor, grid: tuple[int, int], keep: Tensor | None, task: str | None) -> Tensor:
        """Block ``index`` on x (B, N, C)."""
        block = self.blocks[index]
        return self.run_keyed(lambda x: block(x, grid), block.training, self._sites[index], x, keep, task)


class LastStage(nn.Module):
    """What follows a map of stride 16 in a Swin: merge, controller, blocks, norm, for the regions of a detector.

    As in SOLIDER's person search, the regions are cut from the normalised map of the third stage. Its weights are those
    of the backbone's last stage in a file of weights (:meth:`names_in_backbone`).

    Args:
        channels: C of the map; the regions leave with 2 C.
        depth: blocks.
        num_heads: attention heads; None for one for every 32 channels, as all published sizes have.
        window_size: side of an attention window in tokens.
        stride: of the merge.
        semantic: lambda where a call says none; None for no controller.
        stage: index of the stage in the backbone.
    """

    def __init__(self, channels: int, depth: int = 2, num_heads: int | None = None, window_size: int = 7,
                 stride: int = 2, semantic: float | None = SEMANTIC['person_search'], stage: int = 3):
        super().__init__()
        self.out_channels, self.semantic, self.index = 2 * channels, semantic, stage
        self.downsample = make_merge(channels, stride)
        if semantic is not None:
            check_semantic(semantic)
            self.semantic_embed_w, self.semantic_embed_b = Controller(2 * channels), Controller(2 * channels)
        self.blocks = make_stage(2 * channels, depth, num_heads or channels // 16, window_size).blocks
        self.norm = nn.LayerNorm(2 * channels)
        for part in (self.downsample, self.blocks):
            initialise(part)

    def forward(self, regions: Tensor, semantic: float | Tensor | None = None) -> Tensor:
        """A normalised map (R, 2 C, h / 2, w / 2) of regions (R, C, h, w).

        Args:
            regions: of the map.
            semantic: lambda of all, or (R,) of each; None for the module's own.
        """
        x, grid = self.downsample(regions.flatten(2).transpose(1, 2), tuple(regions.shape[2:]))
        if self.semantic is not None:
            value = self.semantic if semantic is None else semantic
            dial = dial_of(value, len(regions), self.semantic_embed_w.weight)
            x = modulate(x, self.semantic_embed_w, self.semantic_embed_b, dial)
        for block in self.blocks:
            x = block(x, grid)
        return to_map(self.norm(x), grid)

    def names_in_backbone(self) -> dict[str, str]:
        """What each of its own entries is called in a backbone: own name -> name there."""
        before = self.index - 1
        places = {'downsample.': f'stages.{before}.downsample.', 'blocks.': f'stages.{self.index}.blocks.',
                  'norm.': f'norm{self.index}.', 'semantic_embed_w.': f'semantic_embed_w.{before}.',
                  'semantic_embed_b.': f'semantic_embed_b.{before}.'}
        return {key: there + key.removeprefix(own) for key in self.state_dict()
                for own, there in places.items() if key.startswith(own)}


def sizes_of(arch: str = 'tiny', **own: Any) -> dict[str, Any]:
    """Width, depths, heads and window of a network: those of a published size, or ``own`` where they are not None.

    Raises:
        UserError: no such size.
    """
    if arch not in ARCHS:
        raise unknown_name('size of Swin (arch)', arch, ARCHS)
    return {key: default if own.get(key) is None else tuple(own[key]) if isinstance(default, tuple) else own[key]
            for key, default in ARCHS[arch].items()}
