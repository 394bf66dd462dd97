"""When a process of a run ends or hangs, the others end too, and say which one it was.

A process that ends by an error leaves its last words with the run's key-value store. The others notice that their
connection is gone, at once, or that nothing came for ``env_cfg.dist_cfg.timeout`` seconds; they read the last words, or
call the roll: who does not answer is the one that hangs.
"""
import contextlib
import re
import time
from collections.abc import Callable, Sequence

import torch.distributed as dist

PATIENCE = 3.0  # seconds in which all that are alive answer
_GONE = re.compile(r'gloo/transport|pair closure|NCCL|Connection (closed|reset)|Broken pipe')
_TIMED_OUT = re.compile(r'[Tt]imed out|timeout')


class LostRanks(RuntimeError):
    """Another process of this run has ended, or does not answer."""


class Companions:
    """The processes of a run, around everything that they do together.

    Args:
        machines: the machine of every rank.
        rank: of this process.
        where: says what this process is doing, for messages.
    """

    def __init__(self, machines: Sequence[str], rank: int, where: Callable[[], str]):
        self.machines, self.rank, self.where = list(machines), rank, where
        self._store = dist.distributed_c10d._get_default_store() if len(machines) > 1 else None

    def __enter__(self) -> 'Companions':
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if self._store is None or error is None:
            return
        if isinstance(error, RuntimeError) and (isinstance(error, dist.DistError) or _GONE.search(str(error))):
            raise LostRanks(f'{self.where()}: {self._blame(str(error))}') from error
        with contextlib.suppress(dist.DistError):  # whoever keeps the store may be gone already
            self._store.compare_set('humanbench/ended', '', f'{self.name(self.rank)} ended by {_first_line(error)}')

    def name(self, rank: int) -> str:
        return f'rank {rank} (on {self.machines[rank]})'

    def _blame(self, error: str) -> str:
        try:
            self._store.set(f'humanbench/here/{self.rank}', '')
            if self._store.check(['humanbench/ended']):
                found = self._store.get('humanbench/ended').decode()
            elif _TIMED_OUT.search(error):
                found = self._roll_call()
            else:
                found = ('another process ended without a word: killed, or out of memory. The output of the launcher '
                         'says which one.')
            if self.rank == 0:
                time.sleep(PATIENCE)  # it may keep the store, and others still ask
        except dist.DistError:
            found = 'the process that keeps the store of the run, usually rank 0, is gone.'
        return f'{found} Everything stops here; start it again with --resume. ({_first_sentence(error)})'

    def _roll_call(self) -> str:
        """Who has not come to the same conclusion."""
        time.sleep(PATIENCE)
        absent = [self.name(rank) for rank in range(len(self.machines))
                  if not self._store.check([f'humanbench/here/{rank}'])]
        if not absent:
            return 'the processes lost their connection, but all of them are there: look at the network.'
        return f"no answer from {', '.join(absent[:8])}{' ...' * (len(absent) > 8)}: it hangs, or its machine is gone."


def _first_sentence(text: str) -> str:
    return text.splitlines()[0].split('. ')[0]


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}{': ' if text else ''}{text.splitlines()[0][:500] if text else ''}"
