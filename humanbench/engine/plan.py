"""What is in a training step: a pure function of (seed, step). Nothing here knows of ranks, workers or time.

A *source* is one entry of a mixture. A *unit* is a fixed micro-batch of it, keyed by (step, source, slot): which
samples, which augmentation and which drop-path draw belong to a unit depend on that key and on the recipe's seed alone.
So a run resumes by starting at step s, and any placement of units on ranks trains the same thing.
"""
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..seeds import keyed_rng, keyed_seed


class UniformStream:
    """An endless stream over ``size`` samples: every epoch a new permutation, nothing repeated within an epoch."""

    def __init__(self, name: str, size: int, seed: int):
        self.name, self.size, self.seed = name, size, seed
        self._epoch, self._order = -1, np.empty(0, np.int32)

    def _permutation(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:  # one epoch in memory: 4 bytes a sample
            self._order = np.arange(self.size, dtype=np.int32 if self.size < 2**31 else np.int64)
            keyed_rng(self.seed, self.name, 'epoch', epoch).shuffle(self._order)
            self._epoch = epoch
        return self._order

    def take(self, position: int, count: int) -> np.ndarray:
        """Sample indices at ``position`` .. ``position + count`` of the stream."""
        parts = []
        while count:
            epoch, offset = divmod(position, self.size)
            part = self._permutation(epoch)[offset:offset + count]
            parts.append(part)
            position, count = position + len(part), count - len(part)
        return np.concatenate(parts)

    def replacement(self, index: int, seed: int) -> int:
        """A sample to take instead of ``index``."""
        return (index + 1 + int(keyed_rng(seed).integers(max(self.size - 1, 1)))) % self.size


class IdentityStream:
    """P identities x K images for person ReID: identities without replacement within an epoch of identities.

    An identity with fewer than K images repeats some of them.
    """

    def __init__(self, name: str, identities: np.ndarray, seed: int, images_per_id: int):
        self.name, self.seed, self.images_per_id, self.labels = name, seed, images_per_id, identities
        self._order, self._starts = _grouped(identities)
        self._identities = UniformStream(f'{name}/identities', len(self._starts) - 1, seed)

    def _group(self, identity: int) -> np.ndarray:
        """Samples of the so-manyth identity, ascending."""
        return self._order[self._starts[identity]:self._starts[identity + 1]]

    def take(self, position: int, count: int) -> np.ndarray:
        """Sample indices, K in a row of one identity; ``position`` and ``count`` are multiples of K."""
        first, parts = position // self.images_per_id, []
        for i, identity in enumerate(self._identities.take(first, count // self.images_per_id)):
            group = self._group(identity)
            rng = keyed_rng(self.seed, self.name, 'images', first + i)
            enough = len(group) >= self.images_per_id
            chosen = rng.permutation(len(group))[:self.images_per_id] if enough else rng.integers(
                0, len(group), self.images_per_id)
            parts.append(group[chosen])
        return np.concatenate(parts)

    def replacement(self, index: int, seed: int) -> int:
        """Another sample of the identity of ``index``; itself where that identity has no other."""
        group = np.flatnonzero(self.labels == self.labels[index])
        others = group[group != index]
        return int(keyed_rng(seed).choice(others)) if len(others) else index


def _grouped(labels: np.ndarray, passes: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Samples in the order of their labels (ascending within one), and where each label begins; the last entry ends.

    An eighth of the labels at a time, so that sorting five million of them takes 20 MB beside the result.
    """
    counts = np.bincount(labels)
    order, filled, width = np.empty(len(labels), np.int32), 0, -(-len(counts) // passes)
    for low in range(0, len(counts), width):
        members = np.flatnonzero((labels >= low) & (labels < low + width))
        packed = labels[members].astype(np.int64)
        packed <<= 32
        packed |= members
        packed.sort()
        order[filled:filled + len(packed)] = packed  # the lower half
        filled += len(packed)
    return order, np.concatenate([[0], np.cumsum(counts[counts > 0])]).astype(np.int32)


@dataclass(frozen=True)
class Source:
    """One entry of the mixture, as the plan sees it.

    Attributes:
        name: also the name of the source's head.
        task: decides the projector.
        size: number of samples.
        batch_size: images in a unit.
        slots: units per step.
        weight: loss weight; the plan normalises the weights of a mixture to sum 1.
        identities: (size,) label of every sample, from 0 on, where units are identity-balanced (ReID), else None.
        images_per_id: K of the P x K units.
    """
    name: str
    task: str
    size: int
    batch_size: int
    slots: int = 1
    weight: float = 1.0
    identities: np.ndarray | None = None
    images_per_id: int = 4

    def __post_init__(self):
        problem = None
        if self.size < 1:
            problem = 'has no samples'
        elif self.batch_size < 1 or self.slots < 1:
            problem = f'needs a batch size and slots of at least 1, got {self.batch_size} and {self.slots}'
        elif not self.weight > 0:
            problem = f'needs a weight above 0, got {self.weight}'
        elif self.identities is not None and self.batch_size % self.images_per_id:
            problem = (f'has a batch size of {self.batch_size}, not a multiple of {self.images_per_id} images per '
                       'identity')
        elif self.identities is not None and len(self.identities) != self.size:
            problem = f'has {self.size} samples and {len(self.identities)} identities'
        elif self.identities is not None and np.min(self.identities) < 0:
            problem = 'has identities below 0; expected labels from 0 on'
        if problem:
            raise ValueError(f"Source '{self.name}' {problem}.")
        if self.identities is not None:
            object.__setattr__(self, 'identities', np.asarray(self.identities, np.int32))  # half the memory

    @property
    def atomic(self) -> bool:
        """Whether a unit may not be split further: triplets and batch norm of ReID live inside it."""
        return self.identities is not None

    def cut(self, parts: int) -> 'Source':
        """The same samples in every step, as ``parts`` times as many units: smaller ones that more ranks can share.

        The source's loss is a mean over all its units however large they are, so its weight stays what it is. What is
        drawn for each unit (augmentation, drop path) does change: this makes another recipe, it is no placement.
        """
        if self.atomic or parts < 1 or self.batch_size % parts:
            reason = 'are atomic' if self.atomic else f'of {self.batch_size} images'
            raise ValueError(f"Units of source '{self.name}' {reason} and cannot be cut into {parts}.")
        return replace(self, batch_size=self.batch_size // parts, slots=self.slots * parts)

    def stream(self, seed: int) -> UniformStream | IdentityStream:
        if self.identities is None:
            return UniformStream(self.name, self.size, seed)
        return IdentityStream(self.name, self.identities, seed, self.images_per_id)


@dataclass(frozen=True, order=True)
class Unit:
    """The key of a micro-batch."""
    step: int
    source: str
    slot: int


class Plan:
    """What every step of a recipe consists of.

    Args:
        sources: the mixture; names are unique.
        seed: of the recipe; another seed is another order, augmentation and drop path.
    """

    def __init__(self, sources: Sequence[Source], seed: int):
        names = [source.name for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not names:
            raise ValueError(f'A mixture needs sources with different names; got {names or "none"}.')
        self.sources = {source.name: source for source in sources}
        self.seed = seed
        total = sum(source.weight for source in sources)
        self.weights = {source.name: source.weight / total for source in sources}
        self._streams: dict[str, UniformStream | IdentityStream] = {}

    def units(self, step: int) -> list[Unit]:
        """All units of a step, in recipe order."""
        return [Unit(step, source.name, slot) for source in self.sources.values() for slot in range(source.slots)]

    def indices(self, unit: Unit) -> np.ndarray:
        """(batch_size,) sample indices of a unit."""
        source = self.sources[unit.source]
        position = (unit.step * source.slots + unit.slot) * source.batch_size
        return self._stream(unit.source).take(position, source.batch_size)

    def _stream(self, name: str) -> UniformStream | IdentityStream:
        """The order of a source, made when it is first asked for: a rank has only those of its own units."""
        if name not in self._streams:
            self._streams[name] = self.sources[name].stream(self.seed)
        return self._streams[name]

    def replacement(self, source: str, index: int, seed: int) -> int:
        """A sample to take instead of one that cannot be read; a function of the arguments alone."""
        return self._stream(source).replacement(index, seed)

    def seed_of(self, unit: Unit) -> int:
        """Seed of a unit's random draws."""
        return keyed_seed(self.seed, unit.step, unit.source, unit.slot)

    def epochs(self, steps: int) -> dict[str, float]:
        """How often ``steps`` steps go through each source."""
        return {name: steps * source.slots * source.batch_size / source.size for name, source in self.sources.items()}
