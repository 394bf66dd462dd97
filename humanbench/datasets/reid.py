"""Person re-identification: crops whose identity and camera are in file names, lists or a MATLAB file."""
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..registry import DATASETS
from .base import HumanDataset, read_lines, read_mat, reading
from .roots import Folder

JUNK = -1
HIGHEST = 10 ** 9  # of the numbers of people and cameras


def number(value: str | float) -> int:
    """The number of a person or camera.

    Raises:
        ValueError: it is none.
    """
    found = int(value)
    if abs(found) > HIGHEST:
        raise ValueError(f'the number {str(value)[:40]} of a person or camera')
    return found


class ReIDDataset(HumanDataset):
    """Records with ``pid``, ``camid``, ``split`` and, in training splits, ``identity``, its 0-based label.

    Split ``test`` is ``query`` and ``gallery`` together, as a metric wants them.

    ``metainfo['num_ids']`` is the number of identities of the split, known once the records are read.
    """
    training_splits: tuple[str, ...] = ('train',)
    columns = ('pid',)

    def split_records(self, split: str) -> Iterable[dict]:
        """The records of one split of the native format."""
        raise NotImplementedError

    def load_records(self) -> Iterator[dict]:
        for split in ('query', 'gallery') if self.split == 'test' else (self.split,):
            for record in self.split_records(split):
                yield dict(record, split=split)

    def derived_columns(self, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(identity=np.unique(columns['pid'], return_inverse=True)[1].astype(np.int32))

    def full_init(self) -> None:
        if self._fully_initialized:
            return
        super().full_init()
        self._metainfo['num_ids'] = int(self._table.columns['identity'].max()) + 1

    def record(self, idx: int) -> dict[str, Any]:
        record = super().record(idx)
        if self.split in self.training_splits:
            record['identity'] = int(self._table.columns['identity'][self._rows[idx]])
        return record

    def identities(self) -> np.ndarray:
        """(n,) training label of every record, for samplers that draw several images of a person."""
        return self.column('identity')

    def market_records(self, folder: Folder) -> list[dict]:
        """Records of a folder of ``PID_cCAM...`` files without the junk."""
        records = []
        for name in self.list_images(folder):
            match = _MARKET_NAME.match(name)
            if match is None:
                raise DataError(f"'{folder.path}/{name}': names of {self.card.name} images begin with identity "
                                "and camera, as in '0002_c1s1_000451_03.jpg'. Move away what does not belong there.")
            pid = int(match[1])
            if pid != JUNK:
                records.append(dict(img_path=f'{folder.path}/{name}', pid=pid, camid=int(match[2])))
        return records


_MARKET_NAME = re.compile(r'(-?\d{1,9})_c(\d)')


@DATASETS.register_module()
class Market1501(ReIDDataset):
    """Market-1501: identity and camera in the file name; identity -1 (junk) is dropped, 0 (distractor) kept."""
    datasets = ('market1501',)
    splits = ('train', 'query', 'gallery', 'test')

    def split_records(self, split: str) -> list[dict]:
        names = dict(train='bounding_box_train', query='query', gallery='bounding_box_test')
        return self.market_records(self.image_folder(names[split]))


@DATASETS.register_module()
class CUHK03(ReIDDataset):
    """CUHK03, new protocol, as Market-like folders or as image folder plus protocol file.

    Args:
        boxes: ``'detected'`` (the benchmark's) or ``'labeled'``.
    """
    datasets = ('cuhk03',)
    splits = ('train', 'query', 'gallery', 'test')

    def __init__(self, *args, boxes: str = 'detected', **kwargs):
        self.boxes = boxes
        super().__init__(*args, **kwargs)

    def split_records(self, split: str) -> list[dict]:
        protocol = f'cuhk03_new_protocol_config_{self.boxes}.mat'
        names = dict(train='bounding_box_train', query='query', gallery='bounding_box_test')
        folder = f'{self.boxes}/{names[split]}'
        folders_present = self._img_dir is not None or self.has(folder)
        self._refuse_original(folders_present or self.has(f'images_{self.boxes}'))
        if self._ann_file is None and (folders_present or not self.has(protocol)):
            return self.market_records(self.image_folder(folder))
        return self._protocol_records(self.annotation(protocol), split)

    def _refuse_original(self, has_images: bool) -> None:
        """The release holds its images inside a file of MATLAB 7.3, that is HDF5, for which no library is here."""
        for name in ('cuhk-03.mat', 'cuhk03_release/cuhk-03.mat'):
            if not has_images and self.has(name):
                raise DataError(
                    f"'{self.root / name}' holds the images of CUHK03 in a form that is not read here (HDF5). Expected "
                    f"them as files: in images_{self.boxes}/, named as in the protocol file (1_001_1_01.png), which "
                    'deep-person-reid writes there when it first reads this file; or in the folders of CUHK03-NP, '
                    f'{self.boxes}/bounding_box_train/ and so on.')

    def _protocol_records(self, path: Path, split: str) -> list[dict]:
        expected = 'the variables filelist, labels, camId, train_idx, query_idx and gallery_idx'
        mat = read_mat(path, expected)
        folder = self.image_folder(f'images_{self.boxes}')
        with reading(path, expected):
            files = [str(x[0]) for x in mat['filelist'].ravel()]
            pids, cameras = mat['labels'].ravel(), mat['camId'].ravel()
            rows = mat[f'{split}_idx'].ravel().astype(np.int64) - 1  # MATLAB counts from 1
            return [dict(img_path=folder.join(files[i]), pid=number(pids[i]), camid=number(cameras[i])) for i in rows]


@DATASETS.register_module()
class MSMT17(ReIDDataset):
    """MSMT17 V1: list files of ``path label``, the camera in the third field of the name.

    Labels of training and test lists both begin at 0 for different people; ``pid`` of the test lists is moved up by
    :attr:`TEST_PIDS`, so that a ``pid`` names one person, and 0 keeps its meaning of a distractor there.
    """
    datasets = ('msmt17',)
    splits = ('train', 'train_only', 'val', 'query', 'gallery', 'test')
    training_splits = ('train', 'train_only', 'val')
    TEST_PIDS = 10000

    _LISTS = dict(train=('list_train.txt', 'list_val.txt'), train_only=('list_train.txt',), val=('list_val.txt',),
                  query=('list_query.txt',), gallery=('list_gallery.txt',))

    def split_records(self, split: str) -> list[dict]:
        test = split in ('query', 'gallery')
        folder = self.image_folder('test' if test else 'train')
        lists = self._LISTS[split] if self._ann_file is None else ('',)
        return [self._record(folder, line, path, self.TEST_PIDS if test else 0)
                for path in map(self.annotation, lists) for line in read_lines(path)]

    def _record(self, folder: Folder, line: str, path: Path, first_pid: int) -> dict[str, Any]:
        with reading(path, "lines such as '0000/0000_000_01_0303morning_0008_0.jpg 0'"):
            name, label = line.rsplit(' ', 1)
            return dict(img_path=folder.join(name), pid=number(label) + first_pid,
                        camid=number(name.rsplit('/', 1)[-1].split('_')[2]))
