"""Everything that a run carries from one step to the next, by names that do not depend on which rank holds it."""
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..errors import UserError
from .average import WeightAverage

State = dict[str, dict[str, Tensor]]


class TrainingState:
    """Model, optimiser, schedules and averages of this process, as tensors by section and name, and plain values.

    ============= ============================== ===========================================================
    section       name                           tensor
    ============= ============================== ===========================================================
    ``model``     as in ``state_dict``           parameters and buffers
    ``optimizer`` parameter, key of the state    moments, steps (a Python number as a tensor of no dimension)
    ``groups``    parameter, scheduled value     learning rate ... as it stands, float64
    ``average``   as in ``model``                the moving average, of runs that keep one
    ============= ============================== ===========================================================

    Args:
        model: of this process, whole or a part.
        optimizer: of its parameters.
        schedulers: MMEngine's, that act on it.
        average: of the parameters, or None.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, schedulers: Sequence = (),
                 average: WeightAverage | None = None):
        self.model, self.optimizer, self.schedulers = model, optimizer, list(schedulers)
        names = {parameter: name for name, parameter in model.named_parameters()}
        self.averages = {} if average is None else {names[x]: value for x, value in average.averages.items()}
        self.groups = [(group, {names[parameter]: parameter for parameter in group['params']})
                       for group in optimizer.param_groups]
        self.scheduled = list(dict.fromkeys(['lr', *(x.param_name for x in self.schedulers)]))

    def tensors(self) -> State:
        """The state as it stands: not a copy."""
        return dict(model=self.weights(), optimizer={name: as_tensor(name, value) for name, value in self._optimizer()},
                    groups=self._scheduled(), **({'average': self.averages} if self.averages else {}))

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers of the model, as they stand."""
        return {name: value.detach() for name, value in self.model.state_dict().items()}

    def _optimizer(self) -> Iterable[tuple[str, Any]]:
        for _, parameters in self.groups:
            for name, parameter in parameters.items():
                yield from ((f'{name}.{key}', value)
                            for key, value in self.optimizer.state.get(parameter, {}).items() if value is not None)

    def _scheduled(self) -> dict[str, Tensor]:
        return {f'{name}.{key}': torch.tensor(float(group[key]), dtype=torch.float64)
                for group, parameters in self.groups for name in parameters for key in self.scheduled}

    def values(self) -> list[dict[str, Any]]:
        """How far each schedule has come. What it does to each group of parameters is not in it: groups differ by rank,
        and follow from the recipe."""
        return [{key: value for key, value in scheduler.state_dict().items()
                 if value is None or type(value) in (bool, int, float, str)} for scheduler in self.schedulers]

    def load(self, path: str | Path, schedules: Sequence[Mapping[str, Any]]) -> None:
        """Take over the state of a checkpoint folder, whoever wrote it.

        Args:
            path: of the folder.
            schedules: its :meth:`values`.

        Raises:
            CheckpointError: it is damaged, or of another model.
        """
        from ..weights.sharded import read_into, shapes
        if any(name.startswith('optimizer.') for name in shapes(path)):
            self._initialise()
        state = self.tensors()
        read_into(path, state)
        self.model.load_state_dict(state['model'])
        self._take_numbers(state['optimizer'])
        for group, parameters in self.groups:
            group.update({key: state['groups'][f'{next(iter(parameters))}.{key}'].item() for key in self.scheduled})
        for scheduler, values in zip(self.schedulers, schedules, strict=True):
            scheduler.load_state_dict(values)
            scheduler._last_value = [group[scheduler.param_name] for group in self.optimizer.param_groups]
            if getattr(scheduler, 'use_betas', False):  # MMEngine's momentum schedules keep the first beta elsewhere
                for group in self.optimizer.param_groups:
                    group['betas'] = (group['momentum'], group['betas'][1])

    def _initialise(self) -> None:
        """Let the optimiser make its state: a step of length zero, which changes no parameter."""
        lengths = [group['lr'] for group, _ in self.groups]
        for group, parameters in self.groups:
            group['lr'] = 0.0
            for parameter in parameters.values():
                parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()
        self.optimizer.zero_grad()
        for (group, _), length in zip(self.groups, lengths):
            group['lr'] = length

    def _take_numbers(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what is no tensor in the optimiser; tensors have been filled as they stand."""
        for _, parameters in self.groups:
            for name, parameter in parameters.items():
                state = self.optimizer.state.get(parameter, {})
                state.update({key: type(value)(tensors[f'{name}.{key}'].item()) for key, value in state.items()
                              if type(value) in (bool, int, float)})


def as_tensor(name: str, value: Any) -> Tensor:
    """A value of an optimiser's state as a tensor.

    Raises:
        UserError: it is neither a tensor nor a number.
    """
    if isinstance(value, Tensor):
        return value.detach()
    if type(value) in (bool, int, float):
        return torch.tensor(value, dtype=torch.float64 if type(value) is float else None)
    raise UserError(f"The optimiser keeps a {type(value).__name__} as '{name}'; a checkpoint can hold tensors and "
                    'numbers. Take another optimiser.')
