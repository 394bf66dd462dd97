"""Which datasets are here, how many records their indices hold, and the making of those indices."""
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import catalog
from . import places
from .base import INDEX_FROM
from .storage import cache_folder


def entries(root: str | None = None, task: str | None = None) -> list[dict[str, Any]]:
    """A line for every dataset: ``id``, ``name``, ``tasks``, ``role``, ``licence`` (flags), ``reader`` (its name),
    ``folder`` where it is expected, whether it was ``found``, and its indexed ``records`` by split.

    Args:
        root: the folder or URL of all datasets; None for the usual one.
        task: only datasets of this one.
    """
    readers, indexed = places.readers(), _indexed()
    lines = []
    for id in (*catalog.ids(task), *catalog.ids(task, withdrawn=True)):
        card, reader = catalog.card(id), readers.get(id)
        folder = places.find(id, root) if reader else None
        lines.append(dict(
            id=id, name=card.name, tasks=list(card.tasks), role=list(card.role), licence=list(card.licence.flags),
            reader=reader and reader.__name__, folder=places.expected(id, root) if reader else None,
            found=folder is not None,
            records={} if folder is None else indexed.get((id, os.path.realpath(folder)), {})))
    return lines


def _indexed() -> dict[tuple[str, str], dict[str, int]]:
    """(dataset, folder) -> records by split, of all indices of this user."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for header in sorted(cache_folder().glob('index/*/header.json')):
        dataset, split = header.parent.name.rsplit('-', 1)[0].split('-', 1)
        prefix = json.loads(header.read_text(encoding='utf-8'))['prefix']
        records = len(np.load(header.with_name('offsets.npy'), mmap_mode='r')) - 1
        found.setdefault((dataset, os.path.realpath(prefix)), {})[split] = records
    return found


@dataclass(frozen=True)
class Indexed:
    """What came of reading one split."""
    split: str
    records: int
    seconds: float
    what: str


def index(dataset: str, folder: Path, usual: bool) -> Iterator[Indexed]:
    """Read every split of a dataset, so that training finds the indices of large ones.

    Args:
        dataset: its id.
        folder: where it is.
        usual: it lies in the data folder, where recipes look for it without a root.

    Raises:
        DataError: an annotation is missing or cannot be read.
    """
    kind = places.reader_of(dataset)
    arguments = {} if usual else dict(root=str(folder))
    if dataset != kind.datasets[0]:
        arguments['dataset'] = dataset
    for split in kind.splits:
        started = time.monotonic()
        records = len(kind(split=split, **arguments))
        yield Indexed(split, records, time.monotonic() - started, 'on disk' if records >= INDEX_FROM else
                      f'not needed below {INDEX_FROM:,} records')
