"""What came over the network, kept on this machine: blocks of shards, bounded in bytes, the longest unused go first.

Several processes share one cache without a server. Every block is a small file that is written whole or not at all; a
counter beside them says how many bytes there are, and nobody writes before the bytes are reserved there.
"""
import contextlib
import hashlib
import os
import re
import shutil
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from mmengine.logging import print_log

from ...errors import UserError

KEPT = 0.8  # share of the bound that stays when it is reached: making room for one block at a time would be slow
PATIENCE = 30.0  # seconds for a lock that some other process may keep
LOCKS = 4096
_ABANDONED = 3600.0  # seconds after which an unfinished file is nobody's
_UNITS = {'': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}
UNUSED = 30 * 86_400.0  # seconds after which what was copied or indexed is taken to be of no use any more


def cache_folder() -> Path:
    """What can be made again, of this user and machine: ``$HUMANBENCH_CACHE``, or ``~/.cache/humanbench``."""
    return Path(os.environ.get('HUMANBENCH_CACHE') or Path.home() / '.cache' / 'humanbench')


def cache_bound() -> int | None:
    """``$HUMANBENCH_CACHE_BYTES``, such as ``200G``; None where it is not said."""
    text = os.environ.get('HUMANBENCH_CACHE_BYTES')
    if not text:
        return None
    match = re.fullmatch(r'(\d+)([KMGT]?)', text.strip().upper())
    if match is None:
        raise UserError(f"$HUMANBENCH_CACHE_BYTES is '{text}'. Expected a number of bytes, such as 200G; 0 for none.")
    return int(match[1]) * _UNITS[match[2]]


def mark_used(folder: Path) -> None:
    """Note that a folder of the cache is used now."""
    with contextlib.suppress(OSError):  # another user's
        os.utime(folder)


def forget_unused(parent: Path) -> None:
    """Remove the folders that nobody has used for long: copies of what was packed anew, indices of files that are gone
    or that another version has made, and what a crash has left half done."""
    oldest = time.time() - UNUSED
    for entry in os.scandir(parent):
        with contextlib.suppress(FileNotFoundError):
            if entry.is_dir(follow_symlinks=False) and entry.stat().st_mtime < oldest:
                shutil.rmtree(entry.path, ignore_errors=True)  # who has its files open or mapped keeps them


class BlockCache:
    """Blocks of bytes by key.

    Args:
        folder: of the cache.
        bound: most bytes in it; None: half of what the disk has left, and what the cache itself has already.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, folder: Path, bound: int | None = None):
        self.folder = folder
        try:
            (folder / 'locks').mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write the cache '{folder}': {error.strerror}. Let $HUMANBENCH_CACHE name a folder "
                            'that can be written.') from error
        self._counter = folder / 'bytes'
        if bound is None:
            bound = (shutil.disk_usage(folder).free + self._total()) // 2
        self.bound = bound

    def _path(self, key: str) -> str:
        name = hashlib.sha256(key.encode()).hexdigest()
        return f'{self.folder}/{name[:2]}/{name[2:26]}'

    def get(self, key: str, size: int, start: int = 0, stop: int | None = None) -> bytes | None:
        """Bytes ``start`` to ``stop`` (to the end) of the block of a key, if there is one of that size."""
        try:
            number = os.open(self._path(key), os.O_RDONLY)
        except OSError:  # not there, or just removed by another process; or unreadable, and then it comes again
            return None
        try:
            if os.fstat(number).st_size != size:
                return None
            with contextlib.suppress(PermissionError):  # another user's
                os.utime(number)  # used now
            return os.pread(number, (size if stop is None else stop) - start, start)
        except OSError:
            return None
        finally:
            os.close(number)

    def has(self, key: str) -> bool:
        """Whether there is a block of this key."""
        return os.path.exists(self._path(key))

    def put(self, key: str, data: bytes) -> bool:
        """Keep a block, if there can be room for it; says whether it is kept."""
        if len(data) > self.bound:
            return False
        path = Path(self._path(key))
        temporary = path.with_name(f'{path.name}.{os.getpid()}.{time.monotonic_ns()}.tmp')
        try:
            path.parent.mkdir(exist_ok=True)
            with self._counted() as counter:
                if path.exists():
                    return True
                if counter.total + len(data) > self.bound:
                    counter.total = self._make_room(len(data))
                counter.total += len(data)
                with open(temporary, 'wb') as file:
                    file.write(data)
                os.replace(temporary, path)
        except (OSError, Timeout) as error:  # a full disk, say: slower, and no reason to end
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            print_log(f"the cache '{self.folder}' cannot take a block: {error}", 'current', 30)
            return False
        return True

    def remove(self, key: str) -> None:
        """Forget a block. The counter learns of it when room is made next."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(key))

    def size(self) -> int:
        """How many bytes all blocks have."""
        return sum(size for _, size, _ in self._blocks())

    @contextmanager
    def fetching(self, key: str) -> Iterator[None]:
        """Only one process, or thread, fetches a block inside; the others wait, though not forever."""
        number = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], 'big') % LOCKS
        lock = FileLock(self.folder / 'locks' / f'{number:04x}', timeout=PATIENCE, poll_interval=0.005)
        with contextlib.suppress(Timeout):  # then it is fetched twice
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _counted(self) -> Iterator['_Counter']:
        """The number of bytes, for this process alone."""
        with FileLock(self.folder / 'locks' / 'bytes', timeout=PATIENCE, poll_interval=0.002):
            number = os.open(self._counter, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                counter = _Counter(self._total())
                yield counter
                os.pwrite(number, struct.pack('<q', counter.total), 0)  # in place: to truncate it first costs 3 ms
            finally:
                os.close(number)

    def _total(self) -> int:
        """What the counter says."""
        try:
            return struct.unpack('<q', self._counter.read_bytes())[0]
        except (FileNotFoundError, struct.error):  # none yet, or one that is being written
            return self.size()

    def _blocks(self) -> Iterator[tuple[int, int, str]]:
        """(last use in ns, size, path) of all that is there."""
        for part in os.scandir(self.folder):
            if len(part.name) != 2 or not part.is_dir():
                continue
            for block in os.scandir(part.path):
                with contextlib.suppress(FileNotFoundError):
                    status = block.stat()
                    yield status.st_mtime_ns, status.st_size, block.path

    def _make_room(self, wanted: int) -> int:
        """Remove the longest unused blocks; gives how many bytes are left."""
        blocks = sorted(self._blocks())
        total, allowed = sum(size for _, size, _ in blocks), min(int(KEPT * self.bound), self.bound - wanted)
        for used, size, path in blocks:
            abandoned = path.endswith('.tmp') and time.time() - used / 1e9 > _ABANDONED
            if total <= allowed and not abandoned:
                continue
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            total -= size
        return total


class _Counter:
    def __init__(self, total: int):
        self.total = total
