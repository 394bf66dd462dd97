"""Worker processes for pictures: as many as this process may use cores, and none that outlives it."""
import multiprocessing
import os
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import cv2


def default_workers() -> int:
    """How many processes to use: one per core; one in a daemonic process (a data loader's), which may have none."""
    if multiprocessing.current_process().daemon:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def process_pool(workers: int) -> ProcessPoolExecutor:
    """A pool, started as PyTorch's data loaders are: on Linux a fork needs neither a second import nor a guarded main
    module."""
    context = multiprocessing.get_context('fork' if sys.platform == 'linux' else None)
    return ProcessPoolExecutor(workers, context, _start_worker, (os.getpid(),))


def _start_worker(parent: int) -> None:
    """One thread of OpenCV (its others did not survive the fork), and an end when ``parent`` is killed: the pool's own
    pipes would keep this worker waiting for ever."""
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    cv2.setNumThreads(0)
    threading.Thread(target=watch, daemon=True).start()
