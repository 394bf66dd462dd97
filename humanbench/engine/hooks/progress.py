"""What a person sees of a run: one compact line per logging interval, and a bar with the time left."""
import datetime
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import LogProcessor
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...registry import HOOKS, LOG_PROCESSORS


@LOG_PROCESSORS.register_module()
class MixtureLogProcessor(LogProcessor):
    """MMEngine's log processor with one readable line for a step of many sources.

    ``step 40/600  eta 0:01:12  loss 0.834  [coco_pose 0.41  lip 1.93]  lr 1.0e-03  0.21 s (data 0.02)``

    All scalars, the parts of every loss included, still go to the JSON lines and to TensorBoard.
    """

    def get_log_after_iter(self, runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        if mode != 'train':
            return tag, line
        sources = '  '.join(f'{key[5:]} {value:.3g}' for key, value in tag.items() if key.startswith('loss/'))
        step, steps = runner.train_loop.iter + 1, runner.max_iters
        left = datetime.timedelta(seconds=int(runner.message_hub.get_info('eta', 0) or 0))
        lr = max(max(rates) for rates in [runner.optim_wrapper.get_lr()['lr']] if rates)
        line = (f"step {step}/{steps}  eta {left}  loss {tag['loss']:.4g}  [{sources}]  lr {lr:.1e}  "
                f"{tag['time']:.2f} s (data {tag['data_time']:.2f})")
        return tag, line


@HOOKS.register_module()
class ProgressHook(Hook):
    """A progress bar with the time left, where the output is a terminal.

    Args:
        label: text before the bar; by default the name of the work folder.
    """
    priority = 'VERY_LOW'

    def __init__(self, label: str | None = None):
        self.label, self.bar, self.task = label, None, None

    def before_train(self, runner) -> None:
        console = Console(stderr=True)
        if not console.is_terminal:
            return
        self.bar = Progress(TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                            TextColumn('loss {task.fields[loss]:.4g}'), console=console, transient=True)
        self.task = self.bar.add_task(self.label or Path(runner.work_dir).name, total=runner.max_iters,
                                      completed=runner.iter, loss=float('nan'))
        self.bar.start()

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs: dict | None = None) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=batch_idx + 1, loss=outputs['loss'])

    def after_train(self, runner) -> None:
        if self.bar is not None:
            self.bar.stop()
