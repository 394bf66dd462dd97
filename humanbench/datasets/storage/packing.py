"""A dataset folder as plain tar shards and one index (:mod:`.index`).

Equal folders give equal bytes: members are sorted by name, and carry neither times nor owners. ``tar xf`` of all shards
gives the folder back.
"""
import hashlib
import json
import os
import stat
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from filelock import FileLock

from ...errors import DataError, UserError
from ...files import write_text
from .files import forget
from .index import INDEX, Entries, PackIndex, Shard, write_index

SHARD_BYTES = 2**30
_PIECE = 2**20


class _File(NamedTuple):
    """A file (or empty folder, whose name ends in a slash) that is packed."""
    name: bytes
    path: str
    size: int
    changed: int  # ns


@dataclass(frozen=True)
class Packed:
    """What :func:`pack` made: a folder with ``files`` files of ``size`` bytes in ``shards`` shards."""
    folder: Path
    files: int
    size: int
    shards: int


def pack(root: str | os.PathLike, out: str | os.PathLike, shard_bytes: int = SHARD_BYTES,
         progress: bool = True) -> Packed:
    """Pack a dataset folder. A run that was interrupted goes on after its last whole shard.

    Args:
        root: the folder of the dataset, with everything in it: annotation files too.
        out: folder for shards and index; another one than ``root``. It is a packed dataset once the index is there,
            which is written last.
        shard_bytes: a shard is closed before it grows beyond this; a larger file has a shard of its own.
        progress: show a bar.

    Raises:
        DataError: a link leads out of the folder, or a file cannot be packed.
        UserError: ``out`` will not do.
    """
    root, out = Path(root), Path(out)
    if not root.is_dir():
        raise DataError(f"'{root}' is no folder. Expected the folder of a dataset as its owner ships it.")
    if (root / INDEX).exists():
        raise UserError(f"'{root}' is a packed dataset already: it holds '{INDEX}'.")
    if Path(os.path.realpath(out)).is_relative_to(os.path.realpath(root)):
        raise UserError(f"'{out}' lies in '{root}' and would be packed into itself; name a folder outside.")
    if shard_bytes < 1:
        raise UserError(f'shard_bytes = {shard_bytes}: expected the size of a shard in bytes, such as 2**30.')
    _check_unpacked(out)
    files = sorted(_walk(os.fspath(root)))
    if not files:
        raise DataError(f"'{root}' is empty: there is nothing to pack.")
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / '.packing.lock')
    with lock:
        _check_unpacked(out)  # another process may have been quicker
        with _bar(sum(x.size for x in files), root.name, progress) as advance:
            packed = _pack(files, out, shard_bytes, advance)
        Path(lock.lock_file).unlink(missing_ok=True)
    return packed


def _check_unpacked(out: Path) -> None:
    if (out / INDEX).exists():
        raise UserError(f"'{out}' holds a packed dataset already. Remove it, or name another folder.")


def _pack(files: Sequence[_File], out: Path, shard_bytes: int, advance: Callable[[int], None]) -> Packed:
    entries, shards, notes = Entries([], [], [], [], []), [], []
    for number, part in enumerate(_cut(files, shard_bytes)):
        path = out / f'shard-{number:05d}.tar'
        note = out / f'.{path.name}.json'  # what the index will say of this shard, for a run that goes on
        made = _made_before(path, note, part, advance) or _write_shard(path, note, part, advance)
        shards.append(Shard(path.name, made['size'], made['sha256']))
        notes.append(note)
        entries.names += [x.name for x in part]
        entries.sizes += [x.size for x in part]
        entries.offsets += made['offsets']
        entries.crcs += made['crcs']
        entries.shards += [number] * len(part)
    write_index(out / INDEX, shards, entries)
    for note in notes:
        note.unlink()
    forget()  # what was looked up before is not so any more
    return Packed(out, sum(not x.name.endswith(b'/') for x in files), sum(entries.sizes), len(shards))


def _walk(root: str) -> Iterator[_File]:
    """Everything below a folder. Links that stay inside are followed; a packed dataset has none."""
    real_root = os.path.realpath(root)

    def walk(folder: str, prefix: str, above: tuple[str, ...]) -> Iterator[_File]:
        empty = True
        with os.scandir(folder) as found:
            for entry in found:
                empty, name = False, prefix + entry.name
                real = os.path.realpath(entry.path) if entry.is_symlink() else None
                if real is not None and not real.startswith(os.path.join(real_root, '')):
                    raise DataError(f"'{entry.path}' is a link that leads out of '{root}'. Put the files where the "
                                    'link is, or pack the folder that it leads to.')
                status = _status(entry)
                if stat.S_ISDIR(status.st_mode):
                    real = real or os.path.join(above[-1], entry.name)
                    if real in above:
                        raise DataError(f"'{entry.path}' is a link to a folder that holds it; remove the link.")
                    yield from walk(entry.path, f'{name}/', (*above, real))
                elif stat.S_ISREG(status.st_mode):
                    yield _File(os.fsencode(name), entry.path, status.st_size, status.st_mtime_ns)
                else:
                    raise DataError(f"'{entry.path}' is neither a file nor a folder; move it away.")
        if empty and prefix:
            yield _File(os.fsencode(prefix), folder, 0, 0)

    yield from walk(root, '', (real_root,))


def _status(entry: os.DirEntry) -> os.stat_result:
    try:
        return entry.stat()
    except OSError as error:
        raise DataError(f"cannot pack '{entry.path}': {error.strerror}. Repair or remove it.") from error


def _cut(files: Sequence[_File], shard_bytes: int) -> Iterator[list[_File]]:
    """Files in order, as many in a shard as it can hold."""
    part, size = [], 0
    for file in files:
        padded = file.size + tarfile.BLOCKSIZE + -file.size % tarfile.BLOCKSIZE
        if part and size + padded > shard_bytes:
            yield part
            part, size = [], 0
        part.append(file)
        size += padded
    yield part


def _contents(part: Sequence[_File]) -> str:
    """Of what says which files a shard is made of."""
    return hashlib.sha256(repr([(x.name, x.size, x.changed) for x in part]).encode()).hexdigest()


def _made_before(path: Path, note: Path, part: Sequence[_File], advance: Callable[[int], None]) -> dict | None:
    """What an interrupted run has noted of a shard that it finished, if the same files would go into it now."""
    if not note.exists() or not path.exists():
        return None
    made = json.loads(note.read_text(encoding='utf-8'))
    if made['contents'] != _contents(part) or made['size'] != path.stat().st_size:
        return None
    advance(sum(x.size for x in part))
    return made


def _write_shard(path: Path, note: Path, part: Sequence[_File], advance: Callable[[int], None]) -> dict:
    temporary = path.with_name(f'.{path.name}.tmp')
    note.unlink(missing_ok=True)
    made = dict(contents=_contents(part), offsets=[], crcs=[])
    try:
        with open(temporary, 'wb') as file:
            target = _Hashed(file)
            with tarfile.open(fileobj=target, mode='w', format=tarfile.PAX_FORMAT) as tar:
                for item in part:
                    made['crcs'].append(_add(tar, item, advance))
                    made['offsets'].append(tar.offset - item.size - -item.size % tarfile.BLOCKSIZE)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write '{path}': {error.strerror or error}. Make room, and run it again: it goes on "
                        'after the last whole shard.') from error
    finally:
        temporary.unlink(missing_ok=True)
    made.update(size=target.size, sha256=target.digest.hexdigest())
    write_text(note, json.dumps(made))
    return made


def _add(tar: tarfile.TarFile, item: _File, advance: Callable[[int], None]) -> int:
    """Append one file; gives its CRC-32."""
    info = tarfile.TarInfo(os.fsdecode(item.name).rstrip('/'))
    info.size, info.mode, info.mtime = item.size, 0o644, 0
    if item.name.endswith(b'/'):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
        return 0
    try:
        file = open(item.path, 'rb')  # noqa: SIM115  (closed below; what fails here is the dataset, not the shard)
    except OSError as error:
        raise DataError(f"cannot pack '{item.path}': {error.strerror}. Repair or remove it.") from error
    with file:
        source = _Checked(file, advance)
        try:
            tar.addfile(info, source)
        except OSError as error:
            if source.failed is None and source.size == item.size:
                raise  # the shard cannot be written
            reason = source.failed or f'it had {item.size:,} bytes and now has {source.size:,}'
            raise DataError(f"cannot pack '{item.path}': {reason}. Pack again when nothing writes to it.") from error
        if source.size != item.size or file.read(1):
            raise DataError(f"cannot pack '{item.path}': it grew meanwhile. Pack again when nothing writes to it.")
    return source.crc


class _Checked:
    """A file that is read once, its CRC-32 and what went wrong."""

    def __init__(self, file: BinaryIO, advance: Callable[[int], None]):
        self._file, self._advance = file, advance
        self.crc, self.size, self.failed = 0, 0, None

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as error:
            self.failed = error.strerror
            raise
        self.crc, self.size = zlib.crc32(data, self.crc), self.size + len(data)
        self._advance(len(data))
        return data


class _Hashed:
    """A file that is written once, and its SHA-256."""

    def __init__(self, file: BinaryIO):
        self._file, self.digest, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.size


@contextmanager
def _bar(total: int, name: str, shown: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar in bytes, with the time that is left."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
    with Progress(TextColumn('{task.description}'), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
                  disable=not shown) as bar:
        task = bar.add_task(name, total=total)
        yield lambda size: bar.advance(task, size)


def verify(folder: str | os.PathLike, progress: bool = True) -> list[str]:
    """What is wrong with the shards of a packed dataset on disk, in words; reads all of them."""
    folder = Path(folder)
    shards, found = PackIndex(folder / INDEX).shards, []
    with _bar(sum(x.size for x in shards), folder.name, progress) as advance:
        for shard in shards:
            path, digest = folder / shard.name, hashlib.sha256()
            if not path.is_file() or path.stat().st_size != shard.size:
                has = f'has {path.stat().st_size:,} of {shard.size:,} bytes' if path.is_file() else 'is missing'
                found.append(f"'{path}' {has}: copy it again from where it was packed")
                continue
            with open(path, 'rb') as file:
                while data := file.read(_PIECE):
                    digest.update(data)
                    advance(len(data))
            if digest.hexdigest() != shard.sha256:
                found.append(f"'{path}' holds other bytes than were packed: copy it again from where it was packed")
    return found
