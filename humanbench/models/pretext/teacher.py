"""A slow copy of the network that it learns from.

The copy is part of the pretext, and so of what is saved, resumed and held by the ranks that run its source; no gradient
group and no optimiser knows of it. It moves once a step, after the optimiser.
"""
import copy
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import UserError
from ...structures import Features
from .base import BasePretext


class TeacherPretext(BasePretext):
    """A pretext whose targets come from a moving average of the backbone, and of what :meth:`students` names.

    Running statistics are averages already: the teacher takes them as they are, and looks at each image by itself.

    A teacher's parameters are called as in the published files: ``teacher.backbone.*``, and so on for each student.

    Args:
        in_channels: of the features.
        momentum: share of itself that the teacher keeps in the first step; it rises to 1 along half a cosine.

    Attributes:
        teacher_name: of the teacher's parameters. One that is called ``teacher`` is what a run makes: weights that
            are loaded from a checkpoint are its.
    """
    teacher_name = 'teacher'

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
        """Make the teacher: a copy of the backbone and of the students as they are."""
        self.copies.update(dict(backbone=copy.deepcopy(backbone))
                           | {name: copy.deepcopy(x) for name, x in self.students().items()})
        self.copies.requires_grad_(False).eval()

    @torch.no_grad()
    def complete(self, backbone: nn.Module, own: Collection[str]) -> int:
        """Let what of the teacher was not loaded be as in the networks that it follows.

        Args:
            own: names in the teacher that were loaded.

        Returns:
            How many parameters and buffers were not.
        """
        values = self.copies.state_dict()
        found = {f'{name}.{key}': value for name, network in (dict(backbone=backbone) | self.students()).items()
                 for key, value in network.state_dict().items()}
        missing = [name for name in found if name not in own]
        for name in missing:
            values[name].copy_(found[name])
        return len(missing)

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
            backbone: :func:`followed` of it, whole.
        """
        self.follow(backbone, (1 - self.momentum) * (1 + math.cos(math.pi * self.progress)) / 2)

    @torch.no_grad()
    def follow(self, backbone: Sequence[Tensor], share: float) -> None:
        """Move the teacher ``share`` of the way to the weights as they are, and all the way to the statistics."""
        networks = dict(backbone=backbone) | {name: followed(x) for name, x in self.students().items()}
        for name, current in networks.items():
            averages, weights = followed(self.copies[name]), len(list(self.copies[name].parameters()))
            torch._foreach_lerp_(averages[:weights], current[:weights], share)
            if averages[weights:]:
                torch._foreach_copy_(averages[weights:], current[weights:])


def followed(network: nn.Module) -> list[Tensor]:
    """What a slow copy of a network follows: its parameters, then its buffers (running statistics)."""
    return [*network.parameters(), *network.buffers()]
