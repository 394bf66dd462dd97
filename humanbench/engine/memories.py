"""What the units of a step have seen for the tables of their heads, told to all ranks that hold them.

See :mod:`humanbench.models.memory` for what is exact. Rows travel once a step, after the gradients; a unit or a step
that is not finite enters nothing.
"""
from collections import defaultdict
from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..models.memory import StepMemory
from .gradient_groups import GradientGroups
from .plan import Plan, Unit


class Memories:
    """The tables of the heads that this rank trains.

    Args:
        heads: of this rank, by source.
        plan: of the run.
        groups: who holds which head.
    """

    def __init__(self, heads: Mapping[str, nn.Module], plan: Plan, groups: GradientGroups):
        found = {name: [x for x in heads[name].modules() if isinstance(x, StepMemory)]
                 for name in plan.sources if name in heads}
        self.memories = {name: tables for name, tables in found.items() if tables}
        self.slots = {name: plan.sources[name].slots for name in self.memories}
        self.groups = {name: groups.group(f'heads.{name}') for name in self.memories}
        self._rows: dict[str, dict[int, list[Tensor]]] = defaultdict(dict)

    def begin(self) -> None:
        """Start a step."""
        self._rows.clear()

    def collect(self, unit: Unit, keep: bool) -> None:
        """After a unit: take what it has seen, and forget it unless ``keep``."""
        rows = [memory.take() for memory in self.memories.get(unit.source, ())]
        if keep and rows:
            self._rows[unit.source][unit.slot] = rows

    def apply(self) -> None:
        """End a step: enter what all its units have seen, in the order of their slots."""
        for source, memories in self.memories.items():  # in the plan's order, the same on all ranks
            for i, memory in enumerate(memories):
                own = {slot: rows[i] for slot, rows in self._rows[source].items()}
                memory.enter(_gathered(own, memory, self.slots[source], self.groups[source]))


def _gathered(own: Mapping[int, Tensor], memory: StepMemory, slots: int, group: dist.ProcessGroup | None
              ) -> list[Tensor]:
    """Rows of every slot, (n, row_size); those of slots that were left out have none."""
    if group is None:
        return [own[slot] for slot in sorted(own)]
    like = next(memory.buffers())
    counts = torch.zeros(slots, dtype=torch.long, device=like.device)
    for slot, rows in own.items():
        counts[slot] = len(rows)
    dist.all_reduce(counts, group=group)
    told = counts.tolist()
    table = like.new_zeros(slots, max(told), memory.row_size)
    for slot, rows in own.items():
        table[slot, :len(rows)] = rows
    dist.all_reduce(table, group=group)  # a number and zeros: exact
    return [rows[:count] for rows, count in zip(table, told)]
