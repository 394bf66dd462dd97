"""The two small messages of a step that all ranks send each other, and nothing else of a step is agreed on.

The *header* goes out before the first unit and lies on the host: the normalisers of the losses (number of boxes, of
labelled pixels ...) are those of the whole step, not of a rank, and a rank that was told to stop tells all. The
*summary* goes out after the reduction: scalars to log, and the gradient norm in which every part counts once.
"""
import signal
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import FrameType
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor


class StopRequest:
    """Remembers that the system asked this process to stop (SIGTERM, SIGUSR1); used as a context manager."""
    signals = (signal.SIGTERM, signal.SIGUSR1)

    def __init__(self):
        self.received: str | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> 'StopRequest':
        if threading.current_thread() is threading.main_thread():  # only that one may set handlers
            self._before = {number: signal.signal(number, self._remember) for number in self.signals}
        return self

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name

    def __exit__(self, *exception) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class Agreed(NamedTuple):
    """What every rank knows after a header.

    Attributes:
        counts: by source, over the units of all ranks.
        stop: whether any rank was asked to stop.
        talk: whether any rank has something to tell in words.
        times: (ranks, 2) seconds of every rank's last step (:attr:`Header.TIMES`).
        seconds: by source, what all its units of the last step took together.
    """
    counts: dict[str, float]
    stop: bool
    talk: bool
    times: Tensor
    seconds: dict[str, float]


class Header:
    """Sums of every source's count, of requests to stop, and every rank's times of the step before.

    Args:
        sources: names, in one order on all ranks.
        timeout: how long a rank waits for the others.
    """
    TIMES = ('data', 'compute')  # waiting for the loader; forward and backward passes, without waiting for other ranks

    def __init__(self, sources: Sequence[str], timeout: timedelta | None = None):
        self.sources = list(sources)
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if self.world > 1 else 0
        # on the host: no device waits for it
        self.group = dist.new_group(backend='gloo', timeout=timeout) if self.world > 1 else None

    def exchange(self, counts: Mapping[str, float], stop: bool, talk: bool, times: Sequence[float],
                 seconds: Mapping[str, float]) -> Agreed:
        """Tell and be told.

        Args:
            counts: of this rank's units by source.
            stop: whether this rank was asked to stop.
            talk: whether this rank has something to tell in words (scalars that are new, samples that were replaced).
            times: seconds of this rank's last step (:attr:`TIMES`).
            seconds: by source, what this rank's units of the last step took together.
        """
        number, table = len(self.sources), torch.zeros(self.world, len(self.TIMES), dtype=torch.float64)
        table[self.rank] = torch.tensor(times, dtype=torch.float64)
        own = [by_source.get(name, 0.0) for by_source in (counts, seconds) for name in self.sources]
        message = torch.cat([torch.tensor([*own, float(stop), float(talk)], dtype=torch.float64), table.reshape(-1)])
        if self.group is not None:
            dist.all_reduce(message, group=self.group)
        values, flags = message.tolist(), 2 * number
        return Agreed(
            dict(zip(self.sources, values)), values[flags] > 0, values[flags + 1] > 0,
            message[flags + 2:].view_as(table), dict(zip(self.sources, values[number:flags])))

    def gather(self, item: Any) -> list:
        """What every rank says, in the order of ranks; all of them call it together."""
        if self.group is None:
            return [item]
        everyone = [None] * self.world
        dist.all_gather_object(everyone, item, group=self.group)
        return everyone

    def union(self, names: Sequence[str]) -> list[str]:
        """All names that any rank has, in the order of ranks."""
        return list(dict.fromkeys(name for ranks in self.gather(list(names)) for name in ranks))


class Summary:
    """Sums of named scalars over all ranks: one reduction and one transfer to the host a step."""

    def __init__(self, header: Header):
        self.header, self.names = header, []

    def is_new(self, names: Sequence[str]) -> bool:
        """Whether one of these names has no place in the message yet."""
        return not set(names) <= set(self.names)

    def learn(self, names: Sequence[str]) -> None:
        """Give every name of any rank a place; all ranks call it together."""
        self.names = self.header.union([*self.names, *names])

    def exchange(self, values: Mapping[str, Tensor], device: torch.device) -> dict[str, float]:
        """Sums over ranks of all known names; a name that is still unknown waits for the next step."""
        zero = torch.zeros((), dtype=torch.float64, device=device)
        message = torch.stack([values[x].double().reshape(()) if x in values else zero for x in self.names])
        if self.header.world > 1:
            dist.all_reduce(message)
        return dict(zip(self.names, message.tolist()))
