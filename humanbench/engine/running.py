"""Buffers that a forward pass changes (running statistics), made independent of where a unit runs.

Every unit sees the value that the step began with; the changes of all units are averaged and applied once a step. For
batch norm that is one exponential moving average a step, of the mean over units of their statistics. Tables of which a
mean says nothing are no such buffers: see :mod:`.memories`.
"""
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from ..models.memory import StepMemory
from ..models.pretext import TeacherPretext


class RunningBuffers:
    """The floating-point and counting buffers of the parts that this rank holds.

    Args:
        parts: modules by part (``backbone``, ``projectors.NAME``, ``heads.SOURCE``).
    """

    def __init__(self, parts: Mapping[str, nn.Module]):
        self.buffers = {part: dict(_persistent_buffers(module)) for part, module in parts.items()}
        self.buffers = {part: buffers for part, buffers in self.buffers.items() if buffers}
        self.sums: dict[str, Tensor] = {}
        self._by_type = {part: _by_type(buffers.values()) for part, buffers in self.buffers.items()}
        self._start: dict[str, list[Tensor]] = {}

    def sizes(self) -> dict[str, int]:
        """How many numbers each part needs for its sums: its changes and the number of units."""
        return {part: 1 + sum(buffer.numel() for buffer in buffers.values()) for part, buffers in self.buffers.items()}

    def begin(self, sums: Mapping[str, Tensor]) -> None:
        """Start a step.

        Args:
            sums: zeros by part, as many as :meth:`sizes` says; to be summed over the ranks before :meth:`apply`.
        """
        self.sums = dict(sums)
        self._start = {part: [_flat(some) for some in kinds] for part, kinds in self._by_type.items()}

    @torch.no_grad()
    def collect(self, parts: Iterator[str], keep: bool = True) -> None:
        """After a unit: add what it changed in ``parts`` to the sums (unless not ``keep``), and take it back."""
        for part in parts:
            if part not in self.buffers:
                continue
            kinds, start = self._by_type[part], self._start[part]
            if keep:
                changes = [_flat(some).double() - was.double() for some, was in zip(kinds, start)]
                self.sums[part] += torch.cat([changes[0].new_ones(1), *changes]).to(self.sums[part])
            for some, was in zip(kinds, start):
                _set(some, was)

    @torch.no_grad()
    def apply(self) -> None:
        """End a step: every buffer moves by the mean change over the units that changed it; nothing by infinity."""
        for part, kinds in self._by_type.items():
            units, changes = self.sums[part][0], self.sums[part][1:].double()
            # a variance can overflow where the loss, divided by it, is finite; it would be infinite ever after
            mean, at = torch.nan_to_num(changes / units.clamp(min=1), nan=0.0, posinf=0.0, neginf=0.0), 0
            for some, was in zip(kinds, self._start[part]):
                change = mean[at:at + len(was)]
                at += len(was)
                _set(some, was.double() + change if was.is_floating_point() else was + change.round().long())


def _by_type(buffers: Iterable[Tensor]) -> list[list[Tensor]]:
    """Buffers of one type and another: so many at once cost what one alone would."""
    found: dict[torch.dtype, list[Tensor]] = {}
    for buffer in buffers:
        found.setdefault(buffer.dtype, []).append(buffer)
    return list(found.values())


def _flat(buffers: Sequence[Tensor]) -> Tensor:
    """All their numbers (n,), a copy."""
    return torch.cat([buffer.reshape(-1) for buffer in buffers])


def _set(buffers: Sequence[Tensor], numbers: Tensor) -> None:
    """Give them all these numbers (n,)."""
    pieces = numbers.to(buffers[0].dtype).split([buffer.numel() for buffer in buffers])
    torch._foreach_copy_(buffers, [piece.view_as(buffer) for piece, buffer in zip(pieces, buffers)])


def _persistent_buffers(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Buffers that belong to the state of a module (the others are constants) and that units change."""
    saved = module.state_dict(keep_vars=True).keys()
    tables = tuple(f'{name}.' for name, part in module.named_modules() if isinstance(part, StepMemory))
    if isinstance(module, TeacherPretext):
        tables += (f'{module.teacher_name}.',)
    return ((name, buffer) for name, buffer in module.named_buffers()
            if name in saved and buffer.dtype != torch.bool and not name.startswith(tables))
