"""One cell in several processes, each with a device of its own, started by torch's launcher inside a worker."""
import multiprocessing
import os
import signal
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from humanbench import errors

CellFunction = Callable[..., dict[str, Any]]
"""Signature of :func:`humanbench.engine.finetune.run_cell`."""

SAVING = 600  # seconds that processes get to save their step when the system asks them to stop; it may give less


class CellError(Exception):
    """The first of several processes to fail, and how.

    Attributes:
        trace: of that process.
        final: whether trying again is vain: the user has to do something.
        stopped: name of the signal by which the system asked them to end, or ''.
    """

    def __init__(self, message: str, trace: str = '', final: bool = False, stopped: str = '') -> None:
        super().__init__(message)
        self.trace, self.final, self.stopped = trace, final, stopped


def real_cell_function() -> CellFunction:
    """What runs a cell; imported here alone, because it brings all models with it."""
    from humanbench.engine.finetune import run_cell
    return run_cell


def useful_processes(arguments: Mapping[str, Any], at_most: int) -> int:
    """How many processes can share a cell: a unit runs whole, so no more than a step of its recipe has units.

    Args:
        arguments: of the cell function.
        at_most: how many there may be. With one nothing is looked up.
    """
    if at_most == 1:
        return 1
    return max(1, min(at_most, units_per_step(arguments['config_path'], arguments['protocol'], arguments['flavor'],
                                              arguments['overrides'])))


def units_per_step(config_path: str, protocol: str, flavor: str | None, overrides: Mapping[str, Any] | None) -> int:
    """How many units a training step of a benchmark config has."""
    from humanbench.engine.launch import load_config
    config = load_config(config_path, flavor, protocol, overrides)
    return sum(source.get('slots', 1) for source in config.sources.values())


def run_together(cell_function: CellFunction | None, arguments: Mapping[str, Any], processes: int) -> dict[str, Any]:
    """Run one cell in several processes of this machine and give what the first of them returns.

    Args:
        cell_function: importable by name, takes ``launcher`` as well; None for the real one.
        arguments: for it.
        processes: how many.

    Raises:
        CellError: one of them failed; the others were ended.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch
    config = LaunchConfig(min_nodes=1, max_nodes=1, nproc_per_node=processes, run_id=uuid.uuid4().hex,
                          rdzv_backend='c10d', rdzv_endpoint='localhost:0', max_restarts=0, monitor_interval=0.2,
                          start_method='spawn', signals_to_handle='SIGTERM,SIGUSR1', shutdown_timeout=SAVING)
    try:
        return elastic_launch(config, _rank)(cell_function, dict(arguments))[0]
    except SignalException as error:
        raise CellError('the system asked it to stop', stopped=signal.Signals(error.sigval).name) from error
    except ChildFailedError as error:
        raise _first_error(error) from error


def _first_error(error) -> CellError:
    rank, failure = error.get_first_failure()
    if failure.exitcode in (-signal.SIGTERM, -signal.SIGUSR1):  # it has saved its step
        return CellError('the system asked it to stop', stopped=signal.Signals(-failure.exitcode).name)
    said = (failure.error_file_data or {}).get('message') if failure.error_file != '<N/A>' else None
    if not isinstance(said, Mapping):
        return CellError(f'process {rank} of {len(error.failures)} failed: {failure.message}')
    message = said['message']
    kind = getattr(errors, message.partition(':')[0], None)
    final = isinstance(kind, type) and issubclass(kind, errors.UserError)
    return CellError(message, said.get('extraInfo', {}).get('py_callstack', ''), final)


def _rank(cell_function: CellFunction | None, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """One of the processes."""
    from torch.distributed.elastic.multiprocessing.errors import record
    threading.Thread(target=end_with_parent, daemon=True).start()
    return record(cell_function or real_cell_function())(**arguments, launcher='pytorch')


def end_with_parent() -> None:
    """Wait until the process that started this one is gone, then end at once; for a thread."""
    multiprocessing.parent_process().join()
    os._exit(1)
