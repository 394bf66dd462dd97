"""What every backbone does alike: lists of batches, recomputation by task, drop path drawn from outside.

Shapes: B images, D blocks, R residual branches of a block.
"""
from collections.abc import Callable, Sequence

import torch
from mmcv.cnn.bricks.drop import DropPath
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...structures import Features, Level


class Conditioned:
    """Mixin of the backbones. They have ``depth``, ``drop_path`` and ``checkpointing`` (True, or the tasks).

    Attributes:
        sees_parts: whether a condition may say which patches are seen (``keep_ids``).
        sees_metres: whether it takes depth (B, 1, H, W) in metres and no images.
    """
    sees_parts = False
    sees_metres = False

    @property
    def levels(self) -> tuple[Level, ...]:
        """What ``Features.maps`` are, fine to coarse; here one, with a cell for each patch."""
        return (Level(self.out_channels, self.patch_size),)

    def forward_list(self, images: list[Tensor], conditions: list[dict | None] | None = None) -> list[Features]:
        """Features of several batches, each of its own size and condition."""
        conditions = conditions or [None] * len(images)
        return [self(x, condition) for x, condition in zip(images, conditions, strict=True)]

    def recomputes(self, task: str | None) -> bool:
        """Whether blocks are recomputed in the backward pass of this task."""
        wanted = self.checkpointing if isinstance(self.checkpointing, bool) else task in self.checkpointing
        return wanted and torch.is_grad_enabled()

    def draw_keeps(self, batch: int, condition: dict, like: Tensor, branches: int = 2) -> list[Tensor | None]:
        """Drop-path factors of every block, drawn at once: (R, B) of mean 1, or None where nothing is dropped.

        Rates rise linearly over depth. Drawn on the host, so that a seed means the same on every device, and for frozen
        blocks too, so that freezing some does not change what the others draw.

        Args:
            batch: B.
            condition: ``drop_path`` (rate; None for the backbone's own) and ``generator`` (None for torch's own).
            like: whose device and precision the factors get.
            branches: R.
        """
        rate = condition.get('drop_path')
        rate = self.drop_path if rate is None else rate
        if not self.training or rate == 0:
            return [None] * self.depth
        keep_rates = 1 - torch.linspace(0, rate, self.depth).view(-1, 1, 1)
        draws = torch.rand(self.depth, branches, batch, generator=condition.get('generator'))
        return list(((draws < keep_rates) / keep_rates).to(like, non_blocking=True))

    def run_keyed(self, block: Callable[[Tensor], Tensor], training: bool, sites: 'Sequence[KeyedDropPath]', x: Tensor,
                  keep: Tensor | None, task: str | None) -> Tensor:
        """One block on x (B, ...), recomputed in the backward pass where the task wants it.

        Args:
            block: what is run.
            training: whether it is in training mode; else it drops nothing.
            sites: its drop paths.
            x: its input.
            keep: (R, B) drop-path factors, or None.
            task: of the call.
        """
        def run(x: Tensor) -> Tensor:
            for branch, site in enumerate(sites):
                site.keep = None if keep is None or not training else keep[branch]
            return block(x)

        if self.recomputes(task):
            return checkpoint(run, x, use_reentrant=False, preserve_rng_state=False)
        return run(x)


class KeyedDropPath(nn.Module):
    """Stands where timm or mmcv has a drop path: what it keeps is given before its block runs, so that recomputing the
    block in the backward pass repeats it.
    """

    def __init__(self):
        super().__init__()
        self.keep: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """x (B, ...) times the factors (B,), 0 where dropped."""
        return x if self.keep is None else x * self.keep.view(-1, *[1] * (x.ndim - 1))


class KeptStatistics:
    """Context in which the batch norms of a block change copies of their running statistics: what is recomputed in the
    backward pass has been counted in the forward pass."""

    def __init__(self, block: nn.Module):
        self.norms = [module for module in block.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        self._own: list[dict[str, Tensor | None]] = []

    def __enter__(self) -> None:
        self._own = [dict(norm._buffers) for norm in self.norms]
        for norm, own in zip(self.norms, self._own):
            norm._buffers.update({name: None if value is None else value.clone() for name, value in own.items()})

    def __exit__(self, *_) -> None:
        for norm, own in zip(self.norms, self._own):
            norm._buffers.update(own)


def key_drop_paths(block: nn.Module) -> list[KeyedDropPath]:
    """Replace the drop paths of a timm or mmdet block, those of rate 0 included. Returns them in the block's order."""
    keyed = []
    for module in list(block.modules()):
        for name in [name for name, child in module.named_children()
                     if name.startswith('drop_path') or isinstance(child, DropPath)]:
            keyed.append(KeyedDropPath())
            setattr(module, name, keyed[-1])
    return keyed
