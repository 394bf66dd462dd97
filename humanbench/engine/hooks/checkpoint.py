"""When a run is saved, and what is left of it at its end."""
from collections.abc import Sequence
from pathlib import Path

from mmengine.hooks import Hook

from ...errors import UserError
from ...registry import HOOKS
from ...weights.export import write_weights
from ...weights.folder import FORMAT, point_at, remove_leftovers
from ..recipe import describe_checkpoint


@HOOKS.register_module()
class ShardedCheckpointHook(Hook):
    """Saves ``iter_STEP/`` folders to go on from, and at the end ``iter_STEP.pth``, the weights alone, to share.

    A run that the system stops (SIGTERM, SIGUSR1) saves the step it has come to.

    Args:
        interval: steps between saves; -1 for none but the milestones.
        max_keep_ckpts: how many of the latest folders to keep; -1 for all.
        milestones: steps that are saved as well, and kept.
        keep_every: folders of multiples of this step are kept, too.
        fsync: a save is complete only when the disk has it, so that it survives a power cut.
    """
    priority = 'VERY_LOW'

    def __init__(self, interval: int = 1000, max_keep_ckpts: int = 2, milestones: Sequence[int] = (),
                 keep_every: int | None = None, fsync: bool = True):
        if keep_every is not None and (interval < 1 or keep_every % interval):
            raise UserError(f'keep_every={keep_every}: steps are saved every {interval}, so none of its multiples may '
                            'be among them. Give a multiple of interval.')
        self.interval, self.max_keep_ckpts, self.fsync = interval, max_keep_ckpts, fsync
        self.milestones, self.keep_every = set(milestones), keep_every
        self.saver = None

    def before_train(self, runner) -> None:
        self.start = runner.iter
        if runner.rank == 0:
            remove_leftovers(runner.work_dir)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs: dict | None = None) -> None:
        if self.saver is not None:
            self.saver.poll()
        step = batch_idx + 1
        due = step in self.milestones or (self.interval > 0 and step % self.interval == 0)
        if due and step < runner.max_iters:
            self._save(runner, step)

    def after_train(self, runner) -> None:
        step = runner.iter
        if step < runner.max_iters:
            self._save(runner, step)
        if self.saver is not None:
            self.saver.wait()
        if step == runner.max_iters > self.start:
            self._write_file(runner, Path(runner.work_dir) / f'iter_{step}.pth')

    def close(self) -> None:
        """The run has failed: finish what is being written."""
        if self.saver is not None:
            self.saver.close()

    def _is_kept(self, step: int) -> bool:
        return step in self.milestones or bool(self.keep_every and step % self.keep_every == 0)

    def _make_saver(self, runner):
        from ..checkpoint import CheckpointSaver  # its libraries take a while to import; short runs save no folder
        return CheckpointSaver(runner.work_dir, runner.rank, runner.world_size, self.max_keep_ckpts, self._is_kept,
                               self.start, self.fsync)

    def _save(self, runner, step: int) -> None:
        if self.saver is None:
            self.saver = self._make_saver(runner)
        if step != self.saver.last:  # stopped right after it was saved
            runner.logger.info('Saving step %s.', step)
            state, loop = runner.training_state(), runner.train_loop
            training = dict(format=FORMAT, world_size=runner.world_size, schedules=state.values(),
                            seconds=loop.seconds, costs=loop.costs.to_dict(),
                            placement=[list(units) for units in loop.placement], incidents=loop.incidents.state())
            self.saver.save(step, state.tensors(), describe_checkpoint(runner, step) | dict(training=training))

    def _write_file(self, runner, path: Path) -> None:
        tensors, meta = runner.training_state().weights(), describe_checkpoint(runner, runner.iter)
        if runner.world_size == 1:
            write_weights(tensors, path, meta)
        else:
            self.saver = self.saver or self._make_saver(runner)
            self.saver.write_file(path, tensors, meta)
        if runner.rank == 0:
            point_at(path)
