"""Tables that training writes what it has seen into.

A running average may be averaged over the units of a step (:mod:`humanbench.engine.running`); a queue, or a table of
which each unit changes some rows, may not. So a :class:`StepMemory` is read while units run and written between steps:
every unit is compared with the tables as the step found them, and what all units have seen is entered after it, unit by
unit in the order of the plan, by every rank that holds the head. What a step leaves in a table therefore depends on the
plan alone, bit by bit where the units' own numbers are equal, whichever rank ran which unit. With one unit a step,
which is how such methods are published, it is the published procedure; with several, what one unit has seen is new to
the others a step later.

Shapes: n rows seen, D channels.
"""
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class StepMemory(nn.Module):
    """Base of such tables: its buffers are changed by :meth:`enter` alone, which the training loop calls.

    Whoever trains without that loop calls ``memory.enter([memory.take()])`` after each step.

    Attributes:
        row_size: numbers of a row that is seen.
    """
    row_size: int

    def __init__(self):
        super().__init__()
        self._seen: Tensor | None = None

    def remember(self, rows: Tensor) -> None:
        """Keep what a unit has seen, (n, row_size), until it is taken."""
        assert rows.shape[1:] == (self.row_size,)
        self._seen = rows.detach().to(next(self.buffers()))

    def take(self) -> Tensor:
        """What the last unit has seen, (n, row_size), once; no row where it has seen nothing."""
        seen, self._seen = self._seen, None
        return next(self.buffers()).new_zeros((0, self.row_size)) if seen is None else seen

    def joined(self, units: Iterable[Tensor]) -> Tensor:
        """Rows of several units, (n, row_size), one after the other."""
        return torch.cat([next(self.buffers()).new_zeros((0, self.row_size)), *units])

    def enter(self, units: Iterable[Tensor]) -> None:
        """Write what the units of a step have seen, in their order."""
        raise NotImplementedError


class InstanceMemory(StepMemory):
    """The look-up table and the queue of online instance matching (Xiao et al. 2017, arXiv 1604.01850).

    The table has a row for every named person: ``normalise(momentum * row + (1 - momentum) * seen)``, once for each
    time that the person is seen. The queue has the last people without a name, in the places of the oldest.

    Args:
        num_identities: named people.
        queue_size: places of the queue.
        channels: D.
        momentum: of the table.
        scalar: factor of the similarities, the inverse of a temperature.
    """

    def __init__(self, num_identities: int, queue_size: int, channels: int, momentum: float = 0.5,
                 scalar: float = 30.0):
        super().__init__()
        self.momentum, self.scalar, self.row_size = momentum, scalar, 1 + channels
        self.register_buffer('table', torch.zeros(num_identities, channels))
        self.register_buffer('queue', torch.zeros(queue_size, channels))
        self.register_buffer('next_place', torch.zeros((), dtype=torch.long))

    def forward(self, embeddings: Tensor, identities: Tensor) -> Tensor:
        """Similarities (n, num_identities + queue_size) to all that is remembered; remembers these when training.

        Args:
            embeddings: (n, D) of length one.
            identities: (n,) 0-based labels, -1 for a person without a name.
        """
        if self.training:
            self.remember(torch.cat([identities[:, None].to(embeddings), embeddings], dim=1))
        with torch.autocast(embeddings.device.type, enabled=False):  # it is what a loss is computed from
            return self.scalar * embeddings @ torch.cat([self.table, self.queue]).to(embeddings).T

    @torch.no_grad()
    def enter(self, units: Iterable[Tensor]) -> None:
        rows = self.joined(units)
        identities, embeddings = rows[:, 0].round().long(), rows[:, 1:].to(self.table)
        named = identities >= 0
        _blend(self.table, identities[named], embeddings[named], self.momentum)
        _push(self.queue, self.next_place, embeddings[~named])


class ModalityMemory(StepMemory):
    """Features of samples in each of several modalities: a table of random directions, until something is entered.

    Args:
        rows: R of the table.
        modalities: V.
        channels: D.

    Attributes:
        table: (V, R, D) of length one.
    """

    def __init__(self, rows: int, modalities: int, channels: int):
        super().__init__()
        self.row_size = 2 + modalities * (1 + channels)
        self.register_buffer('table', nn.functional.normalize(torch.randn(modalities, rows, channels), dim=-1))

    def see(self, index: Tensor, features: Tensor, present: Tensor) -> None:
        """Remember a unit.

        Args:
            index: (B,) of the samples.
            features: (V, B, D) of length one.
            present: (V, B) bool; what a sample lacks is not entered.
        """
        numbers = torch.stack([index >> 16, index & 0xffff], 1)  # float32 counts to 2 ** 24
        rows = (numbers.to(features), present.T.to(features), features.transpose(0, 1).flatten(1))
        self.remember(torch.cat(rows, dim=1))

    @torch.no_grad()
    def enter(self, units: Iterable[Tensor]) -> None:
        modalities, _, channels = self.table.shape
        rows = self.joined(units)
        (high, low), present = rows[:, :2].round().long().unbind(1), rows[:, 2:2 + modalities] > 0
        index, features = (high << 16) + low, rows[:, 2 + modalities:].unflatten(1, (modalities, channels))
        for number in range(modalities):
            there = present[:, number]
            self._write(number, index[there], features[there, number])

    def _write(self, modality: int, index: Tensor, features: Tensor) -> None:
        """Enter what a unit has seen of one modality: index (n,) of the samples, features (n, D)."""
        raise NotImplementedError


class ModalityBanks(ModalityMemory):
    """The last features of every sample of a dataset in each of several modalities (Wu et al. 2018, arXiv 1805.01978).

    Rows move as :class:`InstanceMemory`'s table does.

    Args:
        num_samples: N of the dataset.
        modalities: V.
        channels: D.
        momentum: share of itself that a row keeps.
    """

    def __init__(self, num_samples: int, modalities: int, channels: int, momentum: float = 0.5):
        super().__init__(num_samples, modalities, channels)
        self.momentum = momentum

    def positives(self, index: Tensor, features: Tensor) -> Tensor:
        """What samples ``index`` (B,) are to agree with in each modality: (V, B, D), without gradient."""
        return self.table[:, index].to(features)

    def negatives(self, draws: Tensor) -> Tensor:
        """Other samples (V, K, D), the same for all modalities; ``draws`` (K,) uniform from 0 to 1 say which."""
        return self.table[:, (draws * self.table.shape[1]).long()]

    def _write(self, modality: int, index: Tensor, features: Tensor) -> None:
        _blend(self.table[modality], index, features, self.momentum)


class ModalityQueue(ModalityMemory):
    """The last features of each of several modalities, of whichever samples (He et al. 2020, arXiv 1911.05722).

    Args:
        size: places for each modality.
        modalities: V.
        channels: D.

    Attributes:
        index: (V, size) which sample each is of, -1 where nothing was entered yet.
    """

    def __init__(self, size: int, modalities: int, channels: int):
        super().__init__(size, modalities, channels)
        self.register_buffer('index', torch.full((modalities, size), -1))
        self.register_buffer('next_place', torch.zeros(modalities, dtype=torch.long))

    def _write(self, modality: int, index: Tensor, features: Tensor) -> None:
        _push(self.index[modality], self.next_place[modality].clone(), index)
        _push(self.table[modality], self.next_place[modality], features)


def _push(queue: Tensor, next_place: Tensor, rows: Tensor) -> None:
    """Put rows (n, ...) into the places of the oldest of a queue (size, ...), and move ``next_place`` () on."""
    size, count = len(queue), len(rows)
    if not size:
        return
    places = (next_place + torch.arange(count, device=queue.device)) % size
    queue[places[-size:]] = rows[-size:]
    next_place.copy_((next_place + count) % size)


def _blend(table: Tensor, places: Tensor, seen: Tensor, momentum: float) -> None:
    """Move rows of a table (N, D) towards what was seen of them (n, D) at ``places`` (n,), one after the other."""
    ordered, order = places.sort(stable=True)
    turn = torch.empty_like(order)  # the how-manieth of its row each is
    turn[order] = torch.arange(len(order), device=order.device) - torch.searchsorted(ordered, ordered)
    for number in range(int(turn.max()) + 1 if len(turn) else 0):
        now = turn == number
        rows = momentum * table[places[now]] + (1 - momentum) * seen[now]
        table[places[now]] = nn.functional.normalize(rows)
