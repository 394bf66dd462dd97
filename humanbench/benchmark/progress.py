"""How a benchmark run looks while it runs: a bar with the time left on a terminal, one line per cell elsewhere."""
import time
from collections.abc import Iterable
from typing import Protocol, TextIO


class Progress(Protocol):
    """What :func:`humanbench.benchmark.run_cells` tells while it works."""

    def __enter__(self) -> 'Progress': ...

    def __exit__(self, *error) -> None: ...

    def update(self, running: Iterable[str]) -> None:
        """Which cells run now."""

    def finish(self, line: str, ok: bool) -> None:
        """One cell has ended; ``line`` says how."""


def format_seconds(seconds: float | None) -> str:
    """A duration for people: ``45 s``, ``12 min``, ``3.5 h``; ``?`` if unknown."""
    if seconds is None:
        return '?'
    if seconds < 100:
        return f'{seconds:.0f} s'
    return f'{seconds / 60:.0f} min' if seconds < 5400 else f'{seconds / 3600:.1f} h'


class LineProgress:
    """One line per finished cell, with the time left: for logs."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self.total, self.done, self.stream, self.start = total, 0, stream, time.monotonic()

    def __enter__(self) -> 'LineProgress':
        return self

    def __exit__(self, *error) -> None:
        pass

    def update(self, running: Iterable[str]) -> None:
        pass  # a log tells what happened, not what is happening

    def finish(self, line: str, ok: bool) -> None:
        self.done += 1
        left = (time.monotonic() - self.start) / self.done * (self.total - self.done)
        print(f"[{self.done}/{self.total}] {'done  ' if ok else 'FAILED'} {line}; {format_seconds(left)} left",
              file=self.stream, flush=True)


class BarProgress:
    """A bar over all cells with the time left and the cells that run now; finished cells scroll by above it."""

    def __init__(self, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        self.bar = RichProgress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn('left'),
                                TimeRemainingColumn(), TextColumn('{task.description}', markup=False))
        self.task = self.bar.add_task('', total=total)

    def __enter__(self) -> 'BarProgress':
        self.bar.start()
        return self

    def __exit__(self, *error) -> None:
        self.bar.stop()

    def update(self, running: Iterable[str]) -> None:
        self.bar.update(self.task, description=' | '.join(running))

    def finish(self, line: str, ok: bool) -> None:
        from rich.text import Text
        self.bar.console.print(
            Text('done    ' if ok else 'FAILED  ', style='green' if ok else 'bold red').append(line, style='none'))
        self.bar.advance(self.task)


def progress_for(total: int, stream: TextIO) -> Progress:
    """The bar where a person watches, lines where a file does."""
    return BarProgress(total) if stream.isatty() else LineProgress(total, stream)
