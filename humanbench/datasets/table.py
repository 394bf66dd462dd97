"""Records as two arrays that are mapped from disk: processes share pages where they would each hold Python objects.

A table is a folder: ``records.bin`` (the records one after the other), ``offsets.npy``, one array for each integer
column, and ``header.json``. Small tables stay in memory and are not written.
"""
import io
import json
import os
import pickle
import shutil
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..files import write_text
from . import safe_pickle

VERSION = 1


@dataclass
class RecordTable:
    """Records by number.

    Attributes:
        data: (bytes,) uint8, the records.
        offsets: (n + 1,) int64, where each begins and the last ends.
        layouts: the keys of records; a record says which of them it has.
        columns: name -> (n,) integers.
        prefix: folder under which relative paths lie.
        header: what the maker of the table wants to know when it is opened again.
        folder: it is mapped from; None for one in memory.
    """
    data: np.ndarray
    offsets: np.ndarray
    layouts: Sequence[Sequence[str]]
    columns: Mapping[str, np.ndarray]
    prefix: str
    header: dict[str, Any]
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __reduce__(self) -> tuple:
        if self.folder is not None:  # another process maps the same file; a pickled map would be a copy of all of it
            return open_table, (self.folder,)
        return RecordTable, tuple(getattr(self, x.name) for x in fields(self))

    def __getitem__(self, index: int) -> dict[str, Any]:
        start, stop = self.offsets[index], self.offsets[index + 1]
        layout, *values = safe_pickle.loads(self.data[start:stop].data)
        return {key: f'{self.prefix}{os.fsdecode(value)}' if type(value) is bytes else value
                for key, value in zip(self.layouts[layout], values, strict=True)}


class TableWriter:
    """Takes records one at a time: in memory, and from :meth:`spill` on in a folder.

    Args:
        prefix: paths that begin with it are stored without it.
        columns: keys whose integers are stored as arrays also.
    """

    def __init__(self, prefix: str, columns: Sequence[str] = ()):
        self.prefix = prefix
        self._file: BinaryIO = io.BytesIO()
        self._folder: Path | None = None
        self._offsets, self._columns = array('q', [0]), {name: array('q') for name in columns}
        self._layouts: dict[tuple[str, ...], int] = {}

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def add(self, record: Mapping[str, Any]) -> None:
        """Append one record of arrays and plain values."""
        layout = self._layouts.setdefault(tuple(record), len(self._layouts))
        data = pickle.dumps((layout, *map(self._shortened, record.values())), protocol=5)
        self._file.write(data)
        self._offsets.append(self._offsets[-1] + len(data))
        for name, values in self._columns.items():
            values.append(record[name])

    def _shortened(self, value: Any) -> Any:
        assert type(value) is not bytes, 'bytes stand for paths below the prefix'
        return os.fsencode(value[len(self.prefix):]) if type(value) is str and value.startswith(self.prefix) else value

    def spill(self, folder: Path) -> None:
        """From here on write to disk, beside ``folder``, where the table will be."""
        self._folder, self._beside = folder, folder.with_name(f'{folder.name}.{os.getpid()}.tmp')
        shutil.rmtree(self._beside, ignore_errors=True)
        self._beside.mkdir(parents=True)
        start = self._file.getvalue()
        self._file = open(self._beside / 'records.bin', 'wb')  # noqa: SIM115 (closed by finish or discard)
        self._file.write(start)

    def columns(self) -> dict[str, np.ndarray]:
        """The integer columns so far."""
        return {name: np.array(values, np.int64) for name, values in self._columns.items()}

    def finish(self, columns: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> RecordTable:
        """The table; one that was spilled is in its folder now, whole.

        Args:
            columns: name -> (n,) integers.
            header: JSON values to keep with the table.
        """
        offsets, layouts = np.array(self._offsets, np.int64), [list(x) for x in self._layouts]
        if self._folder is None:
            data = np.frombuffer(self._file.getvalue(), np.uint8)
            return RecordTable(data, offsets, layouts, dict(columns), self.prefix, dict(header))
        for name, values in dict(offsets=offsets, **columns).items():
            np.save(self._beside / f'{name}.npy', values)
        self._file.close()
        for path in self._beside.iterdir():  # on the disk before the header says that they are whole
            with open(path, 'rb+') as file:
                os.fsync(file.fileno())
        write_text(self._beside / 'header.json', json.dumps(dict(
            version=VERSION, layouts=layouts, columns=list(columns), prefix=self.prefix, header=dict(header))))
        shutil.rmtree(self._folder, ignore_errors=True)
        os.rename(self._beside, self._folder)
        return open_table(self._folder)

    def discard(self) -> None:
        """Leave nothing behind; for a table that cannot be finished."""
        self._file.close()
        if self._folder is not None:
            shutil.rmtree(self._beside, ignore_errors=True)


def open_table(folder: Path) -> RecordTable | None:
    """The table of a folder, mapped into memory; None where there is none of this version."""
    try:
        meta = json.loads((folder / 'header.json').read_text(encoding='utf-8'))
    except (FileNotFoundError, NotADirectoryError):
        return None
    if meta['version'] != VERSION:
        return None
    return RecordTable(
        np.asarray(np.memmap(folder / 'records.bin', np.uint8, 'r')), np.load(folder / 'offsets.npy', mmap_mode='r'),
        meta['layouts'], {x: np.load(folder / f'{x}.npy', mmap_mode='r') for x in meta['columns']}, meta['prefix'],
        meta['header'], folder)


def stamps(paths: Iterable[str]) -> dict[str, list[int] | None]:
    """Size and time of change of files and folders (None: absent): what a table was made of, as it was then."""
    found: dict[str, list[int] | None] = {}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:  # not there, or a link in a circle
            found[path] = None
        else:
            found[path] = [status.st_size, status.st_mtime_ns]
    return found
