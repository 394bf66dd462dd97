"""A slow copy of the network that it learns from.

The copy is part of the pretext, and so of what is saved, resumed and held by the ranks that run its source; no gradient
group and no optimiser knows of it. It moves once a step, after the optimiser.
"""
import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import UserError
from ...structures import Features
from .base import BasePretext


class TeacherPretext(BasePretext):
    """A pretext whose targets come from a moving average of the backbone, and of what :meth:`students` names.

    Parameters of the teacher are those of the published files: ``teacher.backbone.*``, and one entry for each student.

    Args:
        in_channels: of the features.
        momentum: share of itself that the teacher keeps in the first step; it rises to 1 along half a cosine.

    Attributes:
        teacher_name: of the teacher's parameters. One that is called ``teacher`` is what a run makes: weights that
            are loaded from a checkpoint are its.
        normalises_over_units: whether networks with running statistics (batch norm) are allowed. Their copies have
            none, and normalise over what they look at.
    """
    teacher_name = 'teacher'
    normalises_over_units = False

    def __init__(self, in_channels: int, momentum: float):
        super().__init__(in_channels)
        if not 0 <= momentum <= 1:
            raise UserError(f'{type(self).__name__} got momentum={momentum}: expected the share of itself that the '
                            'teacher keeps in a step, from 0 to 1 (DINO: 0.996).')
        self.momentum = momentum
        self.progress = 0.0
        self.add_module(self.teacher_name, nn.ModuleDict())

    @property
    def copies(self) -> nn.ModuleDict:
        """The networks of the teacher."""
        return self.get_submodule(self.teacher_name)

    def students(self) -> Mapping[str, nn.Module]:
        """What is averaged beside the backbone: name in the teacher -> module."""
        raise NotImplementedError

    def adopt(self, backbone: nn.Module) -> None:
        """Make the teacher: a copy of the backbone and of the students as they are.

        Raises:
            UserError: a backbone with running statistics, which a teacher that follows weights would not have.
        """
        if _batch_norms(backbone) and not self.normalises_over_units:
            raise UserError(f'{type(self).__name__} has a teacher that follows the weights of the backbone, and a '
                            f'{type(backbone).__name__} has running statistics besides (batch norm). Take a ViT or a '
                            'Swin.')
        self.copies.update(dict(backbone=copy.deepcopy(backbone))
                           | {name: copy.deepcopy(x) for name, x in self.students().items()})
        for norm in _batch_norms(self.copies):
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None
        self.copies.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> 'TeacherPretext':
        """Training mode, but for the teacher: it drops no path."""
        super().train(mode)
        self.copies.eval()
        return self

    @torch.no_grad()
    def teach(self, images: Tensor, **condition: Any) -> Features:
        """What the teacher's backbone makes of images (B, 3, H, W)."""
        return self.copies['backbone'](images, dict(task=self.task, **condition))

    def begin_step(self, progress: float) -> None:
        """Before the first unit of a step.

        Args:
            progress: share of the run that is done.
        """
        self.progress = progress

    def end_step(self, backbone: Sequence[Tensor]) -> None:
        """After the optimiser's step: the teacher moves towards the weights, the less the later.

        Args:
            backbone: its parameters, whole.
        """
        self.follow(backbone, (1 - self.momentum) * (1 + math.cos(math.pi * self.progress)) / 2)

    @torch.no_grad()
    def follow(self, backbone: Sequence[Tensor], share: float = 1.0) -> None:
        """Move the teacher ``share`` of the way to the weights as they are."""
        weights = dict(backbone=backbone) | {name: list(x.parameters()) for name, x in self.students().items()}
        for name, current in weights.items():
            averages = list(self.copies[name].parameters())
            if share == 1:  # bit by bit
                torch._foreach_copy_(averages, current)
            else:
                torch._foreach_lerp_(averages, current, share)


def _batch_norms(network: nn.Module) -> list[nn.Module]:
    """Its layers that have running statistics."""
    return [x for x in network.modules() if isinstance(x, nn.modules.batchnorm._BatchNorm) and x.track_running_stats]
