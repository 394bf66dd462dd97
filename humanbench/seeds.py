"""Seeds from keys: who draws a random number is decided by what it is for, never by where or when it runs."""
import contextlib
import hashlib
from collections.abc import Iterator

import numpy as np
import torch


def keyed_seed(*key) -> int:
    """A 63-bit seed for a key of plain values; equal on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), 'little') >> 1


def keyed_rng(*key) -> np.random.Generator:
    """A generator seeded by :func:`keyed_seed`."""
    return np.random.Generator(np.random.PCG64(keyed_seed(*key)))


@contextlib.contextmanager
def keyed_torch(*key) -> Iterator[None]:
    """Torch's CPU draws inside are keyed by ``key``; those after go on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(keyed_seed(*key))
        yield
