"""Fetches files before they are read."""
import os
import queue
import threading
from collections.abc import Iterable

from ...errors import UserError
from . import files

THREADS = 16  # requests at a time of one process


class Prefetcher:
    """Threads that bring files near, in the order in which they were asked for.

    Whatever goes wrong is left to whoever reads the file: it then goes wrong there, with that one's patience and words.

    Args:
        threads: requests at a time.
    """

    def __init__(self, threads: int = THREADS):
        self._wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.pid = os.getpid()
        for number in range(threads):
            # daemons: a process that ends does not wait for a store that does not answer
            threading.Thread(target=self._work, name=f'prefetch {number}', daemon=True).start()

    def want(self, paths: Iterable[str]) -> None:
        """These files are read soon."""
        for path in paths:
            self._wanted.put(path)

    def _work(self) -> None:
        while True:
            path = self._wanted.get()
            try:
                files.fetch(path)
            except (UserError, OSError):
                continue  # see above
