"""Hands cells to workers, one at a time each, and turns their answers into records."""
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path

from humanbench.engine.agreement import StopRequest
from humanbench.weights.folder import checkpoints_in, newest, remove

from .claims import Claims
from .files import digest, write_json
from .metrics import metric_info
from .plan import PlannedCell, looked_at_again
from .progress import Progress, format_seconds
from .recording import fault, git_revision, make_failure, make_record
from .workers import Answer, CellFunction, Worker

TICK, LOOK = 0.5, 2.0  # seconds: between looks at signals and lost claims; between looks at what others have claimed


@dataclass
class Outcome:
    """What came of a run: cells by how they ended.

    Attributes:
        done: by this run.
        failed: (cell, error), also of those not tried again.
        skipped: cached, or not applicable.
        elsewhere: (cell, whose), of those that other runs in the same folder work on.
        stopped: name of the signal that ended the run early; '' without one.
    """
    done: list[PlannedCell] = field(default_factory=list)
    failed: list[tuple[PlannedCell, str]] = field(default_factory=list)
    skipped: list[PlannedCell] = field(default_factory=list)
    elsewhere: list[tuple[PlannedCell, str]] = field(default_factory=list)
    stopped: str = ''

    @property
    def ok(self) -> bool:
        return not (self.failed or self.stopped)


class Scheduler:
    """One run's work on a queue of cells that it may share with other runs in the same folder.

    Args:
        queue: cells to run.
        out: folder of the benchmark.
        retries: see :func:`run_cells`.
        outcome: takes how each cell ended.
        progress: is told of it.
        claims: of this run.
        processes: that train one cell together.
    """

    def __init__(self, queue: deque[PlannedCell], out: Path, retries: int, outcome: Outcome, progress: Progress,
                 claims: Claims, processes: int) -> None:
        self.queue, self.out, self.retries, self.outcome, self.progress = queue, out, retries, outcome, progress
        self.claims, self.processes = claims, processes
        self.running: dict[Worker, PlannedCell] = {}
        self.settings: dict[Worker, tuple] = {}
        self.idle: list[Worker] = []
        self.next_look = 0.0
        self.revision = git_revision()

    def run(self, count: int, devices: int, cell_function: CellFunction | None) -> None:
        """Work until nothing is left that this run can do, or the system asks it to stop."""
        threads = 1 if count * self.processes > 1 and not devices else None
        groups = [tuple(range(i, i + self.processes)) for i in range(0, devices - self.processes + 1, self.processes)]
        try:
            for i in range(count):
                visible = groups[i % len(groups)] if devices > 1 else None
                self._start(cell_function, threads, visible, self.processes)
            with StopRequest() as self.request:
                while not self._stopped() and self._has_work():
                    self._tick()
                if self._stopped():
                    self._stop()
        finally:
            for worker in self.settings:
                worker.stop()

    def _stopped(self) -> str:
        """The signal by which this run, or one of its workers, was asked to stop."""
        self.outcome.stopped = self.outcome.stopped or self.request.received or ''
        return self.outcome.stopped

    def _start(self, *setting) -> None:
        worker = Worker(*setting)
        self.settings[worker] = setting
        self.idle.append(worker)

    def _has_work(self) -> bool:
        """Whether a cell runs here, or one waits that is not another living run's."""
        if self.running or any(not self.claims.is_alive(x.cell.slug) for x in self.queue):
            return True
        self.outcome.elsewhere = [(x, self.claims.owner(x.cell.slug) or 'another run') for x in self.queue]
        return False

    def _tick(self) -> None:
        if self.queue and self.idle and time.monotonic() >= self.next_look:
            while self.idle and (planned := self._next()) is not None:
                self._submit(self.idle.pop(0), planned)
            self.next_look = time.monotonic() + LOOK
        self.progress.update(str(x.cell) for x in self.running.values())
        for worker in self._ready():
            self._finish(self.running.pop(worker), worker.receive())
            self._free(worker)
        for worker, planned in list(self.running.items()):
            if planned.cell.slug in self.claims.lost:  # this machine slept, and another run has the cell now
                self.queue.append(self.running.pop(worker))
                self.claims.release(planned.cell.slug)
                worker.stop()
                self._free(worker)

    def _free(self, worker: Worker) -> None:
        """A worker has nothing to do; one that ended with its cell gets a successor."""
        self.next_look = 0.0
        if worker.process.is_alive():
            self.idle.append(worker)
        else:
            worker.stop()
            self._start(*self.settings.pop(worker))

    def _next(self) -> PlannedCell | None:
        """The next cell that is free and still to be run, claimed; None where there is none now."""
        for _ in range(len(self.queue)):
            planned = self.queue.popleft()
            if not self.claims.take(planned.cell.slug):
                self.queue.append(planned)
                continue
            planned = looked_at_again(planned, self.out, self.retries)  # another run may have finished it
            if planned.status == 'run':
                return planned
            self.claims.release(planned.cell.slug)
            if planned.status in ('cached', 'not applicable'):
                self.outcome.skipped.append(planned)
            else:
                self._fail(planned, planned.reason)
        return None

    def _submit(self, worker: Worker, planned: PlannedCell) -> None:
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
        return list(dict.fromkeys(handles[x] for x in wait(list(handles), TICK)))

    def _finish(self, planned: PlannedCell, answer: Answer) -> None:
        """Write what came of a cell, and give its claim back. A cell that was asked to stop has not failed."""
        slug = planned.cell.slug
        error = answer.error or fault(planned, answer.result)
        self.outcome.stopped = self.outcome.stopped or answer.stopped
        if slug in self.claims.lost or (error and self._stopped()):
            self.queue.append(planned)
        elif not error:
            self._record(planned, answer)
        else:
            attempts = planned.attempts + 1
            write_json(self.out / 'cells' / f'{slug}.failed.json',
                       make_failure(planned, answer, error, attempts, self._work_dir(planned) / 'log.txt'))
            if attempts <= self.retries and not answer.final:
                self.queue.append(planned)
            else:
                self._fail(planned, error)
        self.claims.release(slug)

    def _record(self, planned: PlannedCell, answer: Answer) -> None:
        cells, slug = self.out / 'cells', planned.cell.slug
        record = make_record(planned, answer, self.revision)
        write_json(cells / f'{slug}.json', record)
        (cells / f'{slug}.failed.json').unlink(missing_ok=True)
        self._tidy(self._work_dir(planned))
        self.outcome.done.append(planned)
        text = metric_info(record['metric']).text(record['value'])
        self.progress.finish(f"{planned.cell}: {record['metric']} {text} ({format_seconds(answer.seconds)})", True)

    def _tidy(self, work_dir: Path) -> None:
        """Remove what a finished cell would have been resumed from; the weights of its last step stay."""
        last = newest(work_dir)
        if last is not None and last.is_file():
            for folder in checkpoints_in(work_dir).values():
                remove(folder)

    def _fail(self, planned: PlannedCell, error: str) -> None:
        self.outcome.failed.append((planned, error))
        self.progress.finish(f'{planned.cell}: {error}', False)

    def _stop(self) -> None:
        """Let every running cell save the step it has reached, and end."""
        for worker in self.running:
            worker.process.terminate()  # training saves; whatever else it does ends
        while self.running:
            for worker in self._ready():
                self._finish(self.running.pop(worker), worker.receive())
