"""Where a step runs: units to ranks. Changes speed, nothing else."""
from collections.abc import Sequence

from .plan import Plan


def place(plan: Plan, world_size: int, costs: dict[str, float] | None = None) -> list[list[tuple[str, int]]]:
    """Assign the (source, slot) pairs of a step to ranks, longest first to the least loaded rank.

    Args:
        plan: the recipe.
        world_size: number of ranks.
        costs: relative time of one unit of each source; by default its number of images.

    Returns:
        For every rank its (source, slot) pairs in recipe order.
    """
    costs = costs or {name: source.batch_size for name, source in plan.sources.items()}
    order = [(unit.source, unit.slot) for unit in plan.units(0)]
    loads, ranks = [0.0] * world_size, [[] for _ in range(world_size)]
    for position in sorted(range(len(order)), key=lambda i: (-costs[order[i][0]], i)):
        rank = min(range(world_size), key=lambda r: (loads[r], r))
        ranks[rank].append(position)
        loads[rank] += costs[order[position][0]]
    return [[order[i] for i in sorted(positions)] for positions in ranks]


def utilisation(placement: Sequence[Sequence[tuple[str, int]]], costs: dict[str, float]) -> float:
    """Share of the ranks' time that is spent computing when all wait for the slowest."""
    loads = [sum(costs[source] for source, _ in rank) for rank in placement]
    return sum(loads) / (len(loads) * max(loads))
