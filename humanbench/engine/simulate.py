"""A run before it starts: who computes what, how long a step takes, what it needs; for one world size or thousands."""
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UserError
from .placement import Placement, StepTime, Traffic, place, step_time, utilisation
from .plan import Plan

FINENESS = (1, 1.5, 2, 3, 4, 6, 8)  # units a rank, tried in turn when units are cut
GOOD_ENOUGH = 0.97  # of the best that any cut reaches: coarser units are then kept


@dataclass(frozen=True)
class Forecast:
    """A placement and what it comes to.

    Attributes:
        plan: the recipe.
        placement: of its units.
        costs: seconds of one unit of each source.
        speeds: of the ranks.
        time: of a step.
    """
    plan: Plan
    placement: Placement
    costs: Mapping[str, float]
    speeds: np.ndarray
    time: StepTime

    @property
    def world_size(self) -> int:
        return len(self.placement)

    @property
    def compute_utilisation(self) -> float:
        """Share of the ranks' capacity that computes while the slowest rank runs its units."""
        return utilisation(self.placement, self.costs, self.speeds)

    @property
    def end_to_end_utilisation(self) -> float:
        """The same share of the whole step, gradient traffic included (data loading and optimiser are not)."""
        return self.compute_utilisation * self.time.compute / self.time.total

    @property
    def units_per_rank(self) -> list[Counter]:
        """Units of each source on each rank."""
        return [Counter(source for source, _ in rank) for rank in self.placement]

    def ranks_of(self, source: str) -> list[int]:
        """The ranks that run units of a source."""
        return [rank for rank, pairs in enumerate(self.placement) if any(name == source for name, _ in pairs)]

    def hours(self, steps: int) -> float:
        """How long so many steps take."""
        return steps * self.time.total / 3600


def forecast(plan: Plan, world_size: int, costs: Mapping[str, float], traffic: Traffic | None = None,
             speeds: Sequence[float] | None = None) -> Forecast:
    """Place a recipe and time a step of it; arguments as of :func:`humanbench.engine.placement.place`."""
    placement = place(plan, world_size, costs, traffic, speeds)
    return Forecast(plan, placement, costs, np.ones(world_size) if speeds is None else np.asarray(speeds, float),
                    step_time(plan, placement, costs, traffic, speeds))


def grown(plan: Plan, factor: int) -> Plan:
    """The recipe with ``factor`` times the units in every step: another, larger batch."""
    if factor < 1:
        raise UserError(f'A batch grows by a whole factor of at least 1, got {factor}.')
    return Plan([replace(source, slots=factor * source.slots) for source in plan.sources.values()], plan.seed)


def one_source_per_rank(plan: Plan, world_size: int, costs: Mapping[str, float]) -> float | None:
    """Compute utilisation of PATH's released scheme, None where it cannot run.

    There every slot is a GPU of its own, so that the world size is a multiple of their number, and the batch grows
    with it (``core/config.py`` of the release).
    """
    slots = [costs[name] for name, source in plan.sources.items() for _ in range(source.slots)]
    return sum(slots) / len(slots) / max(slots) if world_size % len(slots) == 0 else None


def cut(plan: Plan, world_size: int, costs: Mapping[str, float], whole: Collection[str] = (),
        floor: float = 0.0) -> dict[str, int]:
    """Into how many units each unit of a source would have to be cut, so that so many ranks can share the work evenly.

    Coarse units are kept as far as they do no harm: a unit costs kernel launches and a head on one more rank. ReID
    units stay whole (their triplets and statistics are of the unit).

    Args:
        plan: the recipe.
        world_size: number of ranks.
        costs: seconds of one unit of each source.
        whole: further sources whose units stay whole: those whose heads normalise over the images of a unit.
        floor: seconds that no unit may fall below.

    Returns:
        Parts of each source's units, 1 where they stay whole. Another recipe: see :meth:`Source.cut`.
    """
    options, reached = [], []
    for fineness in FINENESS:
        mean = sum(costs[name] * source.slots for name, source in plan.sources.items()) / world_size
        cap = max(mean / fineness, 2 * floor)
        parts = {name: 1 if source.atomic or name in whole else _divisor(source.batch_size, costs[name] / cap)
                 for name, source in plan.sources.items()}
        finer, shares = apply_cut(plan, parts), cut_costs(costs, parts)
        options.append(parts)
        reached.append(utilisation(place(finer, world_size, shares), shares))
    best = max(reached)
    return next(parts for parts, value in zip(options, reached) if value >= GOOD_ENOUGH * best)


def apply_cut(plan: Plan, parts: Mapping[str, int]) -> Plan:
    """The recipe with the units of each source cut into ``parts``; 1 for sources that are not named."""
    return Plan([source.cut(parts[name]) if parts.get(name, 1) > 1 else source
                 for name, source in plan.sources.items()], plan.seed)


def cut_costs(costs: Mapping[str, float], parts: Mapping[str, int]) -> dict[str, float]:
    """Seconds of the cut units."""
    return {name: seconds / parts.get(name, 1) for name, seconds in costs.items()}


def _divisor(batch_size: int, parts: float) -> int:
    """The smallest divisor of a batch size that is at least ``parts``."""
    return next(n for n in range(1, batch_size + 1) if batch_size % n == 0 and n >= min(parts, batch_size))
