"""Networks over the joints of a skeleton.

Shapes: B people, J joints, C channels, E entries of the skeleton's matrix that are not zero.
"""
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..joint_sets import joint_set
from ..registry import MODELS


def neighbours(parents: Sequence[int]) -> Tensor:
    """(J, J) bool: which joints are joined by a bone, and each with itself.

    Args:
        parents: of each joint, -1 for a root.

    Raises:
        UserError: a parent that is no other joint.
    """
    count = len(parents)
    near = torch.eye(count, dtype=torch.bool, device='cpu')  # it is counted, also where a network is only planned
    for joint, parent in enumerate(parents):
        if parent == joint or not -1 <= parent < count:
            raise UserError(f'skeleton: joint {joint} hangs on {parent}; expected another of {count} joints, or -1.')
        if parent >= 0:
            near[joint, parent] = near[parent, joint] = True
    return near


class SemGraphConv(nn.Module):
    """Semantic graph convolution (arXiv 1904.03345): each joint is a weighted mean of itself and of its neighbours,
    which another matrix has transformed; every pair's weight is learnt, a softmax over the joint's row.

    Args:
        in_channels: of each joint.
        out_channels: of each joint.
        near: (J, J) bool, see :func:`neighbours`.

    Attributes:
        W: (2, in_channels, out_channels) of a joint itself and of its neighbours.
        e: (1, E) what the softmax is taken of, row by row.
        bias: (out_channels,).
    """

    def __init__(self, in_channels: int, out_channels: int, near: Tensor):
        super().__init__()
        self.W = nn.Parameter(torch.empty(2, in_channels, out_channels))
        self.e = nn.Parameter(torch.ones(1, int(near.sum())))
        self.bias = nn.Parameter(torch.empty(out_channels))
        for matrix in self.W:
            nn.init.xavier_uniform_(matrix.data, gain=2**0.5)
        nn.init.uniform_(self.bias, -out_channels**-0.5, out_channels**-0.5)
        self.register_buffer('near', near.to(self.W.device), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, J, out_channels) of (B, J, in_channels)."""
        mix = torch.full(self.near.shape, -torch.inf, dtype=self.e.dtype, device=x.device)
        mix = mix.masked_scatter(self.near, self.e).softmax(1)
        own = mix.diagonal().diag()
        return own @ (x @ self.W[0]) + (mix - own) @ (x @ self.W[1]) + self.bias


class GraphLayer(nn.Module):
    """Graph convolution, batch norm over people and joints, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, near: Tensor):
        super().__init__()
        self.gconv = SemGraphConv(in_channels, out_channels, near)
        self.bn = nn.BatchNorm1d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, J, out_channels) of (B, J, in_channels)."""
        return self.bn(self.gconv(x).transpose(1, 2)).transpose(1, 2).relu()


class ResidualGraphLayers(nn.Module):
    """Two graph layers beside the identity."""

    def __init__(self, channels: int, near: Tensor):
        super().__init__()
        self.gconv1, self.gconv2 = GraphLayer(channels, channels, near), GraphLayer(channels, channels, near)

    def forward(self, x: Tensor) -> Tensor:
        """(B, J, channels)."""
        return x + self.gconv2(self.gconv1(x))


@MODELS.register_module()
class SemGCN(nn.Module):
    """A feature for each joint of a person, from where the joints are.

    Parameter names are those of HCMoCo's ``encoder3``: ``gconv_input.0.*``, ``gconv_layers.I.gconv1.*`` and
    ``gconv2.*``, ``gconv_output.*``.

    Args:
        skeleton: a set of joints (:mod:`humanbench.joint_sets`), or the parents of your own (-1 for a root).
        in_channels: numbers that say where a joint is.
        channels: of each joint in all layers.
        layers: pairs of graph layers with a residual.

    Attributes:
        out_channels: C.
        num_joints: J.
    """

    def __init__(self, skeleton: str | Sequence[int] = 'mpii16', in_channels: int = 2, channels: int = 128,
                 layers: int = 4):
        super().__init__()
        near = neighbours(joint_set(skeleton).parents if isinstance(skeleton, str) else skeleton)
        self.out_channels, self.num_joints = channels, len(near)
        self.gconv_input = nn.Sequential(GraphLayer(in_channels, channels, near))
        self.gconv_layers = nn.Sequential(*(ResidualGraphLayers(channels, near) for _ in range(layers)))
        self.gconv_output = SemGraphConv(channels, channels, near)

    def forward(self, joints: Tensor) -> Tensor:
        """Features (B, J, C) of joints (B, J, in_channels)."""
        return self.gconv_output(self.gconv_layers(self.gconv_input(joints)))
