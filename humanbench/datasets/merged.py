"""Several datasets under one head, as PATH trains on them: one reader over the readers of each."""
import hashlib
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from mmengine.dataset import Compose
from torch.utils.data import Dataset

from .. import catalog
from ..errors import UserError, unknown_name
from ..registry import DATASETS
from .base import HumanDataset, chosen_rows
from .places import card_of
from .roots import MINIHUMAN


def placed(reader: Mapping | HumanDataset, root: str | os.PathLike | None) -> Mapping | HumanDataset:
    """An entry of a merged dataset with the root that the merged one gives it."""
    if root is None or not isinstance(reader, Mapping):
        return reader
    card = card_of(reader)
    if card is None:
        return reader  # of the user's own: it has no usual place
    root = os.fspath(root)
    return {**reader, 'root': root if root.startswith(MINIHUMAN) else f'{root.rstrip("/")}/{card.layout.root}'}


class MergedDataset(Dataset):
    """The records of several readers, one reader after the other, under one label space.

    A record says by ``dataset`` where it is from. A dataset that is missing raises its own error.

    Args:
        datasets: readers, or their configs without pipelines.
        pipeline: transforms of all of them.
        root: folder (or URL) in which each dataset lies at its usual place, or ``minihuman:SIZE``; None leaves that to
            the configs.
        indices: use only these records (or the first n) of all together.
        lazy_init: read nothing until :meth:`full_init`.

    Raises:
        UserError: nothing to merge, or datasets of another task.
    """
    task: str

    def __init__(self, datasets: Sequence[Mapping | HumanDataset], pipeline: Sequence = (),
                 root: str | os.PathLike | None = None, indices: int | Sequence[int] | None = None,
                 lazy_init: bool = False):
        if not datasets:
            raise UserError(f'{type(self).__name__} has an empty list of datasets: nothing to merge.')
        self.readers = [self._built(placed(x, root)) for x in datasets]
        self.pipeline = Compose(list(pipeline))
        self._indices = indices
        self._rows: Sequence[int] | None = None
        if not lazy_init:
            self.full_init()

    def _built(self, reader: Mapping | HumanDataset) -> HumanDataset:
        if isinstance(reader, Mapping):
            if reader.get('pipeline'):
                raise UserError(f'{type(self).__name__}: an entry of its datasets has a pipeline. Give one pipeline, '
                                'beside the list of datasets, for all of them.')
            reader = DATASETS.build(dict(reader, lazy_init=True))
        if reader.metainfo['task'] != self.task:
            raise UserError(f"{type(self).__name__} merges datasets of task {self.task}; "
                            f"'{reader.metainfo['dataset']}' is of task {reader.metainfo['task']}.")
        return reader

    def full_init(self) -> None:
        """Read all annotations."""
        if self._rows is not None:
            return
        for reader in self.readers:
            reader.full_init()
        self._starts = [0, *accumulate(map(len, self.readers))]
        self._join_labels()
        self._rows = chosen_rows(self._starts[-1], self._indices)

    def _join_labels(self) -> None:
        """Where the labels of each reader begin, once all are read."""

    def _converted(self, number: int, record: dict[str, Any]) -> dict[str, Any]:
        """A record of reader ``number`` with labels of the joint space."""
        return record

    @property
    def metainfo(self) -> dict[str, Any]:
        """``task``, the ids of the ``datasets``, and what the joint label space holds."""
        return dict(task=self.task, dataset='+'.join(self.names), datasets=self.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Dataset ids, in order."""
        return tuple(x.metainfo['dataset'] for x in self.readers)

    def __len__(self) -> int:
        self.full_init()
        return len(self._rows)

    def _locate(self, index: int) -> tuple[int, int]:
        """Number of the reader and of the record in it."""
        self.full_init()
        row = self._rows[index]
        number = bisect_right(self._starts, row) - 1
        return number, row - self._starts[number]

    def get_data_info(self, index: int) -> dict[str, Any]:
        """The record that the pipeline gets."""
        number, row = self._locate(index)
        return dict(self._converted(number, self.readers[number].get_data_info(row)), sample_idx=index)

    def __getitem__(self, index: int) -> Any:
        number, row = self._locate(index)
        record = self.readers[number].prepare_data(row)  # its pipeline is empty, and what it checks is checked
        return self.pipeline(dict(self._converted(number, record), sample_idx=index))

    def fingerprint(self) -> str:
        """Hash of all records: equal hashes, equal data."""
        self.full_init()
        parts = [x.fingerprint() for x in self.readers]
        return hashlib.sha256(repr((type(self).__name__, parts, self._rows)).encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        inside = [f'{name} {reader.split}' + (f' {len(reader):,}' if self._rows is not None else '')
                  for name, reader in zip(self.names, self.readers, strict=True)]
        return f'{type(self).__name__}({", ".join(inside)})'


@DATASETS.register_module()
class EqualShares(Dataset):
    """Several datasets of different sizes of which equally many samples are drawn, whatever their sizes.

    Position p is of reader p modulo k, of k readers, and of a length of k times the largest one: whoever goes through
    all positions once, in any order and on any number of ranks, sees every record of the largest dataset once and those
    of the others more often, each as often as any other of its dataset or once more.

    Each reader has a pipeline of its own; all samples must come out alike. They say by ``dataset`` where they are from,
    have ``task`` of this dataset, and by ``index`` the number of their record among all records of all readers, which
    stays the same however often it is drawn: what a memory of features is kept by.

    Args:
        datasets: readers, or their configs, with pipelines.
        task: of the samples.
        root: as for :class:`MergedDataset`.
        lazy_init: read nothing until :meth:`full_init`.

    Raises:
        UserError: nothing to share, or an entry without a pipeline.
    """

    def __init__(self, datasets: Sequence[Mapping | HumanDataset], task: str = 'pretext',
                 root: str | os.PathLike | None = None, lazy_init: bool = False):
        if not datasets:
            raise UserError('EqualShares has an empty list of datasets: nothing to share.')
        if task not in catalog.ALL_TASKS:
            raise unknown_name('task', task, catalog.ALL_TASKS)
        self.task = task
        self.readers = [self._built(placed(x, root)) for x in datasets]
        self._starts: list[int] | None = None
        if not lazy_init:
            self.full_init()

    @staticmethod
    def _built(reader: Mapping | HumanDataset) -> HumanDataset:
        reader = DATASETS.build(dict(reader, lazy_init=True)) if isinstance(reader, Mapping) else reader
        if not reader.pipeline.transforms:
            raise UserError(f"EqualShares: the entry '{reader.metainfo['dataset']}' has no pipeline. Give each dataset "
                            'one of its own, all of which end in samples of one size.')
        return reader

    def full_init(self) -> None:
        """Read all annotations."""
        if self._starts is None:
            self._starts = [0, *accumulate(map(len, self.readers))]  # whose lengths they know once they have read

    @property
    def num_records(self) -> int:
        """Records of all readers together: ``index`` is below it."""
        self.full_init()
        return self._starts[-1]

    @property
    def metainfo(self) -> dict[str, Any]:
        """``task``, the ids of the ``datasets``, and ``num_records``."""
        names = tuple(x.metainfo['dataset'] for x in self.readers)
        return dict(task=self.task, dataset='+'.join(names), datasets=names, num_records=self.num_records)

    def __len__(self) -> int:
        return self.length_of([len(x) for x in self.readers])

    @staticmethod
    def length_of(sizes: Sequence[int]) -> int:
        """Positions over datasets of these sizes."""
        return len(sizes) * max(sizes)

    def _located(self, position: int) -> tuple[HumanDataset, int, dict[str, Any]]:
        """The reader, the number of the record in it, and what samples from this position say."""
        if not 0 <= position < len(self):
            raise IndexError(f'position {position} of {len(self)}')
        self.full_init()
        row, number = divmod(position, len(self.readers))
        row %= len(self.readers[number])
        return self.readers[number], row, dict(task=self.task, sample_idx=position, index=self._starts[number] + row)

    def get_data_info(self, position: int) -> dict[str, Any]:
        """The record at a position."""
        reader, row, facts = self._located(position)
        return {**reader.get_data_info(row), **facts}

    def __getitem__(self, position: int) -> Any:
        reader, row, facts = self._located(position)
        sample = reader.prepare_data(row)
        sample['data_samples'].set_metainfo(facts)
        return sample

    def fingerprint(self) -> str:
        """Hash of all records: equal hashes, equal data."""
        parts = [x.fingerprint() for x in self.readers]
        return hashlib.sha256(repr((type(self).__name__, parts)).encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        inside = [f'{x.metainfo["dataset"]} {x.split}' for x in self.readers]
        return f'EqualShares({", ".join(inside)})'


@DATASETS.register_module()
class MergedReID(MergedDataset):
    """Training splits for person re-identification: the identities of each dataset follow those of the one before."""
    task = 'reid'

    def _join_labels(self) -> None:
        for reader in self.readers:
            if reader.split not in reader.training_splits:
                raise UserError(f"MergedReID: split '{reader.split}' of '{reader.metainfo['dataset']}' is for testing "
                                f'and has no training labels. Known: {", ".join(reader.training_splits) or "none"}.')
        self._offsets = [0, *accumulate(x.metainfo['num_ids'] for x in self.readers)]

    @property
    def metainfo(self) -> dict[str, Any]:
        self.full_init()
        return dict(super().metainfo, num_ids=self._offsets[-1])

    def _converted(self, number: int, record: dict[str, Any]) -> dict[str, Any]:
        return dict(record, identity=record['identity'] + self._offsets[number])

    def identities(self) -> np.ndarray:
        """(n,) training label of every record, for samplers that draw several images of a person."""
        self.full_init()
        labels = np.concatenate([
            reader.identities() + offset for reader, offset in zip(self.readers, self._offsets, strict=False)])
        return labels[:len(self._rows)] if isinstance(self._rows, range) else labels[self._rows]


@DATASETS.register_module()
class MergedAttributes(MergedDataset):
    """Pedestrian attributes: the columns of each dataset follow those of the one before, and a record knows its own;
    all others are -1, unknown. Two splits of one dataset share its columns.

    Args:
        space: ids of the datasets that have columns, in order; None for those that are read. A head that was trained
            on several is tested on one of them in the space of all.
        arguments: of :class:`MergedDataset`.
    """
    task = 'attribute'

    def __init__(self, datasets: Sequence[Mapping | HumanDataset], space: Sequence[str] | None = None,
                 lazy_init: bool = False, **arguments: Any):
        super().__init__(datasets, lazy_init=True, **arguments)
        self._join_cards(space)
        if not lazy_init:
            self.full_init()

    def _join_cards(self, space: Sequence[str] | None) -> None:
        """The joint label space: cards say what is in it, before any file is read."""
        cards = {name: catalog.card(name) for name in space or self.names}
        for name in self.names:
            if name not in cards:
                raise unknown_name('dataset of the label space', name, cards)
        starts = [0, *accumulate(len(x.attributes) for x in cards.values())]
        self._columns = {name: slice(*x) for name, x in zip(cards, zip(starts, starts[1:], strict=False), strict=True)}
        self._classes = tuple(f'{name}/{x}' for name, card in cards.items() for x in card.attributes)
        flips = [start + np.array(x.flip_indices) for start, x in zip(starts, cards.values(), strict=False)]
        self._flip = np.concatenate(flips) if any(x.flip_pairs for x in cards.values()) else None

    @property
    def metainfo(self) -> dict[str, Any]:
        return dict(super().metainfo, classes=self._classes, num_attributes=len(self._classes))

    def _converted(self, number: int, record: dict[str, Any]) -> dict[str, Any]:
        values = np.full(len(self._classes), -1, np.int8)
        values[self._columns[record['dataset']]] = record['attributes']
        record = dict(record, attributes=values)
        return record if self._flip is None else dict(record, flip_indices=self._flip)


@DATASETS.register_module()
class MergedDetection(MergedDataset):
    """Detection: people of all datasets are one class. Image ids begin with the dataset, because they may be equal."""
    task = 'detection'

    def _converted(self, number: int, record: dict[str, Any]) -> dict[str, Any]:
        return dict(record, img_id=f'{record["dataset"]}/{record["img_id"]}',
                    instances=[dict(x, bbox_label=0) for x in record['instances']])
