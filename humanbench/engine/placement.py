"""Where a step runs: units to ranks. Changes speed, nothing else.

All units of a source cost the same, so an assignment is a table ``counts[rank, source]``, and ways of filling it
are compared by the time of a step, gradient traffic included:

- *wrap-around*: the units in task order, cut into one piece of equal time per rank. A head is on few ranks, and those
  are neighbours.
- *longest first*: each unit, longest first, to the rank that would be done with it first. The best balance; the heads
  are everywhere. On a slow network once more with all units of a source on one rank where its head's gradient takes
  longer than a unit.

All are repaired: units are moved away from the slowest rank, or exchanged for shorter ones, while that helps.
Everything is deterministic: equal arguments give equal placements on every rank.
"""
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import UserError
from .plan import Plan

Placement = list[list[tuple[str, int]]]

BACKWARD_SHARE = 0.6  # of a unit's time, what of its backward pass is left when the first gradients are ready to travel
REPAIRS_PER_RANK = 4  # moves after which a placement is good enough
PARTNERS = 64  # ranks that a move may go to: those with the least to do
WORTH_A_MOVE = 1e-3  # a move that shortens the slowest rank by less is not made


@dataclass(frozen=True)
class Traffic:
    """What gradients have to be summed in a step, and how fast they travel.

    Attributes:
        bandwidth: bytes a second that a rank sends while it receives as much, in a ring over several nodes.
        backbone: bytes of its gradient: summed over all ranks, behind the last backward pass as far as that lasts.
        projectors: bytes of each projector's: summed over the ranks that run its sources, after the backward pass.
        heads: bytes of each source's head's: summed over the ranks that run the source, after the backward pass.
        routes: projector of a source, where it is not that of its task.
        link: bytes a second between ranks of one node. The ranks that a group has in a node share its rings between
            nodes, each with its own adapter, up to this speed. None: nodes are not told apart.
        node: ranks of a node; a node's ranks are neighbours.
    """
    bandwidth: float
    backbone: float = 0.0
    projectors: Mapping[str, float] = field(default_factory=dict)
    heads: Mapping[str, float] = field(default_factory=dict)
    routes: Mapping[str, str] = field(default_factory=dict)
    link: float | None = None
    node: int = 8

    def __post_init__(self):
        if not self.bandwidth > 0 or not (self.link is None or self.link > 0):
            raise UserError('Gradients need a bandwidth above 0 bytes a second, got '
                            f'{self.bandwidth} between nodes and {self.link} within.')

    def sent(self, size: float, ranks: int) -> float:
        """Bytes that each of so many ranks sends for the sum of ``size`` bytes."""
        return 2 * (ranks - 1) / ranks * size

    def seconds(self, size: float, ranks: np.ndarray) -> float:
        """Time in which these ranks, in order, sum ``size`` bytes."""
        bandwidth = self.bandwidth
        if self.link is not None:
            of_nodes = np.unique(ranks // self.node, return_counts=True)[1]
            bandwidth = self.link if len(of_nodes) == 1 else min(self.link, self.bandwidth * int(of_nodes.min()))
        return self.sent(size, len(ranks)) / bandwidth


@dataclass(frozen=True)
class StepTime:
    """The time of a step.

    Attributes:
        busy: (ranks,) seconds that each rank computes.
        sent: (ranks,) bytes of gradients that each rank sends.
        exposed: seconds of gradient traffic that no backward pass hides.
        copies: heads in all, every rank's counted.
    """
    busy: np.ndarray
    sent: np.ndarray
    exposed: float
    copies: int

    @property
    def compute(self) -> float:
        """Seconds until the slowest rank has run its units."""
        return float(self.busy.max())

    @property
    def total(self) -> float:
        """Seconds of the whole step."""
        return self.compute + self.exposed


def place(plan: Plan, world_size: int, costs: Mapping[str, float] | None = None, traffic: Traffic | None = None,
          speeds: Sequence[float] | None = None) -> Placement:
    """Assign the units of a step to ranks.

    Args:
        plan: the recipe.
        world_size: number of ranks. Where it exceeds the number of units, ranks stay idle.
        costs: seconds of one unit of each source on a rank of speed 1; by default its number of images, which balances
            nothing but a mixture of equal image sizes.
        traffic: of the gradients. None for none: the balance alone decides.
        speeds: how fast each rank computes, as a multiple of a rank of speed 1; by default all alike.

    Returns:
        For every rank its (source, slot) pairs, the longest last: its backward pass hides the backbone's traffic.
    """
    if traffic is not None and costs is None:
        raise UserError('Gradient traffic takes seconds: give the costs of the units in seconds, too.')
    problem = _Problem(plan, world_size, costs, traffic, speeds)
    together = problem.copy_seconds > problem.costs
    candidates = [_longest_first(problem, np.zeros_like(together)), _wrap_around(problem)]
    if together.any():
        candidates.append(_longest_first(problem, together))
    times = [_step_time(problem, counts, traffic) for counts in candidates]
    best = min(range(len(times)), key=lambda i: (times[i].total, times[i].copies, i))
    return _spelt_out(problem, candidates[best])


def utilisation(placement: Sequence[Sequence[tuple[str, int]]], costs: Mapping[str, float],
                speeds: Sequence[float] | None = None) -> float:
    """Share of the ranks' capacity that computes, when all wait for the slowest.

    Args:
        placement: as :func:`place` gives it.
        costs: time of one unit of each source.
        speeds: of the ranks; by default all alike.
    """
    speeds = np.ones(len(placement)) if speeds is None else np.asarray(speeds, float)
    work = np.array([sum(costs[source] for source, _ in rank) for rank in placement])
    return float(work.sum() / (speeds.sum() * (work / speeds).max()))


def step_time(plan: Plan, placement: Sequence[Sequence[tuple[str, int]]], costs: Mapping[str, float],
              traffic: Traffic | None = None, speeds: Sequence[float] | None = None) -> StepTime:
    """How long a step of a placement takes, and where the time goes; arguments as of :func:`place`."""
    problem = _Problem(plan, len(placement), costs, traffic, speeds)
    column = {name: i for i, name in enumerate(problem.names)}
    counts = np.zeros((len(placement), len(column)), np.int64)
    for rank, pairs in enumerate(placement):
        for source, _ in pairs:
            counts[rank, column[source]] += 1
    return _step_time(problem, counts, traffic)


class _Problem:
    """What is to be placed, as arrays.

    Attributes:
        names: of the D sources, in recipe order.
        routes: projector of each source.
        slots: (D,) units of each source.
        costs: (D,) time of one unit.
        copy_seconds: (D,) time of the gradient of each head, once around.
        speeds: (N,) of the ranks.
    """

    def __init__(self, plan: Plan, world_size: int, costs: Mapping[str, float] | None, traffic: Traffic | None,
                 speeds: Sequence[float] | None):
        if world_size < 1:
            raise UserError(f'A placement needs a world size of at least 1, got {world_size}.')
        if costs is None:
            costs = {name: source.batch_size for name, source in plan.sources.items()}
        missing = [name for name in plan.sources if name not in costs]
        if missing:
            raise UserError(f'The cost table has no entry for {", ".join(missing)}; it has '
                            f'{", ".join(sorted(costs)) or "none"}.')
        self.names = list(plan.sources)
        self.tasks = [source.task for source in plan.sources.values()]
        self.slots = np.array([source.slots for source in plan.sources.values()])
        self.costs = np.array([costs[name] for name in self.names], float)
        heads = {} if traffic is None else traffic.heads
        self.copy_seconds = np.array([heads[name] / traffic.bandwidth if name in heads else 0.0 for name in self.names])
        self.speeds = np.ones(world_size) if speeds is None else np.asarray(speeds, float)
        if not (np.isfinite(self.costs) & (self.costs > 0)).all():
            raise UserError(f'Units need costs above 0, got {dict(zip(self.names, self.costs.tolist()))}.')
        if self.speeds.shape != (world_size,) or not (np.isfinite(self.speeds) & (self.speeds > 0)).all():
            raise UserError(f'Expected {world_size} speeds above 0, one for each rank, got {self.speeds.tolist()}.')


def _wrap_around(problem: _Problem) -> np.ndarray:
    """(N, D) counts: the units in task order cut into pieces of equal time, then repaired."""
    order = sorted(range(len(problem.names)), key=lambda i: (problem.tasks.index(problem.tasks[i]), i))
    units = np.repeat(order, problem.slots[order])
    costs = problem.costs[units]
    middle = (np.cumsum(costs) - costs / 2) / costs.sum()
    ends = np.cumsum(problem.speeds) / problem.speeds.sum()
    ranks = np.minimum(np.searchsorted(ends, middle, side='right'), len(ends) - 1)
    counts = np.zeros((len(ends), len(order)), np.int64)
    np.add.at(counts, (ranks, units), 1)
    _repair(problem, counts)
    return counts


def _repair(problem: _Problem, counts: np.ndarray) -> None:
    """Move a unit away from the slowest rank, or exchange it for a shorter one, while that shortens the step.

    Partners are the ranks with the least to do. A head that comes to one more rank counts with the time of its
    gradient; among equally good moves one to where the heads are already is taken.
    """
    work, nothing = counts @ problem.costs, len(problem.costs)  # nothing: what comes back in a plain move
    costs, traffic = np.append(problem.costs, 0.0), np.append(problem.copy_seconds, 0.0)
    for _ in range(REPAIRS_PER_RANK * len(work)):
        finish = work / problem.speeds
        slowest = int(finish.argmax())
        partners = np.argsort(finish, kind='stable')[:PARTNERS]
        given = np.flatnonzero(counts[slowest])
        there = np.pad(counts[partners] > 0, ((0, 0), (0, 1)), constant_values=True)  # what a partner can give back
        new_there = ~there[:, given].T[:, :, None]  # (given, partners, 1): the head of what is given is new to them
        new_here = np.append(counts[slowest] == 0, False)  # (sources + 1,)
        moved = costs[given, None, None] - costs  # (given, 1, sources + 1)
        after = np.maximum((work[slowest] - moved) / problem.speeds[slowest],
                           (work[partners, None] + moved) / problem.speeds[partners, None])
        after = after + new_there * traffic[given, None, None] + new_here * traffic
        after[:, ~there] = np.inf
        best = after.min()
        if not best < finish[slowest] * (1 - WORTH_A_MOVE):
            return
        copies = np.where(after <= best * (1 + WORTH_A_MOVE), new_there + new_here.astype(int), 3)
        i, j, back = np.unravel_index(copies.argmin(), copies.shape)
        for giver, taker, source in ((slowest, partners[j], given[i]), (partners[j], slowest, back)):
            if source != nothing:
                counts[giver, source] -= 1
                counts[taker, source] += 1
                work[giver] -= costs[source]
                work[taker] += costs[source]


def _longest_first(problem: _Problem, together: np.ndarray) -> np.ndarray:
    """(N, D) counts: every unit, longest first, to the rank that would be done with it first.

    Args:
        problem: what is to be placed.
        together: (D,) whether all units of a source go to one rank.
    """
    speeds = problem.speeds
    groups, sizes = np.where(together, 1, problem.slots), np.where(together, problem.slots, 1)
    costs = problem.costs * sizes
    counts, work = np.zeros((len(speeds), len(costs)), np.int64), np.zeros(len(speeds))
    for source in np.argsort(-costs, kind='stable'):
        for _ in range(groups[source]):
            rank = int(((work + costs[source]) / speeds).argmin())
            counts[rank, source] += sizes[source]
            work[rank] += costs[source]
    _repair(problem, counts)
    return counts


def _step_time(problem: _Problem, counts: np.ndarray, traffic: Traffic | None) -> StepTime:
    busy = counts @ problem.costs / problem.speeds
    held = counts > 0
    if traffic is None:
        return StepTime(busy, np.zeros(len(busy)), 0.0, int(held.sum()))
    groups = [(held[:, i], traffic.heads.get(name, 0.0)) for i, name in enumerate(problem.names)]
    routes = [traffic.routes.get(name, task) for name, task in zip(problem.names, problem.tasks)]
    for route in dict.fromkeys(routes):
        sources = [i for i, other in enumerate(routes) if other == route]
        groups.append((held[:, sources].any(1), traffic.projectors.get(route, 0.0)))
    sent, tail = np.full(len(busy), traffic.sent(traffic.backbone, len(busy))), np.zeros(len(busy))
    for holds, size in groups:
        ranks = np.flatnonzero(holds)
        sent[ranks] += traffic.sent(size, len(ranks))
        tail[ranks] += traffic.seconds(size, ranks)
    slowest = int(busy.argmax())
    last = problem.costs[held[slowest]].max() / problem.speeds[slowest]
    uncovered = max(0.0, traffic.seconds(traffic.backbone, np.arange(len(busy))) - BACKWARD_SHARE * last)
    return StepTime(busy, sent, uncovered + float(tail.max()), int(held.sum()))


def _spelt_out(problem: _Problem, counts: np.ndarray) -> Placement:
    """Counts as (source, slot) pairs; a source's slots are handed out in the order of the ranks."""
    placement: Placement = [[] for _ in counts]
    for column in np.argsort(problem.costs, kind='stable'):
        slot = 0
        for rank in np.flatnonzero(counts[:, column]):
            placement[rank] += [(problem.names[column], i) for i in range(slot, slot + int(counts[rank, column]))]
            slot += int(counts[rank, column])
        assert slot == problem.slots[column], f'{slot} units of {problem.names[column]} were placed'
    return placement
