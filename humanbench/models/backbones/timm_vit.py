"""timm's plain vision transformers (ViT, DeiT, DINO, CLIP, SigLIP, EVA, DINOv3 ...) as backbones.

Shapes: B images, C channels, N patch tokens of an h x w grid, P tokens before them (class, registers), T = P + N.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...registry import MODELS
from ...structures import Features
from .position import interpolate_positions
from .timm_network import PLAIN, STRIDE, TimmNetwork

EMBEDDING = ('patch_embed', 'pos_embed', 'cls_token', 'reg_token', 'dist_token', 'norm_pre', 'rope')


@MODELS.register_module()
class TimmViT(TimmNetwork):
    """A plain timm ViT for images of any size, with its own class and register tokens for every task.

    Heads read one map of stride 16 whatever the patch is. A network of patch 14 or 32 sees the image resized so that
    one patch is what 16 pixels were (256 x 128 becomes 224 x 112 for patch 14): it keeps its kernel, gets as many
    tokens as a ViT/16, and no head has to know. Patches of 8 pixels are averaged two by two into that map.
    Position tables are interpolated as timm does it (bicubic, smoothed).

    A network that timm normalises after pooling (``fc_norm``) is normalised by the same norm token by token.

    Arguments are those of :class:`TimmNetwork`; without a name it is timm's VisionTransformer.
    """
    families = PLAIN
    resizing = dict(dynamic_img_size=True)

    def _describe(self) -> None:
        network = self.network
        network.attn_pool = None
        self.out_channels, self.patch_size = network.embed_dim, STRIDE
        self.patch = network.feature_info[0]['reduction']
        self.cells = max(1, STRIDE // self.patch)
        self.norm_after_pooling = isinstance(network.norm, nn.Identity)
        if not self.norm_after_pooling:
            network.fc_norm = nn.Identity()

    @property
    def blocks(self) -> list[nn.Module]:
        return list(self.network.blocks)

    @property
    def grid_size(self) -> tuple[int, int]:
        """(h, w) of the stored position table."""
        return tuple(self.network.patch_embed.grid_size)

    @property
    def table_prefix(self) -> int:
        """Rows of the position table that belong to class and register tokens."""
        return 0 if self.network.no_embed_class else self.network.num_prefix_tokens

    def layer_id(self, name: str) -> int:
        """Layer of a parameter: 0 for the embedding, i + 1 for block i, depth + 1 for the final norm."""
        _, part, *rest = name.split('.')
        if part in EMBEDDING:
            return 0
        if part == 'blocks':
            return int(rest[0]) + 1
        assert part in ('norm', 'fc_norm'), f'{name} is no parameter of a TimmViT'
        return self.depth + 1

    def forward(self, images: Tensor, condition: dict | None = None) -> Features:
        """Features of all levels.

        Args:
            images: (B, 3, H, W), normalised; H and W multiples of 16.
            condition: ``task``, ``drop_path`` (rate; None for the default) and ``generator`` (a CPU generator that
                drop path draws from; None for torch's own). All optional.
        """
        condition = condition or {}
        tokens, grid = self._embed(self.resize(images))
        rotations = self._rotations(grid)
        keeps = self._keeps(len(images), condition, tokens)
        levels = [tokens]
        for index, keep in enumerate(keeps):
            arguments = {} if rotations is None else dict(rope=rotations[index])
            tokens = self._run(index, tokens, keep, condition.get('task'), **arguments)
            levels.append(tokens)
        return self._features(levels, grid)

    def resize(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) as the network sees them: 16 pixels become a whole number of its patches."""
        self._refuse_size(images)
        size = [side // STRIDE * self.cells * self.patch for side in images.shape[-2:]]
        if list(images.shape[-2:]) == size:
            return images
        return F.interpolate(images, size=size, mode='bilinear', antialias=True, align_corners=False)

    def _embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """All tokens with their positions (B, T, C), and the grid."""
        network = self.network
        x = network.patch_embed(images)
        grid = (x.shape[1], x.shape[2])
        x = x.flatten(1, 2)
        first = [getattr(network, name, None) for name in ('cls_token', 'dist_token', 'reg_token')]
        first = [token.expand(len(x), -1, -1) for token in first if token is not None]
        table = network.pos_embed
        if table is None:
            x = torch.cat([*first, x], dim=1)
        elif network.no_embed_class:
            x = torch.cat([*first, x + self._table(table, grid)], dim=1)
        else:
            x = torch.cat([*first, x], dim=1) + self._table(table, grid)
        return network.norm_pre(network.pos_drop(x)), grid

    def _table(self, table: Tensor, grid: tuple[int, int]) -> Tensor:
        """The position table (1, P + N, C) or (1, N, C) for another grid."""
        prefix = self.table_prefix
        resized = interpolate_positions(table[:, prefix:], self.grid_size, grid, antialias=True)
        return torch.cat([table[:, :prefix], resized], dim=1) if prefix else resized

    def _rotations(self, grid: tuple[int, int]) -> list[Tensor] | None:
        """Rotary positions of every block, or None where the network has none."""
        rope = getattr(self.network, 'rope', None)
        if rope is None:
            return None
        embedding = rope.get_embed(shape=grid)
        return list(embedding) if self.network.rope_mixed else [embedding] * self.depth

    def _features(self, levels: list[Tensor], grid: tuple[int, int]) -> Features:
        """Normalise the last level (B, T, C), and split all into class and patch tokens."""
        prefix = self.network.num_prefix_tokens
        norm = self.network.fc_norm if self.norm_after_pooling else self.network.norm
        raw = levels[-1]
        levels = [*levels[:-1], norm(raw)]
        patches = [x[:, prefix:] for x in levels]
        pooled = norm(raw[:, prefix:].mean(1)) if self.norm_after_pooling else patches[-1].mean(1)
        cls_tokens = () if self.network.cls_token is None else tuple(x[:, 0] for x in levels)
        map_ = patches[-1].transpose(1, 2).unflatten(2, grid)
        if self.cells > 1:
            map_ = F.avg_pool2d(map_, self.cells)
        return Features(maps=[map_], tokens=patches, cls=cls_tokens[-1] if cls_tokens else None, pooled=pooled,
                        grid=grid, cls_tokens=cls_tokens)

