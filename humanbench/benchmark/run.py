"""Runs planned cells in worker processes, one record per finished cell: kill it at any point and run it again."""
import math
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TextIO

import humanbench
from humanbench.errors import UserError

from .files import digest, folder_lock, write_json
from .metrics import metric_info
from .plan import PlannedCell
from .progress import Progress, format_seconds, progress_for
from .results import RECORD_VERSION, record_digest
from .workers import Answer, CellFunction, Worker, device_count

_RESULT_FIELDS = ('metrics', 'trainable_parameters', 'total_parameters', 'weights_hash', 'input_size', 'num_steps',
                  'train_seconds', 'test_seconds', 'config_hash', 'split_hash')


@dataclass
class Outcome:
    """What came of a run: cells by how they ended. ``failed`` holds (cell, error), also of those not tried again."""
    done: list[PlannedCell] = field(default_factory=list)
    failed: list[tuple[PlannedCell, str]] = field(default_factory=list)
    skipped: list[PlannedCell] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.failed


def run_cells(planned: Sequence[PlannedCell], out: str | Path, workers: int | None = None, retries: int = 1,
              cell_function: CellFunction | None = None, stream: TextIO | None = None) -> Outcome:
    """Run the cells that are to run.

    Args:
        planned: a :func:`plan` made for ``out``; cells that are not to run are skipped.
        out: folder of the benchmark. ``cells/`` takes one record each, ``work/<cell>__<key>/`` its log and
            checkpoints.
        workers: processes; default one per GPU, or one.
        retries: how many times a cell that failed is tried again, counted over runs. A user's mistake is not tried
            again in the same run, for nothing will have changed.
        cell_function: what runs one cell, see :data:`CellFunction`; default the real one.
        stream: where progress goes; default standard output.

    Returns:
        How the cells ended. A cell without data counts as failed.

    Raises:
        UserError: another run is writing to the same folder, or ``workers`` is not positive.
    """
    if workers is not None and workers < 1:
        raise UserError(f'{workers} workers cannot run anything: give at least 1.')
    devices = device_count()
    workers = workers or max(1, devices)
    outcome = Outcome(skipped=[x for x in planned if x.status in ('cached', 'not applicable')])
    outcome.failed = [(x, x.reason) for x in planned if x.status in ('failed', 'missing data')]
    queue = deque(x for x in planned if x.status == 'run')
    if not queue:
        return outcome
    with folder_lock(Path(out)), progress_for(len(queue), stream or sys.stdout) as progress:
        scheduler = _Scheduler(queue, Path(out), retries, outcome, progress)
        scheduler.run(min(workers, len(queue)), devices, cell_function)
    return outcome


class _Scheduler:
    """Hands cells to workers and turns their answers into records."""

    def __init__(self, queue: deque[PlannedCell], out: Path, retries: int, outcome: Outcome,
                 progress: Progress) -> None:
        self.queue, self.out, self.retries, self.outcome, self.progress = queue, out, retries, outcome, progress
        self.attempts = {x.cell: x.attempts for x in queue}
        self.running: dict[Worker, PlannedCell] = {}
        self.revision = git_revision()

    def run(self, count: int, devices: int, cell_function: CellFunction | None) -> None:
        threads = 1 if count > 1 and not devices else None
        settings = [(cell_function, threads, i % devices if devices > 1 else None) for i in range(count)]
        workers = {Worker(*x): x for x in settings}
        try:
            idle = list(workers)
            while self.queue or self.running:
                while self.queue and idle:
                    self._submit(idle.pop(0))
                self.progress.update(str(x.cell) for x in self.running.values())
                for worker in self._ready():
                    self._finish(self.running.pop(worker), worker.receive())
                    if not worker.process.is_alive():
                        worker.stop()
                        setting = workers.pop(worker)
                        worker = Worker(*setting)
                        workers[worker] = setting
                    idle.append(worker)
        finally:
            for worker in workers:
                worker.stop()

    def _submit(self, worker: Worker) -> None:
        planned = self.queue.popleft()
        cell = planned.cell
        work_dir = self._work_dir(planned)
        arguments = dict(config_path=str(planned.recipe.config),
                         protocol=cell.protocol,
                         weights=cell.weights.spec,
                         seed=cell.seed,
                         flavor=cell.flavor,
                         work_dir=str(work_dir),
                         overrides=planned.overrides,
                         backbone=cell.weights.backbone or None)
        self.running[worker] = planned
        worker.submit(arguments, work_dir / 'log.txt')

    def _work_dir(self, planned: PlannedCell) -> Path:
        """Of this cell with this key: what goes on from a checkpoint there has the same recipe and weights."""
        return self.out / 'work' / f'{planned.cell.slug}__{digest(dict(planned.key))[:8]}'

    def _ready(self) -> list[Worker]:
        handles = {x.connection: x for x in self.running} | {x.process.sentinel: x for x in self.running}
        return list(dict.fromkeys(handles[x] for x in wait(list(handles))))

    def _finish(self, planned: PlannedCell, answer: Answer) -> None:
        cells, slug = self.out / 'cells', planned.cell.slug
        error = answer.error or _fault(planned, answer.result)
        failed_file = cells / f'{slug}.failed.json'
        if not error:
            record = make_record(planned, answer, self.revision)
            write_json(cells / f'{slug}.json', record)
            failed_file.unlink(missing_ok=True)
            self.outcome.done.append(planned)
            text = metric_info(record['metric']).text(record['value'])
            self.progress.finish(f"{planned.cell}: {record['metric']} {text} ({format_seconds(answer.seconds)})", True)
            return
        self.attempts[planned.cell] += 1
        write_json(
            failed_file,
            dict(dataset=planned.cell.dataset,
                 protocol=planned.cell.protocol,
                 weights=planned.cell.weights.name,
                 seed=planned.cell.seed,
                 flavor=planned.cell.flavor,
                 key=dict(planned.key),
                 attempts=self.attempts[planned.cell],
                 error=error,
                 trace=answer.trace,
                 log=str(self._work_dir(planned) / 'log.txt'),
                 date=_now()))
        if self.attempts[planned.cell] <= self.retries and not answer.final:
            self.queue.append(planned)
        else:
            self.outcome.failed.append((planned, error))
            self.progress.finish(f'{planned.cell}: {error}', False)


def _fault(planned: PlannedCell, result: Mapping[str, Any]) -> str:
    """What is wrong with a cell function's result, or an empty text."""
    missing = [x for x in _RESULT_FIELDS if x not in result]
    if missing:
        return f"the cell function's result lacks {', '.join(missing)}"
    metric = planned.recipe.metric
    if metric not in result['metrics']:
        given = ', '.join(result['metrics'])
        return f"the evaluator gave no '{metric}', which ranks {planned.recipe.dataset}; it gave {given}"
    bad = [name for name, value in result['metrics'].items() if not math.isfinite(value)]
    return f'{metric} is not a finite number: the training diverged or nothing was evaluated' if metric in bad else ''


def make_record(planned: PlannedCell, answer: Answer, revision: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a finished cell, with a digest that tells whether it was changed later."""
    cell, recipe, result = planned.cell, planned.recipe, dict(answer.result)
    metrics = {name: float(x) for name, x in result.pop('metrics').items() if math.isfinite(x)}
    record = dict(record_version=RECORD_VERSION,
                  dataset=cell.dataset,
                  task=recipe.task,
                  group=recipe.group,
                  protocol=cell.protocol,
                  weights=cell.weights.name,
                  weights_spec=cell.weights.spec,
                  weights_per_seed=cell.weights.per_seed,
                  backbone=planned.backbone,
                  seed=cell.seed,
                  flavor=cell.flavor,
                  metric=recipe.metric,
                  higher_is_better=recipe.higher_is_better,
                  value=metrics[recipe.metric],
                  metrics=metrics,
                  key=dict(planned.key),
                  overrides=dict(planned.overrides) if planned.overrides else None,
                  seconds=round(answer.seconds, 2),
                  date=_now())
    record |= dict(revision) | result | dict(answer.machine or {}) | dict(input_size=list(result['input_size']))
    return record | dict(digest=record_digest(record))


def git_revision() -> dict[str, Any]:
    """Commit of the checkout this package runs from, and whether it was changed since; None outside a checkout."""
    root = Path(humanbench.__file__).resolve().parent.parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(['git', '-C', str(root), *arguments], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    top = git('rev-parse', '--show-toplevel')
    if top is None or Path(top) != root:  # installed, perhaps below somebody else's repository
        return dict(git_hash=None, git_dirty=None)
    return dict(git_hash=git('rev-parse', 'HEAD'), git_dirty=bool(git('status', '--porcelain', '--untracked-files=no')))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec='seconds')
