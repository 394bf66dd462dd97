"""A packed dataset that is read: a folder with an index, and shards beside it or behind a URL."""
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

from filelock import FileLock
from mmengine.logging import print_log

from ...errors import DataError, StorageError
from ...files import replacing, write_text
from .cache import BlockCache, cache_bound, cache_folder, forget_unused, mark_used
from .index import HEAD, INDEX, Member, PackIndex, Shard, length_of, verify_index
from .remote import Remote, shown

ORIGIN = 'origin.json'  # beside the index: where the shards are, if not here
BLOCK = 2**18  # bytes that are fetched and kept together: many small images, or part of a large one
_PIECE = 2**23  # a file that is larger than this passes the cache by, and comes in such pieces
_TALKED_ABOUT = 2**26


class Shards(Protocol):
    """Where the bytes of shards come from."""
    remote: bool

    def read(self, member: Member) -> bytes:
        """All bytes of a file, verified."""

    def pieces(self, member: Member) -> Iterator[bytes]:
        """The bytes of a large file, a few at a time, not verified."""

    def fetch(self, member: Member) -> None:
        """Make sure that the bytes of a file are on this machine, soon to be read."""


class LocalShards:
    """Shards in a folder of this machine.

    Args:
        folder: of the shards.
    """
    remote = False

    def __init__(self, folder: str):
        self.folder = folder

    def _read(self, member: Member, start: int, stop: int) -> bytes:
        path = f'{self.folder}/{member.shard.name}'
        try:
            number = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DataError(f"cannot read '{member.name}' from the shard '{path}': {error.strerror}. Copy the shard "
                            'again from where it was packed.') from error
        try:
            size = os.fstat(number).st_size
            if size != member.shard.size:
                raise DataError(f"the shard '{path}' has {size:,} bytes and should have {member.shard.size:,}; "
                                f"'{member.name}' is not read. Copy the shard again from where it was packed.")
            return os.pread(number, stop - start, member.offset + start)
        finally:
            os.close(number)

    def read(self, member: Member) -> bytes:
        data = self._read(member, 0, member.size)
        if zlib.crc32(data) != member.crc:
            raise DataError(f"the shard '{self.folder}/{member.shard.name}' is damaged: '{member.name}' has another "
                            'checksum than when it was packed. Copy the shard again from where it was packed.')
        return data

    def pieces(self, member: Member) -> Iterator[bytes]:
        for start in range(0, member.size, _PIECE):
            yield self._read(member, start, min(start + _PIECE, member.size))

    def fetch(self, member: Member) -> None:
        """It is here."""


class RemoteShards:
    """Shards behind a URL, read in blocks that a cache keeps.

    Args:
        remote: the folder.
        cache: of blocks.
        block: bytes that are fetched and kept together.
    """
    remote = True

    def __init__(self, remote: Remote, cache: BlockCache, block: int):
        self._remote, self._cache, self._block = remote, cache, block

    def read(self, member: Member) -> bytes:
        data = self._assembled(member)
        if zlib.crc32(data) == member.crc:
            return data
        print_log(f"'{member.name}' of '{shown(self._remote.url)}/{member.shard.name}' has a wrong checksum; "
                  'fetching it again', 'current', 30)
        for number in self._numbers(member):
            self._cache.remove(self._key(member.shard, number))
        data = self._assembled(member)
        if zlib.crc32(data) != member.crc:
            raise self._damaged(member)
        return data

    def _damaged(self, member: Member) -> DataError:
        return DataError(
            f"the shard '{shown(self._remote.url)}/{member.shard.name}' is damaged: '{member.name}' has another "
            'checksum than when it was packed, twice. Copy the shard to the server again from where it was packed.')

    def pieces(self, member: Member) -> Iterator[bytes]:
        for start in range(0, member.size, _PIECE):
            stop = min(start + _PIECE, member.size)
            yield self._remote.read(member.shard.name, member.offset + start, member.offset + stop, member.name)

    def fetch(self, member: Member) -> None:
        if not all(self._cache.has(self._key(member.shard, x)) for x in self._numbers(member)):
            self._assembled(member)

    def _numbers(self, member: Member) -> range:
        """The blocks in which a file lies."""
        return range(member.offset // self._block, -(-(member.offset + member.size) // self._block))

    def _key(self, shard: Shard, number: int) -> str:
        return f'{shard.sha256}/{self._block}/{number}'  # a shard that is packed anew is another one

    def _size(self, shard: Shard, number: int) -> int:
        return min(self._block, shard.size - number * self._block)

    def _assembled(self, member: Member) -> bytes:
        if self._cache.bound < 2 * self._block:  # nothing would be kept: no more than is needed
            return self._remote.read(member.shard.name, member.offset, member.offset + member.size, member.name)
        parts = self._kept(member)
        if any(x is None for x in parts):
            first = parts.index(None)
            with self._cache.fetching(self._key(member.shard, self._numbers(member)[first])):
                parts = self._kept(member)  # maybe somebody else has fetched them meanwhile
                self._fill(member, parts)
        return parts[0] if len(parts) == 1 else b''.join(parts)

    def _part(self, member: Member, number: int) -> tuple[int, int]:
        """First and last byte, in a block, of what a file has there."""
        start = member.offset - number * self._block
        return max(start, 0), min(start + member.size, self._block)

    def _kept(self, member: Member) -> list[bytes | None]:
        """A file in parts, by block, as far as the cache has them."""
        shard = member.shard
        return [self._cache.get(self._key(shard, x), self._size(shard, x), *self._part(member, x))
                for x in self._numbers(member)]

    def _fill(self, member: Member, parts: list[bytes | None]) -> None:
        """Fetch the blocks that are missing: neighbours in one request."""
        first, shard, i = self._numbers(member).start, member.shard, 0
        while i < len(parts):
            j = i
            while j < len(parts) and parts[j] is None:
                j += 1
            if j > i:
                offset = (first + i) * self._block
                data = self._remote.read(shard.name, offset, min((first + j) * self._block, shard.size), member.name)
                for k in range(i, j):
                    block = data[(k - i) * self._block:(k - i + 1) * self._block]
                    self._cache.put(self._key(shard, first + k), block)
                    start, stop = self._part(member, first + k)
                    parts[k] = block[start:stop]
            i = j + 1


class Pack:
    """A packed dataset.

    Args:
        folder: with the index; paths below it name files that lie in shards.
    """

    def __init__(self, folder: str):
        self.folder = folder
        self.index = PackIndex(os.path.join(folder, INDEX))

    @cached_property
    def shards(self) -> Shards:
        origin = Path(self.folder, ORIGIN)
        if not origin.exists():
            return LocalShards(self.folder)
        return RemoteShards(Remote(json.loads(origin.read_text(encoding='utf-8'))['url']),
                            BlockCache(cache_folder() / 'blocks', cache_bound()), BLOCK)

    def name(self, path: str) -> str:
        """What the index calls a path below the folder."""
        if not path.startswith(self.folder) or '/.' in path or '//' in path:
            path = os.path.abspath(path)
        return path[len(self.folder):].strip('/')

    def local(self, member: Member) -> str:
        """The path of a copy of a file on this machine, made on first need."""
        folder = cache_folder() / 'files' / self.index.id
        mark_used(folder)
        path = folder / member.name
        if path.exists():
            return str(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        forget_unused(folder.parent)
        with FileLock(f'{folder}.lock'):
            if not path.exists():
                self._copy(member, path)
        return str(path)

    def _copy(self, member: Member, path: Path) -> None:
        if self.shards.remote and member.size > _TALKED_ABOUT:
            print_log(f"fetching '{member.name}' ({member.size / 2**20:,.0f} MB) to '{path}'", 'current')
        try:
            with replacing(path, durable=False) as temporary, open(temporary, 'wb') as file:
                if member.size <= _PIECE:
                    file.write(self.shards.read(member))
                else:
                    self._copy_large(member, file)
        except OSError as error:
            raise StorageError(f"cannot write '{path}': {error.strerror}. Make room, or let $HUMANBENCH_CACHE name "
                               'another folder.') from error

    def _copy_large(self, member: Member, file) -> None:
        for attempt in range(2 if self.shards.remote else 1):
            file.seek(0)
            crc = 0
            for data in self.shards.pieces(member):
                file.write(data)
                crc = zlib.crc32(data, crc)
            if crc == member.crc:
                return
            if attempt == 0 and self.shards.remote:
                print_log(f"'{member.name}' came with a wrong checksum; fetching it again", 'current', 30)
        raise DataError(f"the shard '{member.shard.name}' of '{self.place()}' is damaged: '{member.name}' has another "
                        'checksum than when it was packed. Copy the shard again from where it was packed.')

    def place(self) -> str:
        """Where the shards are."""
        origin = Path(self.folder, ORIGIN)
        return shown(json.loads(origin.read_text(encoding='utf-8'))['url']) if origin.exists() else self.folder


def stub_name(url: str) -> str:
    """A name for the folder that stands for a URL."""
    words = re.sub(r'[^A-Za-z0-9._-]', '_', shown(url).rsplit('/', 1)[-1])
    return f'{words}-{hashlib.sha256(url.encode()).hexdigest()[:12]}'


def mount(url: str) -> Path:
    """A folder of this machine that stands for a packed dataset behind a URL; it holds the index.

    Raises:
        DataError: there is none.
        StorageError: no answer, or an index that is damaged.
    """
    url = url.rstrip('/')
    folder, remote = cache_folder() / 'remote' / stub_name(url), Remote(url)
    head = remote.read(INDEX, 0, HEAD)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write '{folder}': {error.strerror}. Let $HUMANBENCH_CACHE name a folder that can "
                           'be written.') from error
    with FileLock(f'{folder}.lock'):
        write_text(folder / ORIGIN, json.dumps(dict(url=url)))
        os.chmod(folder / ORIGIN, 0o600)  # it may hold a password
        if _head(folder / INDEX) != head:
            _fetch_index(remote, folder / INDEX, head)
    return folder


def _head(path: Path) -> bytes | None:
    if not path.exists():
        return None
    with open(path, 'rb') as file:
        return file.read(HEAD)


def _fetch_index(remote: Remote, path: Path, head: bytes) -> None:
    """Put the index where it belongs, whole; a damaged one is fetched once more."""
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        for _ in range(2):
            size = length_of(head)
            with open(temporary, 'wb') as file:
                for start in range(0, size, _PIECE):
                    file.write(remote.read(INDEX, start, min(start + _PIECE, size)))
            if verify_index(temporary):
                os.replace(temporary, path)
                return
            head = remote.read(INDEX, 0, HEAD)
    except ValueError as error:
        raise DataError(f"'{shown(remote.url)}/{INDEX}' is no index of a packed dataset: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
    raise DataError(f"the index '{shown(remote.url)}/{INDEX}' is damaged: it has another checksum than when it was "
                    'written, twice. Copy it to the server again from where the dataset was packed.')
