"""Processes of a test, forked from a server that has imported what they need."""
import multiprocessing
import socket
from collections.abc import Callable


def spawn(target: Callable, world: int, arguments: tuple, seconds: float) -> list[int | None]:
    """Run ``target(rank, world, port, *arguments)`` in ``world`` processes, which may meet at ``port``.

    Returns:
        Exit status of every rank; None of one that still runs after ``seconds``.
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload([target.__module__])
    processes = [context.Process(target=target, args=(rank, world, port, *arguments)) for rank in range(world)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(seconds)
    return [process.exitcode for process in processes]
