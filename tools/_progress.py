"""How far a long run is: a bar on a terminal, lines elsewhere."""
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

EVERY = 30.0  # seconds between two lines, where nobody watches a bar


@contextmanager
def progress(err: Console, task: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar with the time that is left on a terminal, and a line now and then elsewhere.

    Args:
        err: where it is shown.
        task: its name.
        total: how much there is to do.
        unit: what is counted.

    Yields:
        What is called with how much more is done; the first call may tell what an earlier run has done.
    """
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started = said = time.monotonic()
    before = done = 0
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        shown = bar.add_task(task, total=total)

        def watch(more: int) -> None:
            nonlocal said, before, done
            before, done = (before if done else more), done + more
            bar.update(shown, completed=done)
            now = time.monotonic()
            if not err.is_terminal and now - said > EVERY and done > before:
                said, rate = now, (done - before) / (now - started)
                err.print(f'{done:,} of {total:,} {unit}, {rate:,.0f} a second, {_span((total - done) / rate)} left')
        yield watch


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f'{minutes // 60} h {minutes % 60:02d} min' if minutes >= 60 else f'{minutes} min'
