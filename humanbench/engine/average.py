"""The moving average of a run's weights, which some recipes test and publish in place of the weights themselves.

MMEngine's ``EMAHook`` puts its average into the checkpoints that MMEngine's own hook writes, and only there; here it is
part of what a run is saved and resumed with, and what the run leaves at its end.
"""
from collections.abc import Iterable

import torch
from torch import nn


class WeightAverage:
    """``average = decay * average + (1 - decay) * weight`` after every step, from the weights as they are now.

    Buffers (running statistics) are averages already, and are not kept here.

    Args:
        parameters: that are averaged.
        decay: between 0 (the weights themselves) and 1 (they never move).
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float):
        self.decay = decay
        self.averages = {parameter: parameter.detach().clone() for parameter in parameters}

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights of one more step into account."""
        for parameter, average in self.averages.items():
            average.lerp_(parameter, 1 - self.decay)

    @torch.no_grad()
    def exchange(self) -> None:
        """Let weights and averages change places."""
        for parameter, average in self.averages.items():
            weight = parameter.clone()
            parameter.copy_(average)
            average.copy_(weight)
