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
        return self.scalar * embeddings @ torch.cat([self.table, self.queue]).to(embeddings).T

    @torch.no_grad()
    def enter(self, units: Iterable[Tensor]) -> None:
        for rows in units:
            identities, embeddings = rows[:, 0].round().long(), rows[:, 1:].to(self.table)
            named = identities >= 0
            self._blend(identities[named], embeddings[named])
            self._push(embeddings[~named])

    def _blend(self, identities: Tensor, embeddings: Tensor) -> None:
        """Move rows of the table towards what was seen of them, one after the other."""
        ordered, order = identities.sort(stable=True)
        turn = torch.empty_like(order)  # the how-manieth of its person each is
        turn[order] = torch.arange(len(order), device=order.device) - torch.searchsorted(ordered, ordered)
        for number in range(int(turn.max()) + 1 if len(turn) else 0):
            now = turn == number
            rows = self.momentum * self.table[identities[now]] + (1 - self.momentum) * embeddings[now]
            self.table[identities[now]] = nn.functional.normalize(rows)

    def _push(self, embeddings: Tensor) -> None:
        """Put rows into the places of the oldest."""
        size, count = len(self.queue), len(embeddings)
        if not size:
            return
        places = (self.next_place + torch.arange(count, device=self.queue.device)) % size
        self.queue[places[-size:]] = embeddings[-size:]
        self.next_place.copy_((self.next_place + count) % size)
