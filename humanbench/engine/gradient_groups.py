"""Who reduces what with whom.

=============  ==============================  =========================================
part           its ranks                       when it is reduced
=============  ==============================  =========================================
``backbone``   all                             during the backward pass of the last unit
``projectors`` those with a unit of the task   after it
``heads``      those with a unit of the source after it
=============  ==============================  =========================================

Gradients are summed, never averaged: the weights are in the loss. Every parameter is reduced once a step, in buckets
that are visited in one order on all ranks, so no two ranks ever wait for each other in different groups. A rank without
a unit, or whose unit was skipped, takes part with zeros.
"""
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

Placement = Sequence[Sequence[tuple]]
BUCKET_BYTES = 25 << 20


def part_ranks(placement: Placement, routes: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Which ranks hold which part, in the global order of reduction.

    Args:
        placement: for every rank its units, tuples that begin with the source.
        routes: projector of each source.

    Returns:
        Ranks by part: ``backbone``, ``projectors.NAME`` and ``heads.SOURCE``.
    """
    sources = [{unit[0] for unit in units} for units in placement]
    ranks = {'backbone': tuple(range(len(placement)))}
    for route in dict.fromkeys(routes.values()):
        ranks[f'projectors.{route}'] = tuple(
            r for r, held in enumerate(sources) if any(routes[source] == route for source in held))
    for source in routes:
        ranks[f'heads.{source}'] = tuple(r for r, held in enumerate(sources) if source in held)
    return {part: held for part, held in ranks.items() if held}


class Bucket:
    """Gradients of some parameters of one part as one flat tensor: they *are* its slices, nothing is copied.

    Args:
        parameters: of one dtype; none for a bucket of further numbers alone.
        extra: how many further numbers lie behind the gradients.
        device: of all of it.
    """

    def __init__(self, parameters: Sequence[Tensor], extra: int, device: torch.device):
        self.parameters = list(parameters)
        dtype = parameters[0].dtype if parameters else torch.float64
        self.flat = torch.zeros(sum(p.numel() for p in parameters) + extra, dtype=dtype, device=device)
        self.extra = self.flat[len(self.flat) - extra:]
        self.views, start = [], 0
        for parameter in self.parameters:
            self.views.append(self.flat[start:start + parameter.numel()].view_as(parameter))
            start += parameter.numel()
        self.waiting = 0
        self.work = None

    def zero(self) -> None:
        self.flat.zero_()
        for parameter, view in zip(self.parameters, self.views):
            parameter.grad = view

    def gradients(self) -> Tensor:
        return self.flat[:len(self.flat) - len(self.extra)]


class GradientGroups:
    """Gradients of this rank's parameters, and their sums over the ranks that share them.

    Args:
        parameters: trainable parameters of the parts that this rank holds, in the order of the forward pass.
        ranks: ranks of every part of the whole model (:func:`part_ranks`), the same on all ranks.
        device: of the parameters.
        rank: of this process.
        extras: further numbers to sum with a part (running statistics): how many, of parts that this rank holds. A part
            whose gradients others reduce has them alone.
        bucket_bytes: size at which a bucket is full.
        overlapped: the part whose reduction starts during the last backward pass.
        timeout: how long a rank waits for the others.
    """

    def __init__(self, parameters: Mapping[str, Sequence[Tensor]], ranks: Mapping[str, Sequence[int]],
                 device: torch.device, rank: int = 0, extras: Mapping[str, int] | None = None,
                 bucket_bytes: int = BUCKET_BYTES, overlapped: str = 'backbone', timeout: timedelta | None = None):
        self.ranks = {part: tuple(held) for part, held in ranks.items()}
        self.kinds = list(dict.fromkeys(part.split('.')[0] for part in self.ranks))
        self.device, self.rank, self.overlapped, extras = device, rank, overlapped, dict(extras or {})
        groups = _make_groups(self.ranks, timeout)
        self._group_of = {part: groups.get(held) for part, held in self.ranks.items()}
        self.buckets: dict[str, list[Bucket]] = {}
        for part in self.ranks:  # the global order
            mine = [p for p in parameters.get(part, ()) if p.requires_grad]
            if mine or part in extras:
                self.buckets[part] = _fill(mine, extras.get(part, 0), bucket_bytes, device)
        self._armed = False
        for bucket in self.buckets.get(overlapped, ()):
            for parameter in bucket.parameters:
                parameter.register_post_accumulate_grad_hook(self._ready(bucket))

    def zero(self) -> None:
        """Begin a step: all gradients zero, and slices of the buckets."""
        for buckets in self.buckets.values():
            for bucket in buckets:
                bucket.zero()

    def extra(self, part: str) -> Tensor:
        """The further numbers of a part that this rank holds; summed with its gradients."""
        return self.buckets[part][-1].extra

    @contextlib.contextmanager
    def last_backward(self) -> Iterator[None]:
        """The backward pass inside is the last of this step: what is complete is reduced while the rest is computed."""
        for bucket in self.buckets.get(self.overlapped, ()):
            bucket.waiting = len(bucket.parameters)
        self._armed = True
        try:
            yield
        finally:
            self._armed = False

    def _ready(self, bucket: Bucket) -> Callable[[Tensor], None]:
        def gradient_is_complete(parameter: Tensor) -> None:
            if self._armed:
                bucket.waiting -= 1
                self._launch_complete()
        return gradient_is_complete

    def _launch_complete(self) -> None:
        # in order: a bucket waits for those before it, so that all ranks reduce the same one at a time; further numbers
        # (the last bucket has them) are whole after the unit, not with its gradients
        for bucket in self.buckets[self.overlapped]:
            if bucket.work is None and (bucket.waiting > 0 or len(bucket.extra)):
                return
            self._launch(self.overlapped, bucket)

    def _launch(self, part: str, bucket: Bucket) -> None:
        group = self.group(part)
        if group is not None and bucket.work is None:
            bucket.work = dist.all_reduce(bucket.flat, group=group, async_op=True)

    def reduce(self) -> None:
        """Sum everything that has not been summed yet, and wait for all of it."""
        for part, buckets in self.buckets.items():
            for bucket in buckets:
                self._launch(part, bucket)
        for buckets in self.buckets.values():
            for bucket in buckets:
                if bucket.work is not None:
                    bucket.work.wait()
                bucket.work = None

    def group(self, part: str) -> dist.ProcessGroup | None:
        """The ranks of a part, or None where one rank has it alone."""
        return self._group_of[part]

    def squared_norms(self) -> dict[str, Tensor]:
        """Squared gradient norm of each kind of part, over the whole model: every part counted once.

        Call it after :meth:`reduce`; what is returned is this rank's share, to be summed over all ranks.

        Returns:
            () float64 by kind (``backbone``, ``projectors``, ``heads``), on the gradients' device.
        """
        norms = {kind: torch.zeros((), dtype=torch.float64, device=self.device) for kind in self.kinds}
        for part, buckets in self.buckets.items():
            if self.ranks[part][0] == self.rank:  # one rank answers for a part that several hold
                for bucket in buckets:
                    norms[part.split('.')[0]] += torch.linalg.vector_norm(bucket.gradients(), dtype=torch.float64) ** 2
        return norms


def _make_groups(ranks: Mapping[str, tuple[int, ...]],
                 timeout: timedelta | None) -> dict[tuple[int, ...], dist.ProcessGroup]:
    """A process group for every set of two or more ranks, made in the same order everywhere."""
    sets = sorted({held for held in ranks.values() if len(held) > 1})
    world = tuple(range(dist.get_world_size())) if dist.is_initialized() else (0,)
    return {held: dist.group.WORLD if held == world else dist.new_group(list(held), timeout=timeout)
            for held in sets}


def _fill(parameters: Sequence[Tensor], extra: int, limit: int, device: torch.device) -> list[Bucket]:
    """Buckets of one dtype each, in the order in which a backward pass completes gradients; at least one."""
    chunks: list[list[Tensor]] = [] if parameters else [[]]
    size = 0
    for parameter in reversed(parameters):
        if not chunks or size >= limit or chunks[-1][0].dtype != parameter.dtype:
            chunks.append([])
            size = 0
        chunks[-1].append(parameter)
        size += parameter.numel() * parameter.element_size()
    return [Bucket(chunk, extra if chunk is chunks[-1] else 0, device) for chunk in chunks]
