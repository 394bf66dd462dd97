"""The backbone's parameters, gradients and optimiser state spread over all ranks (FSDP2), for ViT-L and larger.

Within a step the parameters are gathered once, before the first unit, and the summed gradients scattered once, during
the backward pass of the last: the traffic is that of one all-reduce, whatever the number of units. Projectors and heads
stay whole; :mod:`gradient_groups` reduces them.
"""
import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor

from ..errors import UserError


def shard(backbone: nn.Module, world_size: int) -> None:
    """Spread the parameters of a backbone over all ranks, block by block where it has blocks; one of which nothing
    trains stays whole."""
    if not any(x.requires_grad for x in backbone.parameters()):
        return
    device = next(backbone.parameters()).device.type
    mesh = init_device_mesh(device, (world_size,))
    for module in [*getattr(backbone, 'blocks', ()), backbone]:
        fully_shard(module, mesh=mesh, reshard_after_forward=False)
        module.set_gradient_divide_factor(1.0)  # gradients are summed: the weights are in the loss
        if device == 'cpu':
            module.set_force_sum_reduction_for_comms(True)  # gloo cannot scale while it sums
    backbone.set_reduce_scatter_unused_params(True)  # a class token that only some ranks have used


def compile_blocks(backbone: nn.Module) -> None:
    """Compile a backbone block by block, as it stands: all blocks and all image sizes share a few graphs.

    The first size is compiled as it is; at the second, PyTorch compiles once more for any number of tokens.
    """
    if not hasattr(backbone, 'blocks'):
        raise UserError(f'train_cfg.compile_blocks: a {type(backbone).__name__} has no blocks. Leave it out.')
    for block in backbone.blocks:
        block.compile()


class ShardedBackbone:
    """Keeps the collectives of a sharded backbone aligned over ranks, however many units each of them has."""

    def __init__(self, backbone: nn.Module):
        assert isinstance(backbone, FSDPModule)
        self.backbone, self.reduced = backbone, False
        self.parameters = [p for p in backbone.parameters() if p.requires_grad]
        self._passes = 0  # forward passes of the unit at hand
        backbone.register_forward_pre_hook(self._count)
        self._follow(False)

    def _count(self, *_) -> None:
        self._passes += 1

    def _follow(self, last: bool) -> None:
        self.backbone.set_is_last_backward(last)
        self.backbone.set_requires_gradient_sync(last)
        self.backbone.set_reshard_after_backward(last)

    def begin(self) -> None:
        """Begin a step without gradients."""
        self.reduced = False
        self._follow(False)
        for parameter in self.parameters:
            parameter.grad = None

    def begin_unit(self) -> None:
        """Before the forward pass of a unit."""
        self._passes = 0

    @contextlib.contextmanager
    def last_backward(self) -> Iterator[None]:
        """The backward pass inside is the last one of this step on this rank.

        Gradients are scattered during it, unless its unit went through the backbone several times (a pretext with
        views): FSDP would scatter, and gather parameters, once for each, which other ranks know nothing of. They are
        then scattered by :meth:`finish`.
        """
        if self._passes != 1:
            yield
            return
        self._follow(True)
        yield
        self.reduced = True

    def finish(self) -> None:
        """Take part in the collectives of a step on a rank whose last unit did not, with further gradients of zero."""
        if self.reduced:
            return
        self._follow(True)
        self.backbone.eval()  # these zeros are no images: running statistics stay as they are
        side = 2 * getattr(self.backbone, 'patch_size', 16)
        first = self.parameters[0]
        features = self.backbone(torch.zeros(1, 3, side, side, device=first.device, dtype=first.dtype))
        (features.pooled.sum() * 0).backward()
        self.reduced = True

    def squared_norm(self) -> Tensor:
        """() float64 squared gradient norm of this rank's shards."""
        shards = [p.grad.to_local() if isinstance(p.grad, DTensor) else p.grad
                  for p in self.parameters if p.grad is not None]
        return sum(torch.linalg.vector_norm(x, dtype=torch.float64) ** 2 for x in shards)
