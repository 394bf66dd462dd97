"""What pretexts tell each other across units: the keys of all images of a step, wherever their units run.

Keys carry no gradient, so they are computed before the first unit is trained, and every rank that has units of the
source gets all of them: what an image is compared with depends on the plan alone, never on ranks. The last unit that is
looked at is trained from that very look, first of all; so where every rank has one such unit, which is how large
batches are spread, keys cost no pass of their own.

Shapes: U units of a source in a step, V views, B images of a unit, C channels.
"""
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..models.pretext import BasePretext, Looked, Shared
from .gradient_groups import GradientGroups
from .plan import Plan, Unit

Look = Callable[[dict, bool], Looked]


class KeyExchange:
    """Keys of the sources whose heads compare images with those of other units.

    Args:
        heads: of this rank, by source.
        plan: of the run; a source with one unit a step has nobody to tell.
        groups: who holds which head.
    """

    def __init__(self, heads: Mapping[str, nn.Module], plan: Plan, groups: GradientGroups):
        self.heads = {name: heads[name] for name, source in plan.sources.items() if name in heads and source.slots > 1
                      and isinstance(heads[name], BasePretext) and heads[name].shares_keys}
        self.slots = {name: plan.sources[name].slots for name in self.heads}
        self.groups = {name: groups.group(f'heads.{name}') for name in self.heads}
        self._keys: dict[str, Tensor] = {}
        self._looked: dict[Unit, Looked] = {}

    def collect(self, units: Sequence[dict], look: Look) -> list[dict]:
        """Compute the keys of this rank's units and get those of the others.

        Args:
            units: of this step and rank.
            look: what the backbone makes of one, and whether it is to be trained from that.

        Returns:
            The units in the order in which they are to be trained.
        """
        self._keys, self._looked = {}, {}
        telling, own = [unit for unit in units if unit['unit'].source in self.heads], defaultdict(dict)
        for unit in telling:
            key, last = unit['unit'], unit is telling[-1]
            looked = look(unit, last)
            own[key.source][key.slot] = self.heads[key.source].keys(looked.features).detach()
            if last:
                self._looked[key] = looked
        for source in self.heads:  # in the plan's order, the same on all ranks
            self._keys[source] = self._gathered(own[source], self.slots[source], self.groups[source])
        first = telling[-1:]
        return [*first, *(unit for unit in units if not any(unit is x for x in first))]

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
        return Shared(self._keys[unit.source], unit.slot) if unit.source in self._keys else None

    def take(self, unit: Unit) -> Looked | None:
        """The look that a unit is trained from, where there is one; it is given once."""
        return self._looked.pop(unit, None)
