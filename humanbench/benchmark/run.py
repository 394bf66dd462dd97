"""Runs planned cells in worker processes, one record per finished cell: kill it at any point and run it again."""
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from humanbench.errors import UserError

from .claims import Claims
from .files import explained
from .plan import PlannedCell
from .progress import progress_for
from .scheduler import Outcome, Scheduler
from .workers import CellFunction, device_count


def run_cells(planned: Sequence[PlannedCell], out: str | Path, workers: int | None = None, retries: int = 1,
              cell_function: CellFunction | None = None, stream: TextIO | None = None, processes: int = 1,
              claims: Claims | None = None) -> Outcome:
    """Run the cells that are to run, and that no other run in the same folder runs or has run meanwhile.

    Args:
        planned: a :func:`plan` made for ``out``; cells that are not to run are skipped.
        out: folder of the benchmark. ``cells/`` takes one record each, ``work/<cell>__<key>/`` its log and
            checkpoints, ``claims/`` says who runs what.
        workers: cells at a time; default one per ``processes`` GPUs, or one.
        retries: how many times a cell that failed is tried again, counted over runs. A user's mistake is not tried
            again in the same run, for nothing will have changed.
        cell_function: what runs one cell, see :data:`CellFunction`; default the real one.
        stream: where progress goes; default standard output.
        processes: how many train one cell together, each on its own GPU where there are GPUs.
        claims: of this run in ``out/claims``; default those with the usual patience.

    Returns:
        How the cells ended. A cell without data counts as failed.

    Raises:
        UserError: the folder cannot be written, or ``workers`` or ``processes`` cannot be had.
    """
    for count, what in ((workers, 'workers'), (processes, 'processes')):
        if count is not None and count < 1:
            raise UserError(f'{count} {what} cannot run anything: give at least 1.')
    devices = device_count()
    if devices and processes > devices:
        raise UserError(f'{processes} GPUs for each cell, and this machine has {devices}. Give at most so many.')
    workers = workers or max(1, devices // processes)
    outcome = Outcome(skipped=[x for x in planned if x.status in ('cached', 'not applicable')])
    outcome.failed = [(x, x.reason) for x in planned if x.status in ('failed', 'missing data')]
    queue = deque(x for x in planned if x.status == 'run')
    if not queue:
        return outcome
    with explained(Path(out)), claims or Claims(Path(out) / 'claims') as claims, progress_for(
            len(queue), stream or sys.stdout) as progress:
        scheduler = Scheduler(queue, Path(out), retries, outcome, progress, claims, processes)
        scheduler.run(min(workers, len(queue)), devices, cell_function)
    return outcome
