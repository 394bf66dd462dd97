"""Any timm vision transformer by its name, behind our Features: what the plain and the hierarchical ones share.

The network is timm's own, under ``network.``: its parameters keep timm's names, and at timm's own image size it
computes what ``forward_features`` computes. Left out is what only classifies (``head``, ``attn_pool``).
"""
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import timm
import torch
from timm.models.eva import Eva
from timm.models.swin_transformer import SwinTransformer
from timm.models.swin_transformer_v2 import SwinTransformerV2
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ...errors import CheckpointError, UserError, unknown_name
from .conditioned import Conditioned, key_drop_paths

PLAIN = (VisionTransformer, Eva)
HIERARCHICAL = (SwinTransformer, SwinTransformerV2)
STRIDE = 16
"""Pixels per cell of the map that heads read, whatever the network's own stride is."""
UNDECAYED = {'pos_embed', 'cls_token', 'dist_token', 'reg_token', 'freqs', 'relative_position_bias_table', 'cpb_mlp',
             'logit_scale'}


class TimmNetwork(Conditioned, nn.Module):
    """A timm network behind our contract.

    Args:
        name: of a timm model, with or without the tag of its weights; None builds ``families[0]`` from ``options``.
        options: arguments of timm's class, over those of the name.
        norm_eps: of every layer norm; None for timm's.
        mean: of each channel, in RGB from 0 to 255; None for what the name says, else ImageNet's.
        std: of each channel, likewise.
        drop_path: largest drop-path rate, of the last block (linear over depth), where a call names none.
        checkpointing: recompute blocks in the backward pass: for all, for none, or for the named tasks.

    Attributes:
        out_channels: C of the map that heads read.
        patch_size: what height and width of an image are multiples of.
        normalisation: ``mean`` and ``std`` for the data preprocessor; empty for its defaults.
    """
    families: tuple[type, ...]
    resizing: Mapping[str, Any]  # the arguments with which timm's class takes images of any size

    def __init__(self, name: str | None = None, options: Mapping[str, Any] | None = None,
                 norm_eps: float | None = None, mean: Sequence[float] | None = None,
                 std: Sequence[float] | None = None, drop_path: float = 0.0,
                 checkpointing: bool | Collection[str] = False):
        super().__init__()
        self.name, self.options, self.norm_eps = name, dict(options or {}), norm_eps
        self.network = self._make()
        if norm_eps is not None:
            for module in self.network.modules():
                if isinstance(module, nn.LayerNorm):
                    module.eps = norm_eps
        self.normalisation = own_normalisation(name) | {
            key: tuple(value) for key, value in dict(mean=mean, std=std).items() if value is not None}
        self.drop_path, self.checkpointing = drop_path, checkpointing
        self._sites = [key_drop_paths(block) for block in self.blocks]
        self.depth = len(self.blocks)
        self._describe()

    def _describe(self) -> None:
        """Set what heads and preprocessor must know of the network: ``out_channels`` and ``patch_size``."""
        raise NotImplementedError

    def _make(self) -> nn.Module:
        arguments = dict(self.options, num_classes=0, **self.resizing)
        if self.name is None:
            return self.families[0](**arguments)
        kind = family_of(self.name)
        if not issubclass(kind, self.families):
            other = 'TimmSwin' if issubclass(kind, HIERARCHICAL) else 'TimmViT'
            raise UserError(f"timm's '{self.name}' is a {kind.__name__}: build it with {other}, not with "
                            f'{type(self).__name__}.')
        return timm.create_model(self.name, pretrained=False, **arguments)

    @property
    def architecture(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        return dict(name=self.name, options=self.options, norm_eps=self.norm_eps,
                    **{key: list(value) for key, value in self.normalisation.items()})

    @property
    def blocks(self) -> list[nn.Module]:
        """All transformer blocks in their order."""
        raise NotImplementedError

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that are tables, tokens or scales, to which decay does harm (as timm has it)."""
        return {name for name, _ in self.named_parameters() if not UNDECAYED.isdisjoint(name.split('.'))}

    def _keeps(self, batch: int, condition: dict, like: Tensor) -> list[Tensor | None]:
        return self.draw_keeps(batch, condition, like, max(map(len, self._sites)))

    def _run(self, index: int, x: Tensor, keep: Tensor | None, task: str | None, **arguments: Any) -> Tensor:
        """Block ``index`` on x (B, ...), recomputed in the backward pass where the task wants it.

        Args:
            keep: (R, B) drop-path factors, or None.
            arguments: more for timm's block.
        """
        block = self.blocks[index]

        def run(x: Tensor) -> Tensor:
            self._prepare(block, x)
            return block(x, **arguments)

        return self.run_keyed(run, block.training, self._sites[index], x, keep, task)

    def _prepare(self, block: nn.Module, x: Tensor) -> None:
        """What a block must know of its input before it runs."""

    def _refuse_size(self, images: Tensor) -> None:
        if images.shape[-2] % self.patch_size or images.shape[-1] % self.patch_size:
            raise UserError(f'{self.name or type(self.network).__name__} takes images whose sides are multiples of '
                            f'{self.patch_size}, got {images.shape[-2]}x{images.shape[-1]}. Set pad_size_divisor='
                            f'{self.patch_size} in the data preprocessor.')


@lru_cache
def blank(name: str) -> nn.Module:
    """A timm model without values, to look at.

    Raises:
        CheckpointError: timm has no model of that name.
    """
    check_name(name)
    with torch.device('meta'):
        return timm.create_model(name, pretrained=False)


def family_of(name: str) -> type:
    """The class of a timm model.

    Raises:
        CheckpointError: timm has no model of that name.
        UserError: it is none that our heads can read.
    """
    kind = type(blank(name))
    if not issubclass(kind, PLAIN + HIERARCHICAL):
        known = ', '.join(x.__name__ for x in PLAIN + HIERARCHICAL)
        raise UserError(f"timm's '{name}' is a {kind.__name__}, which cannot be measured here. Can be: {known} "
                        '(ViT, DeiT, DINO, DINOv2, DINOv3, CLIP, SigLIP, EVA-02, Swin and Swin v2 by any name).')
    return kind


def check_name(name: str) -> None:
    """Refuse a name that timm does not know, or a tag of weights that its model does not have.

    Raises:
        CheckpointError: no such model.
    """
    architecture, _, tag = name.partition('.')
    if not timm.is_model(architecture):
        names = timm.list_models(['*vit*', '*deit*', '*eva*', '*swin*'])
        near = str(unknown_name('timm model', architecture, names))
        raise CheckpointError(near.split(' Known: ')[0] + " timm.list_models('*vit*') and timm.list_models('*swin*') "
                              'list those that can be measured.')
    tags = [full.partition('.')[2] for full in timm.list_models(f'{architecture}.*', pretrained=True)]
    if tag and tag not in tags:
        raise CheckpointError(f"timm has no weights '{tag}' of its model '{architecture}'. It has: "
                              f"{', '.join(tags) or 'none'}.")


def own_normalisation(name: str | None) -> dict[str, tuple[float, ...]]:
    """``mean`` and ``std`` of the pixels (0 to 255) that a timm model was trained with; empty where it has none."""
    config = timm.get_pretrained_cfg(name) if name else None
    if config is None:
        return {}
    return {key: tuple(round(255 * x, 4) for x in getattr(config, key)) for key in ('mean', 'std')}
