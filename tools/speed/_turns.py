"""Calls timed in one run, against each other."""
import time
from collections.abc import Callable

import numpy as np
import torch


def seconds(works: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median times of calls that take turns, after one round that does not count."""
    def timed(work: Callable[[], object]) -> float:
        start = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - start

    rounds = [[timed(work) for work in works] for _ in range(repeats + 1)]
    return np.median(rounds[1:], axis=0).tolist()
