"""What every writer of a native format shares: which images there are, and that each depends on its own key alone."""
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ... import catalog
from ..scene import Person, make_person


class Job(NamedTuple):
    """One image to make: number ``index`` of ``split``."""
    split: str
    index: int


@dataclass(frozen=True)
class Size:
    """How much of one dataset to make.

    Attributes:
        counts: images per split; for ReID identities per split and what the writer names beside them.
        scale: factor on the side lengths of scene images (crops keep the size of their dataset).
    """
    counts: Mapping[str, int]
    scale: float = 1.0


class Writer(ABC):
    """Writes one dataset in its native format.

    ``write`` runs in any process and order: all that is random in it comes from :meth:`rng` and :meth:`person`, pure
    functions of (seed, dataset, split, index). ``finish`` gets what the ``write`` calls returned, in order of the jobs.

    Args:
        dataset: id of the dataset card.
        size: how much to make.
        seed: of the whole edition.
        root: folder to fill.
    """

    def __init__(self, dataset: str, size: Size, seed: int, root: Path):
        self.dataset = dataset
        self.counts = size.counts
        self.scale = size.scale
        self.seed = seed
        self.root = root

    @property
    def card(self) -> catalog.DatasetCard:
        """The dataset's card. (Looked up, because a writer travels to its workers and a card cannot.)"""
        return catalog.card(self.dataset)

    def jobs(self) -> list[Job]:
        """All images of the dataset."""
        return [Job(split, i) for split, n in self.counts.items() for i in range(n)]

    @abstractmethod
    def write(self, job: Job) -> Any:
        """Makes one image and writes its files. Returns its annotation (small, picklable)."""

    @abstractmethod
    def finish(self, records: Mapping[str, list[Any]]) -> None:
        """Writes the annotation and list files.

        Args:
            records: split -> annotations in order of the index; every split of ``counts`` that has jobs is there.
        """

    def rng(self, *key: str | int) -> np.random.Generator:
        """A random stream of its own for every key."""
        return np.random.default_rng(self._entropy(key))

    def person(self, *key: str | int) -> Person:
        """The person of this key. Keys of different splits give different people."""
        return make_person(int(self.rng('person', *key).integers(1 << 63)))

    def people(self, job: Job, n: int) -> list[Person]:
        """``n`` people who are in this image only."""
        return [self.person(*job, i) for i in range(n)]

    def scaled(self, *lengths: float) -> tuple[int, ...]:
        """Side lengths of a scene image at the size of this edition, in whole pixels."""
        return tuple(round(x * self.scale) for x in lengths)

    def _entropy(self, key: tuple[str | int, ...]) -> list[int]:
        # A word enters by its CRC (hash() of a string changes from process to process), shifted away from the numbers.
        words = (self.dataset, *key)
        return [self.seed, *(zlib.crc32(x.encode()) + (1 << 32) if isinstance(x, str) else x for x in words)]
