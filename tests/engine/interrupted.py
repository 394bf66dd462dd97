"""Runs that are killed, stopped, or find the disk full, by (rank, step), in one process or several."""
import contextlib
import errno
import itertools
import os
import signal
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.hooks import Hook
from torch.distributed.checkpoint.filesystem import FileSystem
from torch.distributed.tensor import DTensor

import humanbench.models  # noqa: F401  (registers)
from humanbench.engine import launch, loop
from humanbench.engine.checkpoint import CheckpointSaver
from humanbench.engine.launch import build_runner
from humanbench.registry import HOOKS

from .spawn import spawn
from .toy import toy_config

ROOM = 3000  # bytes that a full disk still takes
_RUNS = itertools.count()  # of this process


@dataclass(frozen=True)
class Fault:
    """What goes wrong on a rank at a step (the number of steps that are done).

    ``kill`` and ``terminate`` send the signal when the step begins; of a save, ``kill_save`` kills in the middle of a
    file, ``kill_commit`` when all files are written but the checkpoint has no name yet, and ``full_disk`` has no room.
    """
    what: str
    rank: int
    step: int


@contextlib.contextmanager
def injected(faults: Sequence[Fault], rank: int = 0) -> Iterator[None]:
    """Runs in this process meet the faults of its rank."""
    step_of_loop, stream_of_torch, complete_of_saver = (
        loop.MixtureLoop.run_step, FileSystem.create_stream, CheckpointSaver._complete)

    def at(step: int, *kinds: str) -> list[str]:
        return [fault.what for fault in faults if (fault.rank, fault.step) == (rank, step) and fault.what in kinds]

    def run_step(self, *arguments):
        for what in at(self._iter, 'kill', 'terminate'):
            os.kill(os.getpid(), signal.SIGKILL if what == 'kill' else signal.SIGTERM)
        return step_of_loop(self, *arguments)

    @contextlib.contextmanager
    def create_stream(self, path, mode):
        with stream_of_torch(self, path, mode) as stream:
            folder = Path(path).parent.name
            found = at(int(folder.split('_')[1].split('.')[0]), 'kill_save', 'full_disk') if mode == 'wb' else []
            yield ShortFile(stream, found[0]) if found else stream

    def complete(self, step, *arguments):
        if at(step, 'kill_commit'):
            os.kill(os.getpid(), signal.SIGKILL)
        return complete_of_saver(self, step, *arguments)

    with mock.patch.object(loop.MixtureLoop, 'run_step', run_step), mock.patch.object(
            FileSystem, 'create_stream', create_stream), mock.patch.object(CheckpointSaver, '_complete', complete):
        yield


class ShortFile:
    """A file that takes so many bytes; then the disk is full, or the process is killed."""

    def __init__(self, file, then: str):
        self.file, self.then, self.room = file, then, ROOM

    def write(self, content) -> int:
        self.room -= len(content)
        if self.room < 0:
            self.file.flush()
            if self.then == 'kill_save':
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(content)

    def __getattr__(self, name: str):
        return getattr(self.file, name)


@HOOKS.register_module()
class InjectFault(Hook):
    """A fault of a run that is started from the command line."""

    def __init__(self, what: str, rank: int, step: int):
        self.fault = Fault(what, rank, step)

    def before_train(self, runner) -> None:
        if runner.iter < self.fault.step:  # not once more when it goes on
            self.context = injected([self.fault], runner.rank)
            self.context.__enter__()


@dataclass(frozen=True)
class Job:
    """A run of the toy mixture in float64, four units in a step.

    Attributes:
        folder: the work folder.
        resume: ``auto``, a checkpoint, or None for a new run.
        placement: for every rank its (source, slot) pairs, None for the engine's own.
    """
    folder: Path
    resume: str | Path | None = None
    placement: Sequence[Sequence[tuple[str, int]]] | None = None
    faults: Sequence[Fault] = ()
    overrides: Mapping = field(default_factory=dict)


def config(job: Job) -> Config:
    made = toy_config(job.folder, **{
        'model.type': 'DoubleModel', 'model.data_preprocessor': dict(type='DoublePreprocessor'),
        'sources.red.slots': 2, 'sources.blue.slots': 2, 'model.projector': dict(type='LadderProjector'),
        'optim_wrapper.optimizer': dict(type='AdamW', lr=1e-3, weight_decay=0.05, eps=1e-4), 'log_level': 'ERROR',
        'default_hooks.checkpoint': dict(interval=2, max_keep_ckpts=-1)})
    made.merge_from_dict(dict(job.overrides))
    made.resume = job.resume is not None
    made.load_from = None if job.resume in (None, 'auto') else str(job.resume)
    return made


def state_of(runner) -> dict[str, torch.Tensor]:
    """A copy of everything that a run carries on, by section and name."""
    return {f'{section}.{name}': (value.full_tensor() if isinstance(value, DTensor) else value).clone()
            for section, tensors in runner.training_state().tensors().items() for name, value in tensors.items()}


def train(job: Job, rank: int = 0, world: int = 1) -> dict:
    """Run a job in this process.

    Returns:
        The state at its ``start`` and ``end``, the ``first`` step and the ``last``, how it was ``stopped``, its
        ``error``.
    """
    found: dict = dict(error=None)
    prepare = loop.MixtureLoop.prepare

    def noted(self):
        prepare(self)
        found.update(start=state_of(self.runner), first=self._iter)

    made = config(job)
    made.launcher = 'pytorch' if world > 1 else 'none'
    made.experiment_name = f'{job.folder} {next(_RUNS)}'  # MMEngine keeps a logger for each name and second
    patches = [injected(job.faults, rank), mock.patch.object(loop.MixtureLoop, 'prepare', noted)]
    if job.placement is not None:
        patches += [mock.patch.object(launch, 'place_units', lambda *_: [list(units) for units in job.placement])]
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        runner = build_runner(made)
        try:
            runner.train()
        except Exception as error:  # the tests look at it
            traceback.print_exc()
            found['error'] = f'{type(error).__name__}: {error}'
    return found | dict(end=state_of(runner), last=runner.iter, stopped=runner.train_loop.stopped)


def _process(rank: int, world: int, port: int, jobs: Sequence[Job], out: Path) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank), MASTER_ADDR='127.0.0.1',
                      MASTER_PORT=str(port))
    torch.set_num_threads(1)
    torch.save([train(job, rank, world) for job in jobs], out / f'rank{rank}.pt')
    dist.barrier()
    dist.destroy_process_group()


def launch_jobs(world: int, jobs: Sequence[Job], out: Path) -> tuple[list[int], list[list[dict]]]:
    """Run jobs, one after the other, in ``world`` processes.

    Returns:
        Exit status of every rank, and what its runs found, by job and rank; nothing if a rank has died.
    """
    out.mkdir(parents=True)
    status = spawn(_process, world, (jobs, out), 200)
    if any(status):
        return status, []
    ranks = [torch.load(out / f'rank{rank}.pt') for rank in range(world)]
    return status, [list(job) for job in zip(*ranks)]


def merged(ranks: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The state of the whole run; what several ranks hold is the same on all of them."""
    whole: dict[str, torch.Tensor] = {}
    for state in ranks:
        for name, value in state.items():
            assert torch.equal(whole.setdefault(name, value), value), f'{name} differs between ranks'
    return whole
