"""How fast a run is, and where: seconds of units and ranks, and which rank holds up the others."""
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

MANY_RANKS = 16  # above, only the extremes of a time are logged, not every rank's


class UnitClock:
    """Seconds of each unit's forward and backward pass; on a GPU by events, which nobody waits for.

    Args:
        device: that computes.
    """

    def __init__(self, device: torch.device):
        self.on_gpu = device.type == 'cuda'
        self._units: list[tuple[str, object, object]] = []

    @contextlib.contextmanager
    def unit(self, source: str) -> Iterator[None]:
        """A unit of ``source`` is computed inside."""
        began = self._now()
        yield
        self._units.append((source, began, self._now()))

    def _now(self) -> 'float | torch.cuda.Event':
        if not self.on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def read(self) -> dict[str, float]:
        """By source, the seconds of its units together since the last call; their results have been waited for."""
        seconds: dict[str, float] = defaultdict(float)
        for source, began, ended in self._units:
            if self.on_gpu:
                ended.synchronize()
                seconds[source] += began.elapsed_time(ended) / 1000
            else:
                seconds[source] += ended - began
        self._units = []
        return dict(seconds)


def spread(name: str, seconds: Tensor) -> dict[str, float]:
    """What is logged of a time of every rank.

    Args:
        name: of the time.
        seconds: (ranks,).

    Returns:
        ``NAME_time/min``, ``/mean``, ``/max`` and ``/slowest`` (a rank), and of few ranks every one as ``/rank_R``.
    """
    values = seconds.tolist()
    found = dict(min=min(values), mean=sum(values) / len(values), max=max(values), slowest=values.index(max(values)))
    if 1 < len(values) <= MANY_RANKS:
        found |= {f'rank_{rank}': value for rank, value in enumerate(values)}
    return {f'{name}_time/{key}': value for key, value in found.items()}


class SlowRanks:
    """Notices ranks whose own computing takes well longer than that of the median rank, time after time.

    Args:
        factor: times the median that is slow.
        patience: so many times in a row, and it is said (once, until the rank was not slow again).
    """

    def __init__(self, factor: float = 1.5, patience: int = 3):
        self.factor, self.patience, self._times = factor, patience, defaultdict(int)

    def update(self, seconds: Tensor) -> dict[int, float]:
        """Look at the ranks once more.

        Args:
            seconds: (ranks,) that each has computed, without waiting for others.

        Returns:
            By rank that has become slow, how many times the median it takes.
        """
        working = seconds[seconds > 0]
        if len(working) < 2:
            return {}
        found = {}
        for rank, ratio in enumerate((seconds / working.median()).tolist()):
            self._times[rank] = self._times[rank] + 1 if ratio > self.factor else 0
            if self._times[rank] == self.patience:
                found[rank] = ratio
        return found


def reason(rank: int, seconds: Tensor, placement: Sequence[Sequence[tuple[str, int]]],
           unit_seconds: Mapping[str, float]) -> str:
    """Why a rank computes for long, as far as the others' units tell.

    Args:
        rank: in question.
        seconds: (ranks,) that each has computed in a step.
        placement: for every rank its (source, slot) pairs.
        unit_seconds: mean seconds of a unit of each source over all ranks.
    """
    own = sorted({source for source, _ in placement[rank]})
    shared = {source for other, units in enumerate(placement) if other != rank for source, _ in units} & set(own)
    pace = float(seconds[rank]) / sum(unit_seconds[source] for source, _ in placement[rank])
    if not shared:
        return (f"no other rank runs its sources ({', '.join(own)}): a slow machine, or they cost more than the "
                'placement assumes')
    if pace > 1.15:
        return f'its units take {pace:.1f} times the mean of all ranks: a slow machine'
    return 'its units are as fast as elsewhere: the placement gives it too many'
