"""What pretexts tell each other across units: the keys of all images of a step, wherever their units run.

Keys carry no gradient, so they are computed once before the first unit is trained, and every rank that has units of the
source gets all of them: what an image is compared with depends on the plan alone, never on ranks.

Shapes: U units of a source in a step, V views, B images of a unit, C channels.
"""
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..models.pretext import BasePretext, Shared
from .gradient_groups import GradientGroups
from .plan import Plan, Unit


class KeyExchange:
    """Keys of the sources whose heads compare images with those of other units.

    Args:
        heads: of this rank, by source.
        plan: of the run; a source with one unit a step has nobody to tell.
        groups: who holds which head.
    """

    def __init__(self, heads: Mapping[str, nn.Module], plan: Plan, groups: GradientGroups):
        self.slots = {name: source.slots for name, source in plan.sources.items() if name in heads and source.slots > 1
                      and isinstance(heads[name], BasePretext) and heads[name].shares_keys}
        self.groups = {name: groups.group(f'heads.{name}') for name in self.slots}
        self.keys: dict[str, Tensor] = {}

    def collect(self, units: Sequence[dict], keys_of: Callable[[dict], Tensor]) -> None:
        """Compute the keys of this rank's units and get those of the others.

        Args:
            units: of this step and rank.
            keys_of: (V, B, C) keys of one.
        """
        self.keys, own = {}, defaultdict(dict)
        for unit in units:
            if unit['unit'].source in self.slots:
                own[unit['unit'].source][unit['unit'].slot] = keys_of(unit)
        for source, slots in self.slots.items():  # in the plan's order, the same on all ranks
            self.keys[source] = self._gathered(own[source], slots, self.groups[source])

    @staticmethod
    def _gathered(own: Mapping[int, Tensor], slots: int, group: dist.ProcessGroup | None) -> Tensor:
        """(U, V, B, C); a unit whose keys are not finite has none, and spoils nobody else's loss."""
        some = next(iter(own.values()))
        table = some.new_zeros(slots, *some.shape)
        for slot, keys in own.items():
            table[slot] = torch.where(keys.isfinite().all(), keys, 0.0)
        if group is not None:
            dist.all_reduce(table, group=group)
        return table

    def of(self, unit: Unit) -> Shared | None:
        """What a unit is compared with."""
        return Shared(self.keys[unit.source], unit.slot) if unit.source in self.keys else None
