"""Failures that are put into a run of several ranks, by rank and step or by unit and step."""
import os
import signal
import time
from dataclasses import dataclass
from unittest import mock

import torch

from humanbench.engine import loop
from humanbench.engine.hooks import telemetry

HANG = 9.0  # seconds; longer than any other rank waits


@dataclass(frozen=True)
class Fault:
    """A failure.

    Attributes:
        kind: of a unit: ``nan`` (its images are not finite), ``gradient`` (its loss is finite, the gradient is not);
            of a rank: ``slow`` (each of its units), ``kill``, ``error`` or ``hang`` (before it
            talks to the others).
        step: in which it happens; None for every one.
        unit: (source, slot).
        rank: of the process.
    """
    kind: str
    step: int | None = None
    unit: tuple[str, int] | None = None
    rank: int | None = None


def patches(faults: tuple[Fault, ...], rank: int) -> list:
    """Patches that put these failures into this process."""
    if not faults:
        return []
    run_unit, prepared, tell = loop.MixtureLoop.run_unit, loop.MixtureLoop._prepared, loop.MixtureLoop._tell

    def now(self: loop.MixtureLoop, fault: Fault) -> bool:
        return fault.step in (None, self.iter)

    def hits(self: loop.MixtureLoop, fault: Fault, unit: dict, kind: str) -> bool:
        return fault.kind == kind and now(self, fault) and fault.unit == (unit['unit'].source, unit['unit'].slot)

    def failing_images(self: loop.MixtureLoop, unit: dict) -> dict:
        if any(hits(self, fault, unit, 'nan') for fault in faults):
            unit['data_samples'][0].set_metainfo(dict(poisoned=True))
        return prepared(self, unit)

    def failing_unit(self: loop.MixtureLoop, unit: dict, *rest, **options) -> dict:
        hooks = []
        for fault in faults:
            if now(self, fault) and fault.kind == 'slow' and fault.rank == rank:
                time.sleep(0.15)
            if hits(self, fault, unit, 'gradient'):
                parameter = self.model.backbone.blocks[0].mlp.fc1.weight
                hooks.append(parameter.register_hook(lambda gradient: gradient * float('inf')))
        try:
            return run_unit(self, unit, *rest, **options)
        finally:
            for hook in hooks:
                hook.remove()

    def failing_rank(self: loop.MixtureLoop, *arguments):
        for fault in faults:
            if now(self, fault) and fault.rank == rank:
                _fail(fault.kind)
        return tell(self, *arguments)

    return [mock.patch.object(loop.MixtureLoop, 'run_unit', failing_unit),
            mock.patch.object(loop.MixtureLoop, '_prepared', failing_images),
            mock.patch.object(loop.MixtureLoop, '_tell', failing_rank),
            mock.patch.object(telemetry, 'STEPS_IN_A_ROW', 1)]


def _fail(kind: str) -> None:
    if kind == 'kill':
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == 'error':
        raise ValueError('made up')
    elif kind == 'hang':
        time.sleep(HANG)


def poison(inputs: torch.Tensor, samples: list) -> torch.Tensor:
    """Images of a unit, not finite where a fault says so."""
    return inputs * float('nan') if samples[0].get('poisoned') else inputs
