"""The offset index of a packed dataset: which file lies where in which shard.

One file, mapped into memory, so that millions of names cost a process no Python objects::

    8 bytes   magic
    32 bytes  SHA-256 of all that follows
    8 bytes   length of the file, little-endian
    8 bytes   length of the header
    header    JSON: the shards (name, size, SHA-256), and where each array below begins
    arrays    name_ends int64 (n + 1,), offsets int64 (n,), sizes int64 (n,), shards uint32 (n,), crcs uint32 (n,),
              names (bytes, one after the other)

Names are relative paths with ``/``, sorted as bytes. An empty folder is an entry whose name ends in ``/``.
"""
import hashlib
import json
import mmap
import os
import re
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import DataError
from ...files import replacing

INDEX = 'packed.idx'  # the file that makes a folder a packed dataset
MAGIC = b'HBPACK1\n'
HEAD = len(MAGIC) + 40  # bytes that tell one index from another, and how long it is
_HASHED = len(MAGIC) + 32
_START = HEAD + 8
_SHARD_NAME = re.compile(r'[\w-][\w.-]*')
_ARRAYS = (('name_ends', '<i8'), ('offsets', '<i8'), ('sizes', '<i8'), ('shards', '<u4'), ('crcs', '<u4'))


@dataclass(frozen=True)
class Shard:
    """One tar file of a packed dataset."""
    name: str
    size: int
    sha256: str


class Member(NamedTuple):
    """One file in a shard: ``size`` bytes from ``offset`` on, with a CRC-32."""
    name: str
    shard: Shard
    offset: int
    size: int
    crc: int


@dataclass
class Entries:
    """What an index is made of; entries are sorted by name."""
    names: Sequence[bytes]
    sizes: Sequence[int]
    offsets: Sequence[int]
    shards: Sequence[int]
    crcs: Sequence[int]


def write_index(path: Path, shards: Sequence[Shard], entries: Entries) -> None:
    """Write an index, whole or not at all; equal input gives equal bytes."""
    arrays = dict(
        name_ends=np.concatenate([[0], np.cumsum([len(x) for x in entries.names])]), offsets=entries.offsets,
        sizes=entries.sizes, shards=entries.shards, crcs=entries.crcs)
    parts = [np.asarray(arrays[name], dtype).tobytes() for name, dtype in _ARRAYS] + [b''.join(entries.names)]
    meta = dict(count=len(entries.names), shards=[asdict(x) for x in shards], lengths=[len(x) for x in parts])
    header = json.dumps(meta).encode()
    header += b' ' * (-(_START + len(header)) % 8)  # arrays begin at multiples of 8
    parts = [header] + [x + b'\0' * (-len(x) % 8) for x in parts]
    parts.insert(0, struct.pack('<QQ', _START + sum(map(len, parts)), len(header)))
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    with replacing(path) as temporary, open(temporary, 'wb') as file:
        file.writelines([MAGIC, digest.digest(), *parts])


def verify_index(path: Path) -> bool:
    """Whether an index is whole; reads all of it."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        head = file.read(_HASHED)
        while part := file.read(2**20):
            digest.update(part)
    return head == MAGIC + digest.digest()


def length_of(head: bytes) -> int:
    """The length of an index that begins with these :data:`HEAD` bytes.

    Raises:
        ValueError: no index does.
    """
    if not head.startswith(MAGIC):
        raise ValueError('it does not begin as an index does')
    return struct.unpack('<Q', head[_HASHED:HEAD])[0]


class PackIndex:
    """An index, mapped from its file.

    Args:
        path: of the index.

    Raises:
        DataError: it is no index, or not all of one.
    """

    def __init__(self, path: str | os.PathLike):
        self._path = path
        try:
            with open(path, 'rb') as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._read_header(length_of(self._data[:HEAD]))
        except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
            raise DataError(f"cannot read the index '{path}' of a packed dataset: {error}. Copy it again from where "
                            'the dataset was packed, or pack it again.') from error
        self.id = self._data[len(MAGIC):_HASHED].hex()[:16]

    def _read_header(self, expected: int) -> None:
        if len(self._data) != expected:
            raise ValueError(f'it has {len(self._data):,} bytes and should have {expected:,}')
        length, = struct.unpack('<Q', self._data[HEAD:_START])
        meta = json.loads(self._data[_START:_START + length])
        self.shards = [Shard(**x) for x in meta['shards']]
        self._count, start, arrays = meta['count'], _START + length, {}
        starts = np.cumsum([start] + [x + -x % 8 for x in meta['lengths']]).tolist()
        if starts[-1] != expected or any(_SHARD_NAME.fullmatch(x.name) is None for x in self.shards):
            raise ValueError('its header does not fit what follows')
        for (name, dtype), start, size in zip(_ARRAYS, starts, meta['lengths']):
            arrays[name] = np.frombuffer(self._data, dtype, size // np.dtype(dtype).itemsize, start)
        self._ends, self._offsets, self._sizes = arrays['name_ends'], arrays['offsets'], arrays['sizes']
        self._shards, self._crcs, self._names = arrays['shards'], arrays['crcs'], starts[len(_ARRAYS)]

    def __len__(self) -> int:
        return self._count

    def name(self, i: int) -> bytes:
        """The name of the so-manyth entry."""
        return self._data[self._names + int(self._ends[i]):self._names + int(self._ends[i + 1])]

    def member(self, i: int) -> Member:
        """The so-manyth entry."""
        name, number = os.fsdecode(self.name(i)), int(self._shards[i])
        offset, size = int(self._offsets[i]), int(self._sizes[i])
        if number >= len(self.shards) or offset < 0 or not 0 <= size <= self.shards[number].size - offset:
            raise DataError(f"the index '{self._path}' places '{name}' outside of its shard: it is broken or hostile.")
        return Member(name, self.shards[number], offset, size, int(self._crcs[i]))

    def _first(self, name: bytes) -> int:
        """The number of the first entry that does not come before ``name``."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if self.name(middle) < name:
                low = middle + 1
            else:
                high = middle
        return low

    def find(self, name: str) -> Member | None:
        """The file of this name."""
        wanted = os.fsencode(name)
        i = self._first(wanted)
        return self.member(i) if i < self._count and self.name(i) == wanted else None

    def is_folder(self, name: str) -> bool:
        """Whether there is a folder of this name; ``''`` is the dataset itself."""
        prefix = os.fsencode(name and f'{name}/')
        i = self._first(prefix)
        return not name or i < self._count and self.name(i).startswith(prefix)

    def children(self, name: str) -> tuple[list[str], list[str]]:
        """Names of the files and of the folders in a folder, sorted."""
        prefix = os.fsencode(name and f'{name}/')
        i, files, folders = self._first(prefix), [], []
        while i < self._count and (found := self.name(i)).startswith(prefix):
            child, slash, _ = found[len(prefix):].partition(b'/')
            if child in (b'.', b'..') or slash and not child:
                raise DataError(f"the index '{self._path}' holds the name '{os.fsdecode(found)}', which leads out of "
                                'its folder: it is broken or hostile.')
            if not slash:
                if child:
                    files.append(os.fsdecode(child))
                i += 1
            else:
                folders.append(os.fsdecode(child))
                i = self._first(prefix + child + b'0')  # '0' follows '/': behind all that lies in this folder
        return files, sorted(folders)
