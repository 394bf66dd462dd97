"""Who runs which cell: any number of runs, on any machines, share one benchmark folder and run no cell twice.

A claim is a file that is made or not made (``O_EXCL``): of all that try at once one succeeds, over NFS as well. Its
owner touches it every :data:`BEAT` seconds while it lives. One not touched for :data:`PATIENCE` seconds is a dead
run's; whoever sees that claims the next *generation*, ``CELL.2`` beside ``CELL.1``, and again one alone succeeds. The
highest generation owns the cell: a run that was only asleep finds at its next beat that it has lost it, and drops it.
No clock of another machine is read: a file counts as touched when its time has changed between two looks.
"""
import json
import os
import platform
import threading
import time
import uuid
from pathlib import Path

BEAT, PATIENCE = 10.0, 90.0


class Claims:
    """The claims of one run; a context, in which they are kept alive and after which they are given back.

    Args:
        folder: of all runs' claims.
        beat: seconds between two touches of the own ones.
        patience: seconds after which others' that were not touched are taken over. Much longer than ``beat``.
    """

    def __init__(self, folder: Path, beat: float = BEAT, patience: float = PATIENCE) -> None:
        self.folder, self.beat, self.patience = folder, beat, patience
        self.held: dict[str, Path] = {}
        self.lost: set[str] = set()
        self._identity = dict(host=platform.node(), process=os.getpid(), began=_start_of(os.getpid()),
                              machine=_machine(), run=uuid.uuid4().hex)
        self._seen: dict[Path, tuple[int, float, bool]] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name='claims', daemon=True)

    def __enter__(self) -> 'Claims':
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._end.set()
        self._thread.join()
        for cell in list(self.held):
            self.release(cell)

    def take(self, cell: str) -> bool:
        """Claim a cell. False where another run has it."""
        number, path = self._newest(cell)
        if path is not None and self._lives(path) is not False:
            return False  # somebody's, or given back in this moment: the next look tells
        claim = self.folder / f'{cell}.{number + 1}'
        try:
            descriptor = os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:  # another run was faster
            return False
        try:
            with os.fdopen(descriptor, 'w', encoding='utf-8') as file:
                json.dump(self._identity, file)
        except OSError:  # a full disk: nobody may find a claim without an owner
            claim.unlink(missing_ok=True)
            raise
        self.lost.discard(cell)
        self.held[cell] = claim
        return True

    def release(self, cell: str) -> None:
        """Give a cell back, done or not."""
        claim = self.held.pop(cell)
        own = _generation(claim)
        for number, path in self._all(cell):
            if number < own or (number == own and self._is_own(path)):
                path.unlink(missing_ok=True)

    def owner(self, cell: str) -> str | None:
        """Which machine and process has a cell, for people; None where nobody has."""
        path = self._newest(cell)[1]
        found = None if path is None else _read(path)
        return None if found is None else f"{found[0].get('host', '?')}, process {found[0].get('process', '?')}"

    def is_alive(self, cell: str) -> bool:
        """Whether the run that has a cell is known to live: it is of this machine, or has just touched its claim."""
        path = self._newest(cell)[1]
        return path is not None and self._lives(path) is True

    def _all(self, cell: str) -> list[tuple[int, Path]]:
        """Every generation of a cell's claim, the newest last."""
        found = ((x, x.name[len(cell) + 1:]) for x in self.folder.glob(f'{cell}.*'))
        return sorted((int(number), path) for path, number in found if number.isdigit())

    def _newest(self, cell: str) -> tuple[int, Path | None]:
        return max(self._all(cell), default=(0, None))

    def _lives(self, claim: Path) -> bool | None:
        """Whether the run that made a claim lives; None while that is not known."""
        found = _read(claim)
        if found is None:
            return None  # given back in this moment
        owner, stamp = found
        same_machine = self._identity['machine'] is not None and owner.get('machine') == self._identity['machine']
        if same_machine and _start_of(owner['process']) != owner['began']:
            return False
        before, since, touched = self._seen.get(claim, (stamp, time.monotonic(), False))
        if stamp != before:
            since, touched = time.monotonic(), True
        self._seen[claim] = stamp, since, touched
        silent = time.monotonic() - since
        if silent > self.patience:
            return False
        return True if same_machine or (touched and silent < 2.5 * self.beat) else None

    def _is_own(self, claim: Path) -> bool:
        found = _read(claim)
        return found is not None and found[0].get('run') == self._identity['run']

    def _keep_alive(self) -> None:
        while not self._end.wait(self.beat):
            for cell, claim in list(self.held.items()):
                try:
                    if self._newest(cell)[1] == claim and self._is_own(claim):
                        os.utime(claim)
                    else:
                        self.lost.add(cell)
                except OSError:  # storage that hiccups: if it lasts, others take over, and the next beat tells
                    continue


def _generation(claim: Path) -> int:
    return int(claim.name.rpartition('.')[2])


def _read(claim: Path) -> tuple[dict, int] | None:
    """The owner of a claim (nothing while it is being written) and when it was touched; None where it is gone."""
    try:
        with open(claim, encoding='utf-8') as file:  # opening it makes NFS ask the server
            text, stamp = file.read(), os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None
    try:
        owner = json.loads(text)
    except json.JSONDecodeError:
        owner = {}
    return (owner if isinstance(owner, dict) else {}), stamp


def _machine() -> str | None:
    """This kernel and its process namespace, within which a process number means something; None where unknown."""
    try:
        boot = Path('/proc/sys/kernel/random/boot_id').read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _start_of(process: int) -> str | None:
    """When a process began, in the kernel's ticks; None where there is none (a zombie is none)."""
    try:
        fields = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] in 'ZX' else fields[19]
