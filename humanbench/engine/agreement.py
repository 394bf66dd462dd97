"""The two small messages of a step that all ranks send each other, and nothing else of a step is agreed on.

The *header* goes out before the first unit and lies on the host: the normalisers of the losses (number of boxes, of
labelled pixels ...) are those of the whole step, not of a rank, and a rank that was told to stop tells all. The
*summary* goes out after the reduction: scalars to log, and the gradient norm in which every part counts once.
"""
import signal
import threading
from collections.abc import Mapping, Sequence
from types import FrameType

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


class Header:
    """Sums of every source's count, of requests to stop, and every rank's times of the step before.

    Args:
        sources: names, in one order on all ranks.
    """
    TIMES = ('data', 'step')

    def __init__(self, sources: Sequence[str]):
        self.sources = list(sources)
        self.world = dist.get_world_size() if dist.is_initialized() else 1
        self.rank = dist.get_rank() if self.world > 1 else 0
        self.group = dist.new_group(backend='gloo') if self.world > 1 else None  # on the host: no device waits for it

    def exchange(self, counts: Mapping[str, float], stop: bool, new_names: bool,
                 times: Sequence[float]) -> tuple[dict[str, float], bool, bool, Tensor]:
        """Tell and be told.

        Args:
            counts: of this rank's units by source.
            stop: whether this rank was asked to stop.
            new_names: whether this rank has scalars to log that the others do not know of.
            times: seconds of this rank's last step (:attr:`TIMES`).

        Returns:
            Counts over all ranks, whether to stop, whether names are to be exchanged, and times (ranks, 2).
        """
        flags, table = len(self.sources), torch.zeros(self.world, len(self.TIMES), dtype=torch.float64)
        table[self.rank] = torch.tensor(times, dtype=torch.float64)
        message = torch.cat([torch.tensor([*(counts.get(x, 0.0) for x in self.sources), float(stop), float(new_names)],
                                          dtype=torch.float64), table.reshape(-1)])
        if self.group is not None:
            dist.all_reduce(message, group=self.group)
        values = message.tolist()
        return (dict(zip(self.sources, values)), values[flags] > 0, values[flags + 1] > 0,
                message[flags + 2:].view_as(table))

    def union(self, names: Sequence[str]) -> list[str]:
        """All names that any rank has, in the order of ranks."""
        if self.group is None:
            return list(dict.fromkeys(names))
        everyone: list[list[str]] = [[] for _ in range(self.world)]
        dist.all_gather_object(everyone, list(names), group=self.group)
        return list(dict.fromkeys(name for ranks in everyone for name in ranks))


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
