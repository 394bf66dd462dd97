"""What a person sees of a run: a few compact lines per logging interval, and a bar with the time left."""
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import LogProcessor
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...registry import HOOKS, LOG_PROCESSORS

WIDTH, INDENT = 120, '    '
KEPT = 1000  # steps of a scalar's history


@LOG_PROCESSORS.register_module()
class MixtureLogProcessor(LogProcessor):
    """MMEngine's log processor, readable for a step of many sources on many ranks::

        step 40/600  eta 0:01:12  loss 0.834  lr 1.0e-03  0.21 s (data 0.02)
            coco_pose 0.41 (62%)   lip 1.93 (31%)   pa100k 0.57 (7%)
            ranks: compute 0.12 0.15 0.19 s (min mean max, slowest 3)   data 0.00 0.01 0.02 s (slowest 1)

    The sources' numbers are their losses and their shares of the weighted objective. All scalars, the parts of every
    loss included, go to the JSON lines and to TensorBoard (or what else ``visualizer`` names).

    Args:
        window_size: steps over which losses, shares and gradient norms are averaged.
        options: of MMEngine's processor.
    """

    def __init__(self, window_size: int = 10, mean_pattern: str = r'^(loss|share/|grad_norm/|time$)|/loss', **options):
        super().__init__(window_size=window_size, mean_pattern=mean_pattern, **options)

    def get_log_after_iter(self, runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        if mode != 'train':
            return tag, line
        tag.pop('data_time', None)  # MMEngine's, of loops that get their data before a step begins; ours in data_time/
        scalars = runner.message_hub.log_scalars
        if not self.custom_cfg:  # windows of its own, which may be the whole run
            for buffer in scalars.values():  # each step copies what a buffer has
                buffer.max_length = max(self.window_size, KEPT)
        for key in [key for key in scalars if key.startswith('train/gradient/')]:
            del scalars[key]  # measured now and then: logged once, not until the next time
        step, steps = runner.train_loop.iter + 1, runner.max_iters
        left = _duration(int(runner.message_hub.get_info('eta', 0) or 0))
        lr = max(max(rates) for rates in [runner.optim_wrapper.get_lr()['lr']] if rates)
        first = (f"step {step}/{steps}  eta {left}  loss {tag['loss']:.4g}  lr {lr:.1e}  {tag['time']:.2f} s "
                 f"(data {tag.get('data_time/max', 0.0):.2f})")
        return tag, '\n'.join([first, *_sources(tag), *_ranks(tag), *_gradients(tag), *_left_out(tag)])


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    return f'{days}d {rest // 3600:02d}:{rest // 60 % 60:02d}' if days else str(datetime.timedelta(seconds=rest))


def _under(tag: Mapping[str, float], prefix: str) -> dict[str, float]:
    """The scalars below a prefix, by the rest of their names."""
    return {key[len(prefix):]: value for key, value in tag.items() if key.startswith(prefix)}


def _columns(cells: Sequence[str]) -> list[str]:
    """Cells side by side, as many as a line of the terminal takes."""
    width = max(map(len, cells)) + 3
    count = max(1, (WIDTH - len(INDENT) + 3) // width)
    rows = [cells[i:i + count] for i in range(0, len(cells), count)]
    return [INDENT + ''.join(cell.ljust(width) for cell in row).rstrip() for row in rows]


def _sources(tag: Mapping[str, float]) -> list[str]:
    losses, shares = _under(tag, 'loss/'), _under(tag, 'share/')
    if len(losses) < 2:  # its loss is the loss
        return []
    return _columns([f'{name} {loss:.3g} ({100 * shares[name]:.3g}%)' for name, loss in losses.items()])


def _ranks(tag: Mapping[str, float]) -> list[str]:
    compute, data = _under(tag, 'compute_time/'), _under(tag, 'data_time/')
    if 'rank_0' not in compute and compute.get('min') == compute.get('max'):
        return []  # one rank
    return [f"{INDENT}ranks: compute {compute['min']:.2f} {compute['mean']:.2f} {compute['max']:.2f} s (min mean max, "
            f"slowest {compute['slowest']:.0f})   data {data['min']:.2f} {data['mean']:.2f} {data['max']:.2f} s "
            f"(slowest {data['slowest']:.0f})"]


def _gradients(tag: Mapping[str, float]) -> list[str]:
    shares, cosines = _under(tag, 'gradient/share/'), _under(tag, 'gradient/cosine/')
    if len(shares) < 2:
        return []
    lines = [f"{INDENT}gradient at the backbone: {'  '.join(f'{x} {100 * share:.3g}%' for x, share in shares.items())}"]
    if cosines:
        pair = min(cosines, key=cosines.get)
        lines.append(f'{INDENT}lowest cosine of two gradients: {cosines[pair]:.2f} ({pair})')
    return lines


def _left_out(tag: Mapping[str, float]) -> list[str]:
    counts = {what: int(count) for what, count in _under(tag, 'left_out/').items() if count}
    if not counts:
        return []
    return [f"{INDENT}left out so far: {', '.join(f'{count} {what}' for what, count in counts.items())}"]


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
        if runner.rank or not console.is_terminal:
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
        self.close()

    def close(self) -> None:
        """The run has ended, or failed: give the terminal back."""
        if self.bar is not None:
            self.bar.stop()
