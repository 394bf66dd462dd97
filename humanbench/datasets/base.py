"""What all readers share: where files are, which split is read, and clear words about what is wrong on disk."""
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from .. import catalog, matlab
from ..catalog import DatasetCard
from ..errors import DataError, UserError, unknown_name
from . import storage
from .joints import LOOKED_AT, ReaderJoints, check_crops, open_joints
from .reading import reading
from .roots import Folder, dataset_root, usual_place
from .table import RecordTable, TableWriter, open_table, stamps

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')
FILES = ('img_path', 'seg_map_path', 'depth_path')  # what a record names
INDEX_FROM = 20_000  # records; fewer are read again from the native format before anybody would notice


def read_json(path: Path, expected: str) -> Any:
    """The contents of a JSON file."""
    with reading(path, expected), open(storage.local(path), 'rb') as file:
        return json.loads(file.read())


def read_mat(path: Path, expected: str) -> dict[str, Any]:
    """The variables of a MATLAB file (version 7 or older), looked through first: see :mod:`humanbench.matlab`."""
    with reading(path, expected):
        return matlab.load(storage.local(path).read_bytes())


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty."""
    with reading(path, 'lines of text'):
        return [x for x in storage.local(path).read_text(encoding='utf-8').splitlines() if x.strip()]


def chosen_rows(count: int, indices: int | Sequence[int] | None) -> Sequence[int]:
    """Which of ``count`` records are used: all, the first so many, or these.

    Raises:
        UserError: there is no such record.
    """
    rows = range(count)
    if indices is None or isinstance(indices, int):
        return rows[:indices]
    try:
        return [rows[i] for i in indices]
    except IndexError:
        raise UserError(f'indices name record {max(indices, key=abs)}; there are {count}, counted from 0.') from None


class HumanDataset(BaseDataset):
    """One split of one dataset in its native format.

    A record is a dict with the keys of MMPose, MMDetection and MMSegmentation, in 0-based pixels, plus ``dataset``,
    ``task`` and ``source``. :attr:`metainfo` carries the facts of the dataset card.

    Args:
        root: folder of the dataset, see :func:`humanbench.datasets.roots.dataset_root`.
        split: one of :attr:`splits`.
        pipeline: transforms.
        ann_file: annotation file in place of the one of the native layout; relative to the root.
        img_dir: image folder in place of the one of the native layout; relative to the root.
        indices: use only these records (or the first n); ``range(9, n, 10)`` is a tenth of n from everywhere.
        lazy_init: read nothing until :meth:`full_init`.
        dataset: id of the dataset where a class serves several.
        joints: of person crops, a joint store (:mod:`humanbench.joints`); relative to the root. Records then have
            ``keypoints`` and ``keypoints_visible`` in the order of COCO. None for that of :attr:`joints_file`, if any.
        min_score: joints with a lower score count as not known; at 0 all count.

    Raises:
        DataError: files are missing or cannot be read.
        UserError: unknown split or dataset, or joints for pictures that are no person crops.
    """
    datasets: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()  # keys whose integers of all records are wanted as one array
    joints_file: str | None = None  # records of readers with one always have joints, of which none may be known

    def __init__(self, root: str | os.PathLike | None = None, split: str = 'train', pipeline: Sequence = (),
                 ann_file: str | os.PathLike | None = None, img_dir: str | os.PathLike | None = None,
                 indices: int | Sequence[int] | None = None, lazy_init: bool = False, dataset: str | None = None,
                 joints: str | os.PathLike | None = None, min_score: float = 0.0):
        own = dict(vars(self))  # what a subclass has been told, before it calls this
        self.dataset = dataset or self.datasets[0]
        if self.dataset not in self.datasets:
            raise unknown_name(f'dataset of {type(self).__name__}', self.dataset, self.datasets)
        if split not in self.splits:
            raise unknown_name(f'split of {self.dataset}', split, self.splits)
        self.split = split
        self._root = root
        self._ann_file = ann_file
        self._img_dir = img_dir
        self._told = repr((self.dataset, split, str(ann_file), str(img_dir), sorted(own.items())))
        self._joints_file, self._min_score, self._joints = joints, min_score, None
        self._folders: list[Folder] = []
        self._consulted: set[str] = set()
        task = self.card.tasks[0]
        self._facts = dict(dataset=self.dataset, task=task, source=self.dataset, **self.record_facts())
        # test_mode: a pipeline that gives None is an error; mmengine would draw another record, out of the seeded order
        super().__init__(metainfo=dict(dataset=self.dataset, task=task, **self.card_facts()), pipeline=list(pipeline),
                         indices=indices, test_mode=True, lazy_init=lazy_init)

    @property
    def card(self) -> DatasetCard:
        """The card of the dataset."""
        return catalog.card(self.dataset)

    @cached_property
    def root(self) -> Path:
        """The folder of the dataset, which exists."""
        root = dataset_root(self._root, self.card)
        if not root.is_dir():
            raise self.missing(root, 'the folder')
        return root

    def fingerprint(self) -> str:
        """Hash of all records (file names below the root and labels): equal hashes, equal split."""
        digest, root = hashlib.sha256(), f'{self.root}/'
        with np.printoptions(threshold=sys.maxsize):  # or of an array of more than 1000 numbers only the ends count
            for i in range(len(self)):
                facts = sorted((key, repr(value).replace(root, '')) for key, value in self.record(i).items())
                digest.update(repr(facts).encode())
        if self._joints is not None and self._joints.store is not None:
            digest.update(f'{self._joints.store.digest} {self._min_score}'.encode())
        return digest.hexdigest()[:16]

    def card_facts(self) -> dict[str, Any]:
        """What :attr:`metainfo` says about the dataset."""
        return {}

    def record_facts(self) -> dict[str, Any]:
        """What is equal in all records; added when a record is used, stored once."""
        return {}

    def load_records(self) -> Iterable[dict]:
        """All records of the split, in the order of the annotation; a generator where they are many."""
        raise NotImplementedError

    def derived_columns(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What follows from the columns of all records: further columns, kept with them."""
        return {}

    def full_init(self) -> None:
        """Read the annotation, or open the index that an earlier reading of a large one has left."""
        if self._fully_initialized:
            return
        self._table = self._open_table()
        self._rows = chosen_rows(len(self._table), self._indices)
        if self._img_dir is None:
            self._look_for_images()
        self._joints = self._open_joints()
        self._fully_initialized = True

    def __len__(self) -> int:
        self.full_init()
        return len(self._rows)

    def column(self, name: str) -> np.ndarray:
        """(n,) integers of all records."""
        self.full_init()
        values = self._table.columns[name]
        return values[:len(self._rows)] if isinstance(self._rows, range) else values[self._rows]

    def record(self, idx: int) -> dict[str, Any]:
        """One record as :meth:`load_records` gave it."""
        self.full_init()
        return self._table[self._rows[idx]]

    def _open_table(self) -> RecordTable:
        folder = storage.cache_folder() / 'index' / f'{self.dataset}-{self.split}-{self._index_key()}'
        return self._fresh_table(folder) or self._make_table(folder)

    def _index_key(self) -> str:
        """Of what says which records these are: what the reader was told, and the code that reads."""
        digest = hashlib.sha256(f'{type(self).__qualname__} {self._told} {os.path.realpath(self.root)}'.encode())
        for kind in type(self).__mro__:
            if issubclass(kind, HumanDataset):
                digest.update(Path(sys.modules[kind.__module__].__file__).read_bytes())
        return digest.hexdigest()[:16]

    def _fresh_table(self, folder: Path) -> RecordTable | None:
        """The index, unless a file it was made of has changed since."""
        table = open_table(folder)
        if table is None or table.header['made_of'] != stamps(table.header['made_of']):
            return None
        storage.mark_used(folder)
        self._folders = [Folder(path) for path in table.header['folders']]
        self._metainfo.update(table.header['facts'])
        return table

    def _make_table(self, folder: Path) -> RecordTable:
        facts, started = dict(self._metainfo), time.monotonic()
        writer, lock = TableWriter(f'{self.root}/', self.columns), FileLock(f'{folder}.lock')
        try:
            for record in self.load_records():
                record.setdefault('img_id', os.path.basename(record['img_path']))
                writer.add(record)
                if len(writer) == INDEX_FROM:
                    self._begin_index(folder, lock)
                    made = self._fresh_table(folder)  # by another process, while this one waited
                    if made is not None:
                        return made
                    writer.spill(folder)
                if len(writer) % 500_000 == 0:
                    print_log(f'{self.card.name}: {len(writer):,} records read', 'current')
            if not len(writer):
                raise DataError(f"'{self.root}' has no record for split '{self.split}' of {self.card.name}. "
                                f'Expected: {self._expected()}.')
            columns = writer.columns()
            table = writer.finish(columns | self.derived_columns(columns), dict(
                made_of=stamps(self._consulted), folders=[x.path for x in self._folders],
                facts={key: value for key, value in self._metainfo.items() if key not in facts}))
        finally:
            writer.discard()
            lock.release()
        if len(table) >= INDEX_FROM:
            storage.forget_unused(folder.parent)
            print_log(f"{self.card.name}: {len(table):,} records of split '{self.split}' read in "
                      f"{time.monotonic() - started:.0f} s and indexed in '{folder}'", 'current')
        return table

    @staticmethod
    def _begin_index(folder: Path, lock: FileLock) -> None:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise UserError(f"cannot write the index '{folder}': {error.strerror}. Let $HUMANBENCH_CACHE name a folder "
                            'that can be written.') from error

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping | None = None) -> dict:
        return dict(metainfo or {})  # mmengine would take every text in it for the path of a file

    def get_data_info(self, idx: int) -> dict:
        record = {**self.record(idx), **self._facts, 'sample_idx': idx}
        return record if self._joints is None else record | self._joints.of(record['img_path'])

    def prepare_data(self, idx: int) -> Any:
        record = self.get_data_info(idx)
        for key in FILES:
            if record.get(key) is not None:
                self.inside(record[key])
        return self.pipeline(record)

    def inside(self, path: str | os.PathLike) -> Path:
        """The path of a file whose name is from a list or a folder, and which is no link that leads out."""
        if os.path.islink(path) and not any(x.contains(path) for x in (Folder(self.root), *self._folders)):
            raise DataError(f"'{path}' is a link that leads out of the dataset '{self.root}'. Expected a file; unpack "
                            'the dataset again, or give img_dir= (ann_file=) the place where it really is.')
        return Path(path)

    def annotation(self, *defaults: str) -> Path:
        """The annotation file: the one given by the user, or the first of ``defaults`` that exists."""
        names = defaults if self._ann_file is None else (self._ann_file,)
        path = self.file(next((x for x in names if storage.is_file(self.consulted(self.root / x))), names[0]),
                         'an annotation file', given=self._ann_file is not None)
        self._metainfo['ann_file'] = str(path)  # what predictions are scored against
        return path

    def file(self, name: str | os.PathLike, what: str, given: bool = False) -> Path:
        """A file of labels below the root; a copy of it where it is packed.

        Args:
            name: below the root.
            what: it is.
            given: by the user, who may name any file anywhere.
        """
        path = self.consulted(self.root / name)
        if not storage.is_file(path):
            raise self.missing(path, what)
        return storage.local(path if given else self.inside(path))

    def consulted(self, path: Path) -> Path:
        """Says that the records depend on this file or folder: when it changes, the index is made anew."""
        self._consulted.add(os.fspath(storage.made_of(path)))
        return path

    def has(self, name: str | os.PathLike) -> bool:
        """Whether there is such a file or folder below the root."""
        return storage.exists(self.consulted(self.root / name))

    def image_folder(self, default: str) -> Folder:
        """The image folder: the one given by the user, or ``default``."""
        return self.folder(default if self._img_dir is None else self._img_dir)

    def folder(self, name: str | os.PathLike) -> Folder:
        """A folder below the root (or anywhere, where the user says so), which exists."""
        path = self.root / name
        if not storage.is_folder(path):
            raise self.missing(path, 'a folder')
        folder = Folder(path)
        self._folders.append(folder)
        return folder

    def subfolders(self, folder: Folder, name: str = '') -> list[str]:
        """Names of the folders in a folder (or in folder ``name`` below it), sorted."""
        found = storage.list_folder(self.consulted(os.path.join(folder.path, name)))[1]
        return [x for x in found if not x.startswith('.')]

    def list_images(self, folder: Folder, name: str = '') -> list[str]:
        """Names of the images in a folder (or in folder ``name`` below it), sorted."""
        return self.list_files(folder, IMAGE_SUFFIXES, name)

    def list_files(self, folder: Folder, suffixes: tuple[str, ...], name: str = '') -> list[str]:
        """Names of the files that end in one of ``suffixes`` (lower case), sorted."""
        found = storage.list_folder(self.consulted(os.path.join(folder.path, name)))[0]
        return [x for x in found if x.lower().endswith(suffixes) and not x.startswith('.')]

    def missing(self, path: Path, what: str) -> DataError:
        """An error for a file or folder that is not there."""
        card = self.card
        return DataError(
            f"'{storage.described(path)}' is missing: expected {what} of {card.name}, split '{self.split}'. Layout: "
            f"{self._expected()}. Unpack the dataset into '{usual_place(card)}', or say where it is with root= or "
            f"$HUMANBENCH_DATA; root='minihuman:tiny' makes a synthetic one."
            + (f' Homepage: {card.homepage}.' if card.homepage else ''))

    def _expected(self) -> str:
        return '; '.join(f'{key}: {value}' for key, value in self.card.layout.files.items())

    def _some_records(self) -> list[dict[str, Any]]:
        """Records from everywhere in the split."""
        rows = self._rows
        return [self._table[row] for row in sorted({*rows[::max(1, len(rows) // LOOKED_AT)], *rows[-1:]})]

    def _open_joints(self) -> ReaderJoints | None:
        name = self.joints_file if self._joints_file is None else self._joints_file
        if name is None:
            return None
        path, records = self.consulted(self.root / name), self._some_records()
        for record in records[:1]:
            check_crops(record, self.dataset)
        if not records or not storage.is_file(path):
            if self._joints_file is None:
                return ReaderJoints(None)
            raise self.missing(path, 'a joint store, as `humanbench joints` fills them,')
        path = storage.local(self.inside(path) if self._joints_file is None else path)
        return open_joints(path, [os.fspath(self.root), *(x.path for x in self._folders)],
                           [os.fspath(self.inside(x['img_path'])) for x in records], self._min_score)

    def _look_for_images(self) -> None:
        """A dataset of which only some archives were unpacked fails here, not hours later."""
        for record in self._some_records():
            for key in FILES:
                if record.get(key) is not None and not storage.exists(record[key]):
                    raise self.missing(Path(record[key]), 'a file that the annotation lists')


def flip_facts(card: DatasetCard) -> dict[str, np.ndarray]:
    """``flip_indices``: where each keypoint or class goes in a mirror image."""
    return dict(flip_indices=np.array(card.flip_indices))


def require(record: Mapping, keys: Sequence[str], path: Path) -> None:
    """Checks that an annotation record has ``keys``."""
    if not isinstance(record, Mapping):
        raise DataError(f"a record of '{path}' is {record!r:.80}; expected an object with {', '.join(keys)}.")
    absent = [x for x in keys if x not in record]
    if absent:
        raise DataError(f"a record of '{path}' lacks {', '.join(absent)}; it has {', '.join(map(str, record))}.")
