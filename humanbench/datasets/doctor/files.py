"""Looking into image files: in several processes, and only into those that have changed since the last time."""
import hashlib
import io
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image

from ...errors import DataError, UserError
from ...pool import process_pool
from .. import storage
from ..storage.files import pack_of
from ..transforms.depth import H5, depth_frames
from ..transforms.loading import MAX_PIXELS, read_image, read_label_map, read_millimetres
from .listing import DEPTH, LABELS

CHUNK = 64  # files that a worker gets at a time
TAIL = 4096  # bytes at a file's end among which its end mark must be
_UNNAMED = re.compile(r'cannot identify image file <[^>]*>')  # names an address in memory, which is another every time
_ENDS = {b'\xff\xd8': b'\xff\xd9', b'\x89P': b'IEND'}

Facts = TypeVar('Facts')
Look = Callable[[str, int], Facts | None]  # gets path and kind of a file; None where there is none


@dataclass(frozen=True)
class FileFacts:
    """What is known of one file.

    Attributes:
        size: in bytes.
        changed: time of its last change, ns; the checksum of a packed one.
        quick: only header and end were read.
        width, height: 0 where it cannot be read.
        digest: 64 bits of its bytes; 0 where it was not read as a whole.
        labels: of a label map, 256 bits: which ids occur in it.
        error: why it cannot be read; empty where it can.
    """
    size: int
    changed: int
    quick: bool
    width: int = 0
    height: int = 0
    digest: int = 0
    labels: bytes = b''
    error: str = ''

    @property
    def label_ids(self) -> np.ndarray:
        """The ids that occur in a label map."""
        return np.flatnonzero(np.unpackbits(np.frombuffer(self.labels, np.uint8)))


def look_into(path: str, kind: int, quick: bool) -> FileFacts | None:
    """Read one file; None where there is none.

    Args:
        path: of the file.
        kind: image, label map or depth beside an image.
        quick: only its header and whether it ends as it should.
    """
    stamp = stamp_of(path)
    if stamp is None:
        return None
    try:
        return FileFacts(*stamp, quick, *(_header(path) if quick else _whole(path, kind)))
    except DataError as error:
        return FileFacts(*stamp, quick, error=_UNNAMED.sub('unknown format', str(error)))


def stamp_of(path: str) -> tuple[int, int] | None:
    """Size and time of change of a file (of a packed one, its checksum), by which a change shows; None without it."""
    try:
        status = os.stat(path)
        return status.st_size, status.st_mtime_ns
    except OSError:
        pack = pack_of(os.path.dirname(path))
        member = None if pack is None else pack.index.find(pack.name(path))
        return None if member is None else (member.size, member.crc)


def _header(path: str) -> tuple[int, int]:
    """Width and height; the end must be there."""
    if path.endswith(H5):
        with depth_frames(path) as frames:
            return frames.shape[2], frames.shape[1]
    try:
        with _opened(path) as file, Image.open(file) as image:
            width, height = image.size
            file.seek(0)
            end = _ENDS.get(file.read(2), b'')
            file.seek(-min(TAIL, file.seek(0, os.SEEK_END)), os.SEEK_END)
            if end not in file.read():
                raise DataError(f"the image '{path}' is truncated: it lacks its end.")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"'{path}' is not an image that can be read ({error or 'empty file'}).") from error
    if not 0 < width * height <= MAX_PIXELS:
        raise DataError(f"the image '{path}' claims {width} x {height} pixels.")
    return width, height


def _opened(path: str) -> BinaryIO:
    """A plain file, of which only a part need be read; a packed one as a whole."""
    return open(path, 'rb') if os.path.exists(path) else io.BytesIO(storage.read(path))


def _whole(path: str, kind: int) -> tuple[int, int, int, bytes]:
    if path.endswith(H5):
        with depth_frames(path) as frames:
            for number in range(len(frames)):
                frames[number]  # noqa: B018 (which fails where it is damaged)
            return frames.shape[2], frames.shape[1], digest_of_large(path), b''
    try:
        digest = hashlib.blake2b(storage.read(path), digest_size=8).digest()
    except OSError as error:
        raise DataError(f"cannot read the image '{path}': {error.strerror}.") from error
    number = int.from_bytes(digest, 'little', signed=True)
    if kind != LABELS:
        height, width = (read_millimetres(path) if kind == DEPTH else read_image(path)).shape[:2]
        return width, height, number, b''
    labels = read_label_map(path)
    present = np.bincount(labels.ravel(), minlength=256) > 0
    return labels.shape[1], labels.shape[0], number, np.packbits(present).tobytes()


def digest_of_large(path: str) -> int:
    """64 bits of the bytes of a file that is not read into memory at once."""
    digest = hashlib.blake2b(digest_size=8)
    with open(storage.local(path), 'rb') as file:
        while block := file.read(1 << 24):
            digest.update(block)
    return int.from_bytes(digest.digest(), 'little', signed=True)


def _look_into_all(tasks: Sequence[tuple[str, int]], look: Look) -> list[Facts | None]:
    return [look(path, kind) for path, kind in tasks]


class FileMemory:
    """What was found in files, kept in a database of the user's cache.

    Args:
        path: of the database.
        kind: dataclass of what is kept of a file; its first two fields are size and time of change.

    Raises:
        UserError: it cannot be written.
    """

    def __init__(self, path: Path, kind: type[Facts] = FileFacts):
        self.path, self._kind = path, kind
        self._columns = ', '.join(['key', *(x.name for x in fields(kind))])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise self._unwritable(error) from error
            path.unlink()  # not a database: a memory that can be made again
            self._open()
        except OSError as error:
            raise self._unwritable(error) from error

    def _open(self) -> None:
        self._database = sqlite3.connect(self.path, timeout=60)
        self._database.execute(f'create table if not exists files ({self._columns}, primary key (key)) without rowid')

    def _unwritable(self, error: Exception) -> UserError:
        return UserError(f"cannot write '{self.path}': {error}. Let $HUMANBENCH_CACHE name a folder that can be "
                         'written.')

    def __enter__(self) -> 'FileMemory':
        return self

    def __exit__(self, *error) -> None:
        self._database.close()

    def known(self, keys: Sequence[int]) -> dict[int, Facts]:
        """What is kept of these files."""
        marks = ','.join('?' * len(keys))
        rows = self._database.execute(f'select {self._columns} from files where key in ({marks})', keys)
        return {key: self._kind(*rest) for key, *rest in rows}

    def keep(self, found: Iterable[tuple[int, Facts]]) -> None:
        """Remember these files."""
        rows = [(key, *(getattr(x, field.name) for field in fields(self._kind))) for key, x in found]
        marks = ', '.join('?' * (len(fields(self._kind)) + 1))
        try:
            with self._database:
                self._database.executemany(f'insert or replace into files values ({marks})', rows)
        except sqlite3.OperationalError as error:
            raise self._unwritable(error) from error


def look_into_files(paths: Sequence[str], kinds: Sequence[int], keys: Sequence[int], memory: FileMemory, quick: bool,
                    workers: int) -> Iterator[tuple[int, FileFacts | None, bool]]:
    """:func:`read_changed` with :func:`look_into`."""
    return read_changed(paths, kinds, keys, memory, partial(look_into, quick=quick), workers,
                        lambda facts: quick or not facts.quick)


def read_changed(paths: Sequence[str], kinds: Sequence[int], keys: Sequence[int], memory: FileMemory, look: Look,
                 workers: int, will_do: Callable[[Facts], bool] = lambda facts: True
                 ) -> Iterator[tuple[int, Facts | None, bool]]:
    """What is in every file, in any order; those that have not changed since they were last read are not read again.

    Args:
        paths: of the files.
        kinds: image or label map.
        keys: under which the memory keeps them.
        memory: of earlier times.
        look: reads a file; a function that other processes can import.
        workers: processes.
        will_do: whether what is kept of a file is enough.

    Yields:
        (number of the file, its facts or None where it is missing, whether it was read now).
    """
    def jobs() -> Iterator[list[int]]:
        """Chunks that must be read; what is known is put aside for the caller."""
        numbers, waiting = iter(range(len(paths))), []
        while chunk := list(islice(numbers, 8 * CHUNK)):
            known = memory.known([int(keys[i]) for i in chunk])
            for i in chunk:
                facts = known.get(int(keys[i]))
                if facts is not None and will_do(facts) and stamp_of(paths[i]) == (facts.size, facts.changed):
                    ready.append((i, facts, False))
                else:
                    waiting.append(i)
            while len(waiting) >= CHUNK:
                yield waiting[:CHUNK]
                del waiting[:CHUNK]
            yield []
        yield waiting

    def tasks(chunk: list[int]) -> list[tuple[str, int]]:
        return [(paths[i], int(kinds[i])) for i in chunk]

    ready: list[tuple[int, Facts | None, bool]] = []
    for chunk, found in _in_processes(jobs(), tasks, look, workers):
        memory.keep((int(keys[i]), x) for i, x in zip(chunk, found) if x is not None)
        yield from ((i, x, True) for i, x in zip(chunk, found))
        yield from ready
        ready.clear()
    yield from ready


def _in_processes(chunks: Iterator[list[int]], tasks, look: Look,
                  workers: int) -> Iterator[tuple[list[int], list[Facts | None]]]:
    """Every chunk with its facts. An empty chunk comes back at once, so that the caller hears from what needs no work.
    The pool is started by the first chunk that needs one, and gets only so many that memory stays bounded."""
    pool, running = None, {}
    try:
        for chunk in chunks:
            if not chunk:
                yield [], []
                continue
            if workers == 1:
                yield chunk, _look_into_all(tasks(chunk), look)
                continue
            pool = pool or process_pool(workers)
            running[pool.submit(_look_into_all, tasks(chunk), look)] = chunk
            if len(running) >= 4 * workers:
                yield from _finished(running, tasks)
        while running:
            yield from _finished(running, tasks)
    finally:
        if pool is not None:
            pool.shutdown(cancel_futures=True)


def _finished(running: dict[Future, list[int]], tasks) -> Iterator[tuple[list[int], list[Facts | None]]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        chunk = running.pop(future)
        try:
            yield chunk, future.result()
        except BrokenProcessPool as error:
            first, last = tasks(chunk)[0][0], tasks(chunk)[-1][0]
            raise DataError(f"a process that read images has died, at one between '{first}' and '{last}' or in another "
                            'chunk. It ran out of memory, or the decoder did not survive a file: run again with '
                            '--workers 1 to see which.') from error
