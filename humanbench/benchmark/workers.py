"""Persistent worker processes: each imports PyTorch once and then runs one cell after the other.

A worker that dies takes only its cell with it. Workers end with the process that started them, also when it is killed.
"""
import importlib.metadata
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from humanbench.errors import UserError

from .together import CellError, CellFunction, end_with_parent, real_cell_function, run_together, useful_processes

_THREAD_VARIABLES = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'NUMBA_NUM_THREADS')
_PACKAGES = ('humanbench', 'torch', 'timm', 'numpy', 'onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection',
             'onedl-mmsegmentation', 'mmpose', 'pycocotools')


@dataclass(frozen=True)
class Answer:
    """What came of a cell. Without a ``result``, ``error`` says why, and ``final`` that trying again is vain.

    ``stopped`` names the signal by which the system asked the worker to end; the cell has not failed then.
    """
    result: dict[str, Any] | None
    error: str = ''
    trace: str = ''
    final: bool = False
    seconds: float = 0.0
    stopped: str = ''
    machine: Mapping[str, Any] | None = None


class Worker:
    """One worker process and the pipe to it."""

    def __init__(self, cell_function: CellFunction | None, threads: int | None, devices: Sequence[int] | None,
                 processes: int = 1) -> None:
        """Start the process.

        Args:
            cell_function: importable by name; None for the real one, imported in the worker alone.
            threads: how many CPU threads it may use; None leaves that to the libraries.
            devices: indices of the only GPUs it may see; None leaves that as it is.
            processes: that train a cell together, as far as its recipe can be shared.
        """
        context = multiprocessing.get_context('spawn')
        self.connection, child = context.Pipe()
        self.process = context.Process(target=_serve, args=(child, cell_function, threads, processes))
        variables = dict.fromkeys(_THREAD_VARIABLES, str(threads)) if threads else {}
        if devices is not None:
            variables['CUDA_VISIBLE_DEVICES'] = ','.join(map(_visible_device, devices))
        with _environment(variables):  # libraries read these when they are imported, before the worker's first line
            self.process.start()
        child.close()

    def submit(self, arguments: Mapping[str, Any], log: Path) -> None:
        """Have it run one cell, its output going to ``log``."""
        self.connection.send((dict(arguments), str(log)))

    def receive(self) -> Answer:
        """The answer to the last cell; call when :attr:`connection` or the process's sentinel is ready."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            code = self.process.exitcode
            if code in (-signal.SIGTERM, -signal.SIGUSR1):
                return Answer(None, 'the system asked it to stop', stopped=signal.Signals(-code).name)
            killed = f'signal {signal.Signals(-code).name}' if code is not None and code < 0 else f'exit status {code}'
            return Answer(None, f'the worker process ended with {killed}' + (' (out of memory?)' if code == -9 else ''))

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(5)
            if self.process.is_alive():
                self.process.kill()
        self.process.join()
        self.connection.close()


def device_count() -> int:
    """Number of GPUs cells can be spread over."""
    import torch
    return torch.cuda.device_count()


def _visible_device(index: int) -> str:
    visible = os.environ.get('CUDA_VISIBLE_DEVICES')
    return visible.split(',')[index].strip() if visible else str(index)


@contextmanager
def _environment(variables: Mapping[str, str]):
    old = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in old.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection, cell_function: CellFunction | None, threads: int | None, processes: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what ends
    threading.Thread(target=end_with_parent, daemon=True).start()
    if threads:
        import torch
        torch.set_num_threads(threads)
    while True:
        try:
            arguments, log = connection.recv()
        except EOFError:
            return
        connection.send(_run_one(cell_function, arguments, Path(log), processes))


def _run_one(cell_function: CellFunction | None, arguments: dict[str, Any], log: Path, processes: int) -> Answer:
    start = time.monotonic()
    try:
        _redirect_output(log)
        processes = useful_processes(arguments, processes)
        if processes > 1:
            result = run_together(cell_function, arguments, processes)
        else:
            result = (cell_function or real_cell_function())(**arguments)
    except CellError as error:  # of one of several processes
        return Answer(None, str(error), error.trace, error.final, time.monotonic() - start, error.stopped)
    except Exception as error:  # a worker outlives any cell: the failure is recorded and reported by the parent
        traceback.print_exc()
        return Answer(None, f'{type(error).__name__}: {error}', traceback.format_exc(), isinstance(error, UserError),
                      time.monotonic() - start)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return Answer(result, seconds=time.monotonic() - start, machine=describe_machine() | dict(processes=processes))


def _redirect_output(log: Path) -> None:
    """Send everything that is printed from here on, also by C code, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def describe_machine() -> dict[str, Any]:
    """Device and versions of everything that can move a number."""
    versions = {'python': platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a checkout that is not installed, or a package under its upstream name
    torch = sys.modules.get('torch')
    if torch is not None and torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    else:
        device = f'CPU ({platform.machine()}, {torch.get_num_threads() if torch else os.cpu_count()} threads)'
    return dict(device=device, torch=versions.get('torch'), versions=versions)
