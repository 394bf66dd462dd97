"""Fetches the files of samples before their turn: the plan knows which ones come next.

Only for sources whose files come over the network; for all others nothing happens here.
"""
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch.utils.data import get_worker_info

from ..datasets import storage
from .sampler import SampleKey, UnitSampler

if TYPE_CHECKING:
    from .mixture import Mixture

DEPTH = 64  # samples
_LOOKED_AT = 16  # records of a source that say whether it is remote: merged datasets may lie in several places


class ReadAhead:
    """What one process of a loader will read next, asked for early.

    Args:
        mixture: what is read.
        sampler: says in which order.
        depth: so many samples ahead.
    """

    def __init__(self, mixture: 'Mixture', sampler: UnitSampler, depth: int):
        self._mixture, self._sampler, self._depth = mixture, sampler, depth
        self._remote = {name for name in {source for source, _ in sampler.assignment} if self._is_remote(name)}
        self._prefetcher: storage.Prefetcher | None = None

    def _is_remote(self, source: str) -> bool:
        size = len(self._mixture.datasets[source])
        return any(storage.is_remote(path) for index in range(0, size, -(-size // _LOOKED_AT))
                   for path in self._mixture.files(source, index).values())

    def at(self, key: SampleKey) -> None:
        """This process reads the sample of ``key`` now."""
        if not self._remote:
            return
        if self._prefetcher is None or self._prefetcher.pid != os.getpid():  # threads do not survive a fork
            self._prefetcher = storage.Prefetcher()
            self._coming, self._room = self.coming(key), self._depth
        self._room += 1
        while self._room:
            coming = next(self._coming, None)
            if coming is None:
                break
            self._room -= 1
            if coming.unit.source in self._remote:
                self._prefetcher.want(self._mixture.files(coming.unit.source, coming.index).values())

    def coming(self, key: SampleKey) -> Iterator[SampleKey]:
        """The samples that this process reads from ``key`` on: a loader deals its units to its workers in turn."""
        worker = get_worker_info()
        first = self._sampler.number_of(key.unit)
        for number in range(first, len(self._sampler), 1 if worker is None else worker.num_workers):
            yield from self._sampler.keys(number)[key.position if number == first else 0:]
