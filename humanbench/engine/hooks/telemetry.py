"""What a run says about itself beside its losses: times of all ranks, epochs, what was left out, slow ranks."""
from mmengine.hooks import Hook
from mmengine.logging import print_log

from ...registry import HOOKS
from ..agreement import Header
from ..telemetry import SlowRanks, reason, spread

STEPS_IN_A_ROW = 30  # a rank that was slow for fewer steps is not worth a warning


@HOOKS.register_module()
class TelemetryHook(Hook):
    """Logs, as means over every interval, each rank's seconds of waiting for data and of computing; how often each
    source has been gone through (``epochs/SOURCE``); and warns of a rank that holds up the others.

    Args:
        interval: steps, that of the logger.
        slow_factor: times the median rank's computing that is slow.
        patience: so many intervals in a row, and of at least 30 steps, before a warning.
    """
    priority = 'NORMAL'

    def __init__(self, interval: int = 10, slow_factor: float = 1.5, patience: int = 3):
        self.interval = interval
        self.slow = SlowRanks(slow_factor, max(patience, -(-STEPS_IN_A_ROW // interval)))
        self._begin()

    def _begin(self) -> None:
        self._steps, self._times, self._units = 0, 0.0, {}

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs: dict | None = None) -> None:
        loop = runner.train_loop
        if loop.unit_seconds:  # of the step before; there was none before the first
            self._steps, self._times = self._steps + 1, self._times + loop.times
            for source, seconds in loop.unit_seconds.items():
                self._units[source] = self._units.get(source, 0.0) + seconds
        if not self.every_n_inner_iters(batch_idx, self.interval):
            return
        scalars = {f'epochs/{name}': epochs for name, epochs in loop.plan.epochs(batch_idx + 1).items()}
        scalars |= {f'left_out/{what}': count for what, count in loop.incidents.totals().items()}
        if self._steps:
            means = self._times / self._steps
            for column, name in enumerate(Header.TIMES):
                scalars |= spread(name, means[:, column])
            self._look_for_slow_ranks(loop, means[:, Header.TIMES.index('compute')])
        for key, value in scalars.items():
            runner.message_hub.update_scalar(f'train/{key}', value)
        self._begin()

    def _look_for_slow_ranks(self, loop, seconds) -> None:
        units = {source: total / self._steps for source, total in self._units.items()}
        for rank, ratio in self.slow.update(seconds).items():
            print_log(
                f'Slow: rank {rank} (on {loop.machines[rank]}) computes {float(seconds[rank]):.3g} s a step, '
                f'{ratio:.1f} times the median rank, for {self.slow.patience * self.interval} steps; '
                f'{reason(rank, seconds, loop.placement, units)}.', 'current', 30)
