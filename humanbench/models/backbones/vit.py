"""The plain vision transformer, for images of any size and any number of tasks.

Shapes: B images, C channels, N tokens of an h x w grid, K of them kept, T = N (or K), one more with a class token.
"""
from collections.abc import Collection
from typing import Any

import torch
from timm.layers import LayerNorm
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...errors import UserError, unknown_name
from ...registry import MODELS
from ...structures import Features
from .conditioned import Conditioned
from .position import interpolate_positions, sincos_table

POSITION_INITS = ('sincos', 'normal')


class KeyedBlock(Block):
    """timm's block whose drop path is given from outside, so that recomputing it in the backward pass repeats it."""

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """One block.

        Args:
            x: (B, T, C).
            keep: (2, B, 1, 1) factors of the attention and the MLP branch, 0 where dropped; or None.
        """
        attention = self.ls1(self.attn(self.norm1(x)))
        x = x + (attention if keep is None else attention * keep[0])
        mlp = self.ls2(self.mlp(self.norm2(x)))
        return x + (mlp if keep is None else mlp * keep[1])


@MODELS.register_module()
class HumanViT(Conditioned, VisionTransformer):
    """timm's ViT with one learnable position table for all image sizes and a class token with a position of its own.

    Parameter names are timm's: ``patch_embed.proj.*``, ``pos_embed`` (1, N, C; grid only), ``cls_token`` and
    ``cls_pos_embed`` (1, 1, C), ``blocks.I.*``, ``norm.*``. Images are padded to a multiple of the patch by the data
    preprocessor.

    Args:
        img_size: image size of the stored position table; other sizes interpolate it.
        patch_size: side of a patch in pixels.
        embed_dim: C.
        depth: number of blocks.
        num_heads: attention heads.
        mlp_ratio: hidden width of the MLP over C.
        drop_path: largest drop-path rate, of the last block (linear over depth), where a call names none.
        class_token_tasks: tasks whose images get a class token: None for all, ``()`` for none, ``('reid',)`` as PATH.
        position_init: ``'sincos'`` (MAE) or ``'normal'`` (truncated, 0.02).
        checkpointing: recompute blocks in the backward pass: for all, for none, or for the named tasks.
        train_positions: False keeps the position tables as they are made (MAE).
    """
    sees_parts = True
    normalisation: dict[str, tuple[float, ...]] = {}  # the data preprocessor's default, ImageNet's

    def __init__(self, img_size: int | tuple[int, int] = 224, patch_size: int = 16, embed_dim: int = 768,
                 depth: int = 12, num_heads: int = 12, mlp_ratio: float = 4.0, drop_path: float = 0.0,
                 class_token_tasks: Collection[str] | None = None, position_init: str = 'sincos',
                 checkpointing: bool | Collection[str] = False, train_positions: bool = True):
        if position_init not in POSITION_INITS:
            raise unknown_name('position_init', position_init, POSITION_INITS)
        has_token = class_token_tasks is None or len(class_token_tasks) > 0
        super().__init__(
            img_size=img_size, patch_size=patch_size, embed_dim=embed_dim, depth=depth, num_heads=num_heads,
            mlp_ratio=mlp_ratio, num_classes=0, global_pool='', class_token=has_token, no_embed_class=True,
            dynamic_img_size=True, norm_layer=LayerNorm, block_fn=KeyedBlock, weight_init='skip')
        self.out_channels, self.depth, self.patch_size = embed_dim, depth, patch_size
        self.drop_path, self.class_token_tasks, self.checkpointing = drop_path, class_token_tasks, checkpointing
        self.position_init = position_init
        if has_token:
            self.cls_pos_embed = nn.Parameter(torch.empty(1, 1, embed_dim), train_positions)
        self.pos_embed.requires_grad_(train_positions)
        self._initialise()

    def _initialise(self) -> None:
        """Linear layers as timm, those that end a branch scaled down with depth, then the positions."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        self.fix_init_weight()
        if self.position_init == 'sincos':
            with torch.no_grad():
                self.pos_embed.copy_(sincos_table(self.patch_embed.grid_size, self.embed_dim))
        else:
            nn.init.trunc_normal_(self.pos_embed, std=0.02)
        if self.cls_token is not None:
            nn.init.normal_(self.cls_token, std=1e-6)
            nn.init.trunc_normal_(self.cls_pos_embed, std=0.02)

    @property
    def architecture(self) -> dict[str, Any]:
        """The arguments that build this network again."""
        tasks = self.class_token_tasks
        return dict(
            img_size=list(self.patch_embed.img_size), patch_size=self.patch_size, embed_dim=self.out_channels,
            depth=self.depth, num_heads=self.blocks[0].attn.num_heads,
            mlp_ratio=self.blocks[0].mlp.fc1.out_features / self.out_channels,
            class_token_tasks=None if tasks is None else list(tasks), position_init=self.position_init)

    def layer_id(self, name: str) -> int:
        """Layer of a parameter: 0 for the embedding, i + 1 for block i, depth + 1 for the final norm."""
        part, _, rest = name.partition('.')
        if part in ('patch_embed', 'pos_embed', 'cls_token', 'cls_pos_embed'):
            return 0
        if part == 'blocks':
            return int(rest.split('.')[0]) + 1
        assert part == 'norm', f'{name} is no parameter of a {type(self).__name__}'
        return self.depth + 1

    def forward(self, images: Tensor, condition: dict | None = None) -> Features:
        """Features of all levels.

        Args:
            images: (B, 3, H, W), normalised; H and W multiples of the patch.
            condition: ``task``, ``drop_path`` (rate; None for the default), ``generator`` (a CPU generator that
                drop path draws from; None for torch's own) and ``keep_ids`` (B, K), the patches that are seen: all
                features are then of these, in this order, and there are no maps. All optional.
        """
        condition = condition or {}
        task = condition.get('task')
        with_class_token, keep_ids = self._has_class_token(task), condition.get('keep_ids')
        tokens, grid = self._embed(images, with_class_token, keep_ids)
        keeps = self.draw_keeps(len(images), condition, tokens)
        levels = [tokens]
        for block, keep in zip(self.blocks, keeps):
            keep = keep[..., None, None] if keep is not None and block.training else None
            if self.recomputes(task):
                tokens = checkpoint(block, tokens, keep, use_reentrant=False, preserve_rng_state=False)
            else:
                tokens = block(tokens, keep)
            levels.append(tokens)
        levels[-1] = self.norm(levels[-1])
        return self._features(levels, grid, with_class_token, whole=keep_ids is None)

    def _has_class_token(self, task: str | None) -> bool:
        return self.class_token_tasks is None or task in self.class_token_tasks

    def _embed(self, images: Tensor, with_class_token: bool,
               keep_ids: Tensor | None) -> tuple[Tensor, tuple[int, int]]:
        """Patch tokens with their positions (B, T, C), and the grid."""
        if images.shape[-2] % self.patch_size or images.shape[-1] % self.patch_size:
            raise UserError(f'The backbone cuts images into patches of {self.patch_size} pixels, got images of '
                            f'{images.shape[-2]}x{images.shape[-1]}. Set pad_size_divisor={self.patch_size} in the '
                            'data preprocessor.')
        x = self.patch_embed(images)
        grid = (x.shape[1], x.shape[2])
        x = x.flatten(1, 2) + interpolate_positions(self.pos_embed, self.patch_embed.grid_size, grid)
        if keep_ids is not None:
            x = x.take_along_dim(keep_ids[..., None], dim=1)
        if with_class_token:
            x = torch.cat([(self.cls_token + self.cls_pos_embed).expand(len(x), -1, -1).to(x.dtype), x], dim=1)
        return x, grid

    @staticmethod
    def _features(levels: list[Tensor], grid: tuple[int, int], with_class_token: bool, whole: bool) -> Features:
        """Split the levels (B, T, C) into class and patch tokens; ``whole``: of all patches of the grid."""
        patches = [x[:, 1:] for x in levels] if with_class_token else levels
        cls_tokens = tuple(x[:, 0] for x in levels) if with_class_token else ()
        last = patches[-1]
        return Features(
            maps=[last.transpose(1, 2).unflatten(2, grid)] if whole else [], tokens=patches,
            cls=cls_tokens[-1] if with_class_token else None, pooled=last.mean(1), grid=grid, cls_tokens=cls_tokens)
