"""Writing checkpoint folders (:mod:`humanbench.weights.folder`) while training goes on.

A save is three things: a copy of this rank's state on the host, which training waits for; all ranks writing their
shares into a folder with a hidden name, in the background; and on the first rank, once everything is on disk, giving
the folder its name. Killed at any point, what was there before is whole. Errors come up at the next step, on all ranks.
"""
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from mmengine.logging import MMLogger
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

from ..errors import CheckpointError
from ..files import write_text
from ..weights.export import system_error, write_weights
from ..weights.folder import META, checkpoints_in, newest, point_at, remove, sync_folder
from ..weights.sharded import read_model
from .state import State


class FolderWriter(dcp.FileSystemWriter):
    """Torch's writer of checkpoint folders.

    Args:
        path: of the folder.
        complete: called on the first rank when all ranks' files and the index are on disk.
        fsync: wait until the disk has them.
    """

    def __init__(self, path: Path, complete: Callable[[], None], fsync: bool = True):
        super().__init__(path, sync_files=fsync)
        self.complete = complete

    def storage_meta(self) -> StorageMeta:
        """Nothing: an index says no more of this machine than it has to."""
        return StorageMeta()

    def write_data(self, plan: dcp.SavePlan, planner: dcp.SavePlanner) -> torch.futures.Future:
        """Write this rank's share; what the operating system refuses is raised in its own words."""
        try:
            return super().write_data(plan, planner)
        except (OSError, RuntimeError) as error:
            raise system_error(error) from error

    def finish(self, metadata: Metadata, results: list) -> None:
        """Write the index, and what makes the checkpoint complete."""
        super().finish(metadata, results)
        self.complete()


def write_folder(path: Path, state: State, complete: Callable[[], None], group: dist.ProcessGroup | None = None,
                 fsync: bool = True) -> None:
    """Write the tensors of all ranks into a folder. What several ranks hold is written once.

    Args:
        path: of the folder, which does not exist.
        state: tensors of this rank by section and name.
        complete: called on the first rank when everything is on disk.
        group: of all ranks, on the host; None for one rank.
        fsync: wait until the disk has it.

    Raises:
        CheckpointError: a rank could not write its share; raised on all ranks, and the folder is gone.
    """
    try:
        dcp.save(state, storage_writer=FolderWriter(path, complete, fsync), process_group=group, no_dist=group is None)
    except CheckpointException as error:
        rank, (reason, _) = next(iter(error.failures.items()))
        if (group is None or dist.get_rank() == 0) and path.exists():
            shutil.rmtree(path)
        process = '' if group is None else f' (process {rank})'
        raise CheckpointError(f"'{path}' cannot be written: {reason}{process}.") from error


class CheckpointSaver:
    """Saves steps of one run in the background; all ranks call every method together.

    Args:
        work_dir: of the run.
        rank: of this process.
        world: number of processes.
        keep: how many folders to keep, besides those that are kept for good; -1 for all.
        for_good: which steps are never removed.
        start: step that this run began with; later folders in ``work_dir`` are not its own, and left alone.
        fsync: wait until the disk has everything.
    """

    def __init__(self, work_dir: str | Path, rank: int = 0, world: int = 1, keep: int = -1,
                 for_good: Callable[[int], bool] = lambda step: False, start: int = 0, fsync: bool = True):
        self.work_dir, self.rank, self.world, self.fsync = Path(work_dir), rank, world, fsync
        self.keep, self.for_good = keep, for_good
        self.steps = [step for step in checkpoints_in(work_dir) if step <= start]
        # one group for the thread that writes, one for asking whether all of them have finished
        self.group, self.agreement = (dist.new_group(backend='gloo') if world > 1 else None for _ in range(2))
        pinned = torch.cuda.is_available()
        self.stager = DefaultStager(StagingOptions(
            use_pinned_memory=pinned, use_shared_memory=False, use_async_staging=False, use_non_blocking_copy=pinned))
        self.pending: Future | None = None
        self.last: int | None = None

    def save(self, step: int, state: State, meta: Mapping[str, Any]) -> None:
        """Copy the state and begin to write it; the save before it is finished first.

        Args:
            step: how many steps have been taken.
            state: tensors of this rank by section and name.
            meta: plain values; those of the first rank are kept.

        Raises:
            CheckpointError: the save before it has failed.
        """
        self.wait()
        self.last = step
        self.pending = _in_background(self._write, step, self.stager.stage(state), dict(meta))

    def poll(self) -> None:
        """After every step: whether the save has failed.

        Raises:
            CheckpointError: it has; on all ranks after the same step.
        """
        if self.pending is None:
            return
        done = torch.tensor(int(self.pending.done()))
        if self.agreement is not None:
            dist.all_reduce(done, dist.ReduceOp.MIN, group=self.agreement)
        if done:
            self.wait()

    def wait(self) -> None:
        """Finish the save that has begun.

        Raises:
            CheckpointError: it has failed.
        """
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """The run has failed: finish what has begun; a save that fails, too, is only reported."""
        try:
            self.wait()
        except (CheckpointError, RuntimeError) as error:  # the second where another process has died
            MMLogger.get_current_instance().error('%s', error)

    def write_file(self, path: Path, weights: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """The weights of all ranks as one file, for sharing.

        Raises:
            CheckpointError: it cannot be written; on all ranks.
        """
        parts = path.with_name(f'.{path.stem}.tmp')

        def merge() -> None:
            write_weights(read_model(parts), path, meta)
            shutil.rmtree(parts)

        write_folder(parts, dict(model=dict(weights)), merge, self.group, fsync=False)

    def _write(self, step: int, state: State, meta: Mapping[str, Any]) -> None:
        folder = self.work_dir / f'.iter_{step}.tmp'
        try:
            write_folder(folder, state, lambda: self._complete(step, folder, meta), self.group, self.fsync)
        except CheckpointError as error:
            last = newest(self.work_dir)
            before = f"'{last}' is whole: make room, and go on from there with --resume." if last else (
                'There is none before it.')
            raise CheckpointError(f'Step {step} is not saved. {error} {before}') from error

    def _complete(self, step: int, folder: Path, meta: Mapping[str, Any]) -> None:
        """Give a folder that is complete its name, and remove those that are no longer wanted."""
        write_text(folder / META, json.dumps(meta))
        if self.fsync:
            sync_folder(folder)
        final = self.work_dir / f'iter_{step}'
        remove(final)
        os.rename(folder, final)
        point_at(final)
        if self.fsync:
            sync_folder(self.work_dir)
        self.steps = [*(x for x in self.steps if x != step), step]
        passing = [x for x in self.steps if not self.for_good(x)]
        for old in passing[:-self.keep] if self.keep > 0 else []:
            remove(self.work_dir / f'iter_{old}')
            self.steps.remove(old)


def _in_background(function: Callable[..., None], *arguments: Any) -> Future:
    """Run something in a thread that does not keep the process alive: what it waits for may be gone."""
    future: Future = Future()
    device = torch.cuda.current_device() if torch.cuda.is_initialized() else None

    def run() -> None:
        try:
            if device is not None:
                torch.cuda.set_device(device)  # each thread has its own; the first would fill the first GPU
            future.set_result(function(*arguments))
        except BaseException as error:  # raised where the result is asked for
            future.set_exception(error)

    threading.Thread(target=run, name='checkpoint', daemon=True).start()
    return future
