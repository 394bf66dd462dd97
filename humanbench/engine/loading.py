"""The training loader, and what it says when it hangs: which worker was reading which file of which source.

Every worker writes down what it is about to read, in memory that it shares with the process that waits for it. With
``num_workers=0`` samples are read by that process itself, and nothing can interrupt them.

Launchers send the request to stop to every process there is. It is the training process that answers it, after the
step; its workers go on reading until it is done with them.
"""
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch.utils.data import DataLoader, get_worker_info

from ..errors import DataError, UserError
from .agreement import StopRequest
from .mixture import Mixture, collate
from .read_ahead import DEPTH, ReadAhead
from .sampler import UnitSampler

TIMEOUT = 300.0
PATIENCE = 2.0  # seconds for the news that a worker has died
_OF_LOADER = ('DataLoader timed out', 'DataLoader worker (pid')


class ReadingTable:
    """What each worker is reading now.

    Args:
        workers: how many there are.
    """

    def __init__(self, workers: int):
        # for each worker: process, source, sample, and since when (seconds; 0: it reads nothing)
        self._rows = torch.zeros(workers, 4, dtype=torch.float64).share_memory_()

    @contextmanager
    def reading(self, source: int, index: int) -> Iterator[None]:
        """This worker reads sample ``index`` of the so-manyth source inside."""
        worker = get_worker_info()
        if worker is None:
            yield
            return
        row = self._rows[worker.id]
        row.copy_(torch.tensor([os.getpid(), source, index, time.time()], dtype=torch.float64))
        yield
        row[3] = 0.0  # not after an error: that is what the worker was reading

    def busy(self) -> list[tuple[int, int, int, int, float]]:
        """(worker, process, source, sample, seconds) of every worker that reads, longest first."""
        rows = [(worker, int(row[0]), int(row[1]), int(row[2]), time.time() - row[3])
                for worker, row in enumerate(self._rows.tolist()) if row[3]]
        return sorted(rows, key=lambda row: -row[4])


class UnitLoader(DataLoader):
    """A loader of units that does not wait forever.

    Args:
        mixture: what is read.
        sampler: gives the sample keys of a unit.
        read_ahead: of sources that come over the network, every worker fetches the files of so many samples ahead of
            their turn; 0: none.
        options: of the DataLoader; ``timeout`` (seconds without a unit, :data:`TIMEOUT`; 0: forever) needs workers.
    """

    def __init__(self, mixture: Mixture, sampler: UnitSampler, read_ahead: int = DEPTH, **options):
        workers = options.get('num_workers', 0)
        if workers:
            options.setdefault('timeout', TIMEOUT)
            options.setdefault('worker_init_fn', obey_parent_only)
            mixture.reading = ReadingTable(workers)
        elif options.get('timeout'):
            raise UserError(f"loader.timeout = {options['timeout']} needs workers: with num_workers=0 the training "
                            'process reads its samples itself. Set loader.num_workers, or leave the time-out out.')
        mixture.read_ahead = ReadAhead(mixture, sampler, read_ahead) if read_ahead else None
        super().__init__(mixture, batch_sampler=sampler, collate_fn=collate, pin_memory=torch.cuda.is_available(),
                         **options)


def obey_parent_only(worker: int) -> None:
    """Let this worker process be stopped by the process that started it, and by no launcher; end with that process.

    A worker that outlived its process would keep the connections to other ranks open, and they would wait for it.
    """
    signals, parent = set(StopRequest.signals), os.getppid()

    def wait() -> None:
        while os.getppid() == parent:
            received = signal.sigtimedwait(signals, 1.0)
            if received is not None and received.si_pid == parent:
                break
        os._exit(0)  # the worker itself may hang

    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # for the threads to come, too
    threading.Thread(target=wait, name=f'signals of worker {worker}', daemon=True).start()


def units_of(loader: DataLoader) -> Iterator[dict]:
    """The units of a loader, whose workers start now.

    Raises:
        DataError: no unit came in time, or a worker died; the message says what was being read.
    """
    with _signals_held() if loader.worker_init_fn is obey_parent_only else nullcontext():
        batches = iter(loader)
    return _explained(loader, batches)


@contextmanager
def _signals_held() -> Iterator[None]:
    """A request to stop waits: processes that start inside inherit that, until they have said what to do with it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, StopRequest.signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _explained(loader: DataLoader, batches: Iterator[dict]) -> Iterator[dict]:
    while True:
        try:
            unit = next(batches)
        except StopIteration:
            return
        except RuntimeError as error:
            if not str(error).startswith(_OF_LOADER):
                raise
            raise DataError(_explain(loader, str(error))) from error
        except (EOFError, ConnectionError) as error:  # it died while it handed a unit over
            raise DataError(_explain(loader, _news_of_a_death())) from error
        yield unit


def _news_of_a_death() -> str:
    """What PyTorch says of a worker that died: by a signal, which may come a moment after its connection broke."""
    try:
        time.sleep(PATIENCE)
    except RuntimeError as error:
        return str(error)
    return 'DataLoader worker died'


def _explain(loader: DataLoader, error: str) -> str:
    """What the workers of a loader were doing when it failed."""
    rows = loader.dataset.reading.busy()
    if error.startswith(_OF_LOADER[0]):
        held = [row for row in rows if row[4] > loader.timeout / 2] or rows
        what, advice = f'The loader gave no unit for {loader.timeout:g} s', (
            'Look at the storage of these files; a loader that is only slow gets more time by loader.timeout.')
    else:
        died = {int(number) for number in re.findall(r'\d+', error)}
        held = [row for row in rows if row[1] in died]
        what, advice = error.split('. ')[0].rstrip('.'), (
            'Look at this file; if the machine ran out of memory, lower loader.num_workers or loader.prefetch_factor.')
    doing = [f'worker {worker} has been reading {loader.dataset.describe(source, index)} for {seconds:.0f} s'
             for worker, _, source, index, seconds in held[:4]]
    return f"{what}. {'; '.join(doing) or 'No worker was reading a sample'}. {advice}".replace('. worker', '. Worker')
