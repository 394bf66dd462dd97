"""What the records of one split name, as arrays: read once through the dataset's reader, and kept with its findings."""
import hashlib
import json
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...catalog import DatasetCard
from ...files import name_key, replacing
from .. import storage
from ..base import HumanDataset
from ..storage import cache_folder
from ..table import stamps
from . import rules
from .problems import Notebook, Problem
from .rules import EXTENT, extent, findings

IMAGE, LABELS, DEPTH = 0, 1, 2


def relative(path: str, root: str) -> str:
    """The name of a file below the root; its path where it lies elsewhere."""
    return os.path.normpath(path).removeprefix(os.path.join(os.path.normpath(root), ''))


def below_root(text: str, root: str) -> str:
    """A message with names below the root in place of whole paths, or of URLs."""
    return text.replace(f'{storage.described(root)}/', '').replace(f'{root}/', '')


@dataclass
class Listing:
    """One split of one dataset.

    Attributes:
        root: folder of the dataset.
        files: names of the images, label maps and depth beside images, each once; below the root where they are.
        kinds: (f,) :data:`IMAGE`, :data:`LABELS` or :data:`DEPTH`.
        keys: (f,) of the names.
        images: (n,) per record the number of its image in ``files``.
        maps: (n,) that of its label map, -1 where it has none.
        extents: (n, 6), see :func:`.rules.extent`.
        sizes: (n, 2) width and height that the annotation states, 0 where it does not.
        pids: (n,) identities; -1 where there are none.
        counts: ``persons`` (of detection, boxes that count), ``boxes`` (with ignored ones), ``points``, ``captions``,
            ``ids`` (of person search, people with a name), ``frames`` (images that lie in a file together).
        named: (m,) sorted keys of all files that the annotation names, whether a record uses them or not.
        folders: that the reader takes images from.
        problems: found in the records.
    """
    dataset: str
    split: str
    root: str
    files: list[str]
    kinds: np.ndarray
    keys: np.ndarray
    images: np.ndarray
    maps: np.ndarray
    extents: np.ndarray
    sizes: np.ndarray
    pids: np.ndarray
    counts: dict[str, int]
    named: np.ndarray
    folders: list[str]
    problems: list[Problem]

    def __len__(self) -> int:
        return len(self.images)

    def path(self, number: int) -> str:
        """Where file ``number`` is."""
        return os.path.join(self.root, self.files[number])


_ARRAYS = ('kinds', 'keys', 'images', 'maps', 'extents', 'sizes', 'pids', 'named')
_VALUES = ('dataset', 'split', 'root', 'counts', 'folders')


def listing(reader: HumanDataset) -> Listing:
    """What the records of a reader name; from an earlier time where none of its files has changed since.

    Args:
        reader: not yet initialised (``lazy_init=True``).

    Raises:
        DataError: the annotation is missing or cannot be read.
    """
    name = f'{reader.dataset}-{reader.split}-{reader._index_key()}-{_rules_key(reader.card)}.npz'
    kept = cache_folder() / 'doctor' / name
    return _load(kept) or _make(reader, kept)


def _rules_key(card: DatasetCard) -> str:
    """Of what records are held against: the rules and the card."""
    digest = hashlib.sha256(repr(card).encode())
    for path in (__file__, rules.__file__):
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:8]


def _load(path: Path) -> Listing | None:
    if not path.is_file():
        return None
    with np.load(path) as data:
        arrays = {name: data[name] for name in _ARRAYS}
        meta, names = json.loads(data['meta'].tobytes()), data['files'].tobytes()
    if stamps(meta['made_of']) != meta['made_of']:
        return None
    return Listing(**arrays, **{name: meta[name] for name in _VALUES},
                   files=[os.fsdecode(x) for x in names.split(b'\0')] if names else [],
                   problems=[Problem(**x) for x in meta['problems']])


def _keep(result: Listing, made_of: dict[str, list[int]], path: Path) -> None:
    meta = {name: getattr(result, name) for name in _VALUES} | dict(
        made_of=made_of, problems=[vars(x) for x in result.problems])
    with replacing(path) as beside, open(beside, 'wb') as file:
        np.savez(file, **{name: getattr(result, name) for name in _ARRAYS},
                 meta=np.frombuffer(json.dumps(meta).encode(), np.uint8),
                 files=np.frombuffer(b'\0'.join(map(os.fsencode, result.files)), np.uint8))


def _make(reader: HumanDataset, kept: Path) -> Listing:
    named = array('q')
    folders, collector = _watch(reader, named), _Collector(reader)
    _watch_attributes(reader, collector.notebook)
    for number in range(len(reader)):
        collector.add(reader.record(number))
    result = collector.finish(np.unique(np.array(named, np.int64)), sorted(folders))
    _keep(result, stamps(reader._consulted), kept)
    return result


def _watch(reader: HumanDataset, named: array) -> set[str]:
    """Notes every file that the annotation names and every folder it is in, while the reader reads. It does read, index
    or not, and leaves it to others to look for the images."""
    folders, root = set(), os.fspath(reader.root)
    open_folder, list_files = reader.folder, reader.list_files

    def folder(name):
        found = open_folder(name)
        folders.add(found.path)
        join = found.join

        def recorded(name: str) -> str:
            path = join(name)
            named.append(name_key(relative(path, root)))
            return path
        found.join = recorded
        return found

    def files(folder, suffixes: tuple[str, ...], name: str = '') -> list[str]:
        found = list_files(folder, suffixes, name)
        named.extend(name_key(relative(os.path.join(folder.path, name, x), root)) for x in found)
        return found

    reader.folder, reader.list_files = folder, files
    reader._fresh_table, reader._look_for_images = lambda folder: None, lambda: None
    return folders


def _watch_attributes(reader: HumanDataset, notebook: Notebook) -> None:
    """Notes native attribute values that mean nothing: the reader has to take them for unknown."""
    if not hasattr(reader, 'attribute_records'):
        return
    convert = reader.attribute_records

    def records(path: Path, names: list[str], labels: np.ndarray, images: str) -> list[dict]:
        for row, column in np.argwhere(~np.isin(labels, rules.NATIVE_ATTRIBUTES)):
            notebook.add('labels', reader.split, f'{images}/{names[row]}', f'record {row}: attribute {column} is '
                         f'{labels[row, column]}, which is read as unknown')
        return convert(path, names, labels, images)
    reader.attribute_records = records


class _Collector:
    """Takes records one at a time."""

    def __init__(self, reader: HumanDataset):
        self.reader, self.root = reader, os.fspath(reader.root)
        self.files: list[str] = []
        self.keys, self.kinds, self.images, self.maps, self.pids = (array('q') for _ in range(5))
        self.numbers: dict[int, int] = {}
        self.extents, self.sizes, self.contents = array('f'), array('i'), array('q')
        self.counts = dict.fromkeys(('persons', 'boxes', 'points', 'captions', 'frames'), 0)
        self.people: set[int] = set()
        self.notebook = Notebook(reader.dataset)

    def add(self, record: dict[str, Any]) -> None:
        image = self._number(record['img_path'], IMAGE)
        self.images.append(image)
        self.maps.append(self._number(record['seg_map_path'], LABELS) if 'seg_map_path' in record else -1)
        if record.get('depth_path') is not None:
            self._number(record['depth_path'], DEPTH)
        self.pids.append(record.get('pid', -1))
        self.extents.extend(extent(record))
        self.sizes.extend((record.get('width') or 0, record.get('height') or 0))
        self.contents.append(_content_key(record))
        instances = record.get('instances', ({},))
        self.counts['boxes'] += len(instances)
        self.counts['persons'] += sum(not x.get('ignore_flag') for x in instances)
        self.people.update(rules.named_people(record))
        self.counts['points'] += len(record.get('gt_points', ()))
        self.counts['captions'] += len(rules.captions(record))
        self.counts['frames'] += 'frame_index' in record
        for kind, what in findings(record, self.reader.card):
            self.notebook.add(kind, self.reader.split, self.files[image], f'record {len(self.images) - 1}: {what}')

    def _number(self, path: str, kind: int) -> int:
        name = relative(path, self.root)
        key = name_key(name)
        if key not in self.numbers:
            self.numbers[key] = len(self.files)
            self.files.append(name)
            self.keys.append(key)
            self.kinds.append(kind)
        return self.numbers[key]

    def finish(self, named: np.ndarray, folders: list[str]) -> Listing:
        self._duplicates()
        n, self.counts['ids'] = len(self.images), len(self.people)
        integers = {name: np.array(getattr(self, name), np.int64)
                    for name in ('kinds', 'keys', 'images', 'maps', 'pids')}
        return Listing(
            self.reader.dataset, self.reader.split, os.fspath(self.reader.root), self.files, **integers,
            extents=np.array(self.extents, np.float32).reshape(n, len(EXTENT)), counts=self.counts,
            sizes=np.array(self.sizes, np.int32).reshape(n, 2), named=named, folders=folders,
            problems=self.notebook.problems())

    def _duplicates(self) -> None:
        for first, second in _repeated(np.array(self.contents, np.int64)):
            self.notebook.add('duplicate', self.reader.split, self.files[self.images[second]],
                              f'record {second} repeats record {first}')


def _repeated(values: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, later) places of equal values."""
    order = np.argsort(values, kind='stable')
    same = np.flatnonzero(values[order][1:] == values[order][:-1])
    starts = np.searchsorted(values[order], values[order][same])
    yield from sorted(zip(order[starts].tolist(), order[same + 1].tolist()), key=lambda x: x[1])


def _content_key(record: dict[str, Any]) -> int:
    """64 bits of what makes a record this one: its image, and the person or the caption where it has several."""
    digest = hashlib.blake2b(os.fsencode(record['img_path']), digest_size=8)
    digest.update('\0'.join(rules.captions(record)).encode())
    for name in ('bbox', 'keypoints', 'frame_index'):
        if name in record:
            digest.update(np.asarray(record[name]).tobytes())
    return int.from_bytes(digest.digest(), 'little', signed=True)
