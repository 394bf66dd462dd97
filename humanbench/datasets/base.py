"""What all readers share: where files are, which split is read, and clear words about what is wrong on disk."""
import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from mmengine.dataset import BaseDataset

from .. import catalog
from ..catalog import DatasetCard
from ..errors import DataError, unknown_name
from .roots import Folder, dataset_root

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')
NUM_IMAGES_LOOKED_FOR = 32

# What parsers of foreign files raise on bytes they cannot make sense of.
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OSError, NotImplementedError,
               MemoryError, struct.error, zlib.error, scipy.io.matlab.MatReadError)


@contextmanager
def reading(path: str | os.PathLike, expected: str) -> Iterator[None]:
    """Turns whatever goes wrong while an annotation file is parsed into a DataError that names the file.

    Args:
        path: of the file.
        expected: what it should hold.
    """
    try:
        yield
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(f"cannot read '{path}': {type(error).__name__}: {error}. Expected {expected}. The file may be "
                        'truncated or of another release; unpack or download it again.') from error


def read_json(path: Path, expected: str) -> Any:
    """The contents of a JSON file."""
    with reading(path, expected), open(path, 'rb') as file:
        return json.loads(file.read())


def read_mat(path: Path, expected: str) -> dict[str, Any]:
    """The variables of a MATLAB file (version 7 or older)."""
    with reading(path, expected):
        return scipy.io.loadmat(path)


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty."""
    with reading(path, 'lines of text'):
        return [x for x in path.read_text(encoding='utf-8').splitlines() if x.strip()]


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
        indices: use only these records (or the first n).
        lazy_init: read nothing until :meth:`full_init`.
        dataset: id of the dataset where a class serves several.

    Raises:
        DataError: files are missing or cannot be read.
        UserError: unknown split or dataset.
    """
    datasets: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()

    def __init__(self, root: str | os.PathLike | None = None, split: str = 'train', pipeline: Sequence = (),
                 ann_file: str | os.PathLike | None = None, img_dir: str | os.PathLike | None = None,
                 indices: int | Sequence[int] | None = None, lazy_init: bool = False, dataset: str | None = None):
        self.dataset = dataset or self.datasets[0]
        if self.dataset not in self.datasets:
            raise unknown_name(f'dataset of {type(self).__name__}', self.dataset, self.datasets)
        if split not in self.splits:
            raise unknown_name(f'split of {self.dataset}', split, self.splits)
        self.split = split
        self._root = root
        self._ann_file = ann_file
        self._img_dir = img_dir
        self._folders: list[Folder] = []
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
        for i in range(len(self)):
            record = super().get_data_info(i)
            digest.update(repr(sorted((key, repr(value).replace(root, '')) for key, value in record.items())).encode())
        return digest.hexdigest()[:16]

    def card_facts(self) -> dict[str, Any]:
        """What :attr:`metainfo` says about the dataset."""
        return {}

    def record_facts(self) -> dict[str, Any]:
        """What is equal in all records; added when a record is used, stored once."""
        return {}

    def load_records(self) -> list[dict]:
        """All records of the split, in the order of the annotation."""
        raise NotImplementedError

    def load_data_list(self) -> list[dict]:
        records = self.load_records()
        if not records:
            raise DataError(f"'{self.root}' has no record for split '{self.split}' of {self.card.name}. "
                            f'Expected: {self._expected()}. See {self.card.homepage}.')
        for record in records:
            record.setdefault('img_id', os.path.basename(record['img_path']))
        if self._img_dir is None:
            self._look_for_images(records)
        return records

    @classmethod
    def _load_metainfo(cls, metainfo: Mapping | None = None) -> dict:
        return dict(metainfo or {})  # mmengine would take every text in it for the path of a file

    def get_data_info(self, idx: int) -> dict:
        return {**super().get_data_info(idx), **self._facts}

    def prepare_data(self, idx: int) -> Any:
        record = self.get_data_info(idx)
        for key in ('img_path', 'seg_map_path'):
            path = record.get(key)
            if path is not None and os.path.islink(path) and not any(x.contains(path) for x in self._folders):
                raise DataError(f"'{path}' is a link that leads out of the dataset '{self.root}'. Expected a file; "
                                'unpack the dataset again, or give img_dir= the folder where the images really are.')
        return self.pipeline(record)

    def annotation(self, *defaults: str) -> Path:
        """The annotation file: the one given by the user, or the first of ``defaults`` that exists."""
        names = defaults if self._ann_file is None else (self._ann_file,)
        for name in names:
            if (self.root / name).is_file():
                return self.root / name
        raise self.missing(self.root / names[0], 'an annotation file')

    def image_folder(self, default: str) -> Folder:
        """The image folder: the one given by the user, or ``default``."""
        return self.folder(default if self._img_dir is None else self._img_dir)

    def folder(self, name: str | os.PathLike) -> Folder:
        """A folder below the root (or anywhere, where the user says so), which exists."""
        path = self.root / name
        if not path.is_dir():
            raise self.missing(path, 'a folder')
        folder = Folder(path)
        self._folders.append(folder)
        return folder

    def list_images(self, folder: Folder) -> list[str]:
        """Names of the images in a folder, sorted."""
        with os.scandir(folder.path) as entries:
            return sorted(x.name for x in entries
                          if x.name.lower().endswith(IMAGE_SUFFIXES) and not x.name.startswith('.'))

    def missing(self, path: Path, what: str) -> DataError:
        """An error for a file or folder that is not there."""
        card = self.card
        return DataError(
            f"'{path}' is missing: expected {what} of {card.name}, split '{self.split}'. Layout: {self._expected()}. "
            f"Unpack the dataset into '{dataset_root(None, card)}', or say where it is with root= or $HUMANBENCH_DATA; "
            f"root='minihuman:tiny' makes a synthetic one. Homepage: {card.homepage}.")

    def _expected(self) -> str:
        return '; '.join(f'{key}: {value}' for key, value in self.card.layout.files.items())

    def _look_for_images(self, records: list[dict]) -> None:
        """A dataset of which only some archives were unpacked fails here, not hours later."""
        if self._indices is not None:
            records = records[:self._indices] if isinstance(self._indices, int) else [records[i] for i in self._indices]
        step = max(1, len(records) // NUM_IMAGES_LOOKED_FOR)
        for record in [*records[::step], records[-1]]:
            for key in ('img_path', 'seg_map_path'):
                if key in record and not os.path.exists(record[key]):
                    raise self.missing(Path(record[key]), 'a file that the annotation lists')


def flip_facts(card: DatasetCard) -> dict[str, np.ndarray]:
    """``flip_indices``: where each keypoint or class goes in a mirror image."""
    return dict(flip_indices=np.array(card.flip_indices))


def require(record: Mapping, keys: Sequence[str], path: Path) -> None:
    """Checks that an annotation record has ``keys``."""
    absent = [x for x in keys if x not in record]
    if absent:
        raise DataError(f"a record of '{path}' lacks {', '.join(absent)}; it has {', '.join(map(str, record))}.")
