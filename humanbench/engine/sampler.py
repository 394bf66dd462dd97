"""The plan as a DataLoader's ``batch_sampler``: every batch is one unit."""
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch.utils.data import Sampler

from ..seeds import keyed_seed
from .plan import Plan, Unit


class SampleKey(NamedTuple):
    """What the dataset is asked for: one sample of one unit.

    Attributes:
        unit: the unit it belongs to.
        position: its place in the unit.
        index: of the sample in its source.
        seed: of the unit; every draw for this sample is keyed by (seed, position).
    """
    unit: Unit
    position: int
    index: int
    seed: int

    def seed_for(self, purpose: str, attempt: int = 0) -> int:
        return keyed_seed(self.seed, self.position, purpose, attempt)


class UnitSampler(Sampler[list[SampleKey]]):
    """Batches of sample keys: the units of ``assignment``, step after step.

    Args:
        plan: the recipe.
        assignment: the (source, slot) pairs that run here, every step.
        start: first step; resuming is starting later, nothing is replayed.
        stop: first step that is not run.
    """

    def __init__(self, plan: Plan, assignment: Sequence[tuple[str, int]], start: int, stop: int):
        self.plan, self.start, self.stop = plan, start, stop
        self.assignment = [(source, slot) for source, slot in assignment]

    def __len__(self) -> int:
        return (self.stop - self.start) * len(self.assignment)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        for number in range(len(self)):
            yield self.keys(number)

    def keys(self, number: int) -> list[SampleKey]:
        """The sample keys of the so-manyth unit."""
        step, place = divmod(number, len(self.assignment))
        unit = Unit(self.start + step, *self.assignment[place])
        seed = self.plan.seed_of(unit)
        return [SampleKey(unit, i, int(index), seed) for i, index in enumerate(self.plan.indices(unit))]

    def number_of(self, unit: Unit) -> int:
        """The so-manyth unit that this is."""
        return (unit.step - self.start) * len(self.assignment) + self.assignment.index((unit.source, unit.slot))
