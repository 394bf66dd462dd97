"""Pedestrian attributes: crops with one row of labels each, from MATLAB files or file names."""
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import catalog
from ..errors import DataError, UserError
from ..registry import DATASETS
from .base import HumanDataset, flip_facts, read_mat, reading

PARTITIONS = {'train': ('train',), 'val': ('val',), 'test': ('test',), 'trainval': ('train', 'val')}


class AttributeDataset(HumanDataset):
    """Records with ``attributes``: int8 (A,), 1 present, 0 absent, -1 unknown; and with ``bbox``, (1, 4) float32
    corners, where the person is to be cut out of a photo.
    """
    splits = tuple(PARTITIONS)

    def card_facts(self) -> dict[str, Any]:
        return dict(classes=self.card.attributes, num_attributes=len(self.card.attributes))

    def record_facts(self) -> dict[str, Any]:
        return flip_facts(self.card) if self.card.flip_pairs else {}

    def groups(self) -> dict[str, int]:
        """Attributes that are values of one thing and its number of values; ``GROUP-VALUE`` on the card."""
        return Counter(x.partition('-')[0] for x in self.card.attributes)

    def attribute_records(self, path: Path, names: list[str], labels: np.ndarray, images: str) -> list[dict]:
        """Records of image names and their (n, A) raw labels, which are from file ``path``."""
        expected = len(self.card.attributes)
        if labels.shape != (len(names), expected):
            raise DataError(f"{self.card.name}, '{path}': the labels of split '{self.split}' have shape "
                            f'{labels.shape}; expected {(len(names), expected)}, one column for each attribute.')
        values = np.where(labels == 1, 1, np.where(labels == 0, 0, -1)).astype(np.int8)
        folder = self.image_folder(images)
        return [dict(img_path=folder.join(name), attributes=row) for name, row in zip(names, values, strict=True)]


@DATASETS.register_module()
class PA100K(AttributeDataset):
    """PA-100K: ``annotation.mat`` with names and labels of each split."""
    datasets = ('pa100k',)

    def load_records(self) -> list[dict]:
        path = self.annotation('annotation.mat', 'annotation/annotation.mat')
        expected = 'the variables {train,val,test}_images_name and {train,val,test}_label'
        mat = read_mat(path, expected)
        with reading(path, expected):
            parts = PARTITIONS[self.split]
            names = [str(x[0]) for part in parts for x in mat[f'{part}_images_name'][:, 0]]
            labels = np.concatenate([mat[f'{part}_label'] for part in parts])
        return self.attribute_records(path, names, labels, 'data')


def _partition_rows(partitions: np.ndarray, split: str, suffix: str, number: int = 0) -> np.ndarray:
    """0-based rows of a split in one of the random partitions."""
    fields = partitions.ravel()[number][0, 0]
    return np.concatenate([fields[part + suffix].ravel() for part in PARTITIONS[split]]).astype(np.int64) - 1


@DATASETS.register_module()
class PETA(AttributeDataset):
    """PETA: ``PETA.mat``.

    Row i of ``data`` is image i + 1. Its first 4 columns are no attributes, and ``selected_attribute`` counts columns
    of ``data``: taken as an index into the names it would drop the ages and add colours.
    """
    datasets = ('peta',)

    def load_records(self) -> list[dict]:
        path = self.annotation('PETA.mat')
        expected = 'the struct peta with data, selected_attribute and partion_attribute'
        mat = read_mat(path, expected)
        with reading(path, expected):
            peta = mat['peta'][0, 0]
            columns = peta['selected_attribute'].ravel().astype(np.int64) - 1
            rows = _partition_rows(peta['partion_attribute'], self.split, '')
            labels = peta['data'][np.ix_(rows, columns)]
        return self.attribute_records(path, [f'{row + 1:05d}.png' for row in rows], labels, 'images')


@DATASETS.register_module()
class RAPv2(AttributeDataset):
    """RAPv2: ``RAP_annotation.mat``; 54 selected columns of 152, the first of five partitions."""
    datasets = ('rapv2',)

    def load_records(self) -> list[dict]:
        path = self.annotation('RAP_annotation/RAP_annotation.mat')
        expected = 'the struct RAP_annotation with name, data, selected_attribute and partition_attribute'
        mat = read_mat(path, expected)
        with reading(path, expected):
            rap = mat['RAP_annotation'][0, 0]
            columns = rap['selected_attribute'].ravel().astype(np.int64) - 1
            rows = _partition_rows(rap['partition_attribute'], self.split, '_index')
            cells = rap['name'].ravel()
            names = [str(cells[row][0]) for row in rows]
            labels = rap['data'][np.ix_(rows, columns)]
        return self.attribute_records(path, names, labels, 'RAP_dataset')


@DATASETS.register_module()
class RAPv1(AttributeDataset):
    """RAP, version 1: ``RAP_annotation.mat``; the 51 columns of 92 that are evaluated, found by their names.

    Args:
        partition: which of the five random partitions, from 0; the first is the usual one.
    """
    datasets = ('rap_v1',)
    splits = ('train', 'test')
    PARTITIONS = 5

    def __init__(self, *args: Any, partition: int = 0, **kwargs: Any):
        if partition not in range(self.PARTITIONS):
            raise UserError(f'RAPv1 has partition={partition!r}: expected a number from 0 to {self.PARTITIONS - 1}.')
        self.partition = partition
        super().__init__(*args, **kwargs)

    def load_records(self) -> list[dict]:
        path = self.annotation('RAP_annotation/RAP_annotation.mat')
        expected = 'the struct RAP_annotation of version 1, with partion, label, attribute_eng and imagesname'
        mat = read_mat(path, expected)
        with reading(path, expected):
            rap = mat['RAP_annotation'][0, 0]
            known = [str(x[0]) for x in rap['attribute_eng'].ravel()]
            columns = [known.index(name) for name in self.card.attributes]
            rows = _partition_rows(rap['partion'], self.split, '_index', self.partition)
            cells = rap['imagesname'].ravel()
            names = [str(cells[row][0]) for row in rows]
            labels = rap['label'][np.ix_(rows, columns)]
        return self.attribute_records(path, names, labels, 'RAP_dataset')


def value_columns(value: int, count: int) -> list[int]:
    """Columns of a group of ``count`` values, the first of which says that the value is not available: it alone is
    known then.

    Raises:
        ValueError: there is no such value.
    """
    if not 0 <= value < count:
        raise ValueError(f'the value {value} is none of 0 to {count - 1}')
    return [1] + [-1] * (count - 1) if value == 0 else [int(i == value) for i in range(count)]


@DATASETS.register_module()
class UAVHumanAttributes(AttributeDataset):
    """UAV-Human, the attribute part: labels are codes in the file name, of which the main person's are read."""
    datasets = ('uav_human_attr',)
    splits = ('train', 'test')
    MALE = {'0': -1, '1': 1, '2': 0}
    TWICE = ('backpack', 'hat')  # of their codes both 0 and 5 mean not available

    def load_records(self) -> Iterator[dict]:
        folder, groups = self.image_folder(self.split), self.groups()
        for name in self.list_images(folder):
            path = folder.join(name)
            with reading(path, "a name such as 'P070S01G10B00H10UC102000LC092000A031R0_09131758_010.jpg'"):
                male, *codes = _UAV_NAME.match(name).groups()
                columns = [self.MALE[male]]
                for group, code in zip(list(groups)[1:], codes, strict=True):
                    value = 0 if group in self.TWICE and code == '5' else int(code)
                    columns += value_columns(value, groups[group])
            yield dict(img_path=path, attributes=np.array(columns, np.int8))


_UAV_NAME = re.compile(r'P\d+S\d+G(\d)\d+B(\d)\d+H(\d)\d+UC(\d\d)(\d)\d+LC(\d\d)(\d)\d+A\d+R\d+_\d+')


@DATASETS.register_module()
class Market1501Attribute(AttributeDataset):
    """Market-1501 Attribute: one row of labels for each identity of Market-1501, whose images it is about.

    Fields are read by name, because their order is another one in the test part. Values are 1 (absent) and 2
    (present), and 1 to 4 for the age.
    """
    datasets = ('market1501_attribute',)
    splits = ('train', 'test')

    def load_records(self) -> Iterator[dict]:
        labels = self._labels(self.annotation('market_attribute.mat'))
        images = f'bounding_box_{self.split}'
        if self._img_dir is None and not self.has(images):
            images = f'../{catalog.card("market1501").layout.root}/{images}'
        folder = self.image_folder(images)
        for name in self.list_images(folder):
            person = name.split('_')[0]
            if person in ('-1', '0000'):  # nobody
                continue
            if person not in labels:
                raise DataError(f"'{folder.path}/{name}': market_attribute.mat has no identity '{person}' in its part "
                                f"'{self.split}'. Expected the images of Market-1501; move away what does not belong "
                                'there.')
            yield dict(img_path=folder.join(name), attributes=labels[person])

    def _labels(self, path: Any) -> dict[str, np.ndarray]:
        """Identity, as the image names begin, to its row of labels."""
        expected = 'the struct market_attribute with train and test, and in them 27 fields and image_index'
        mat = read_mat(path, expected)
        with reading(path, expected):
            part = mat['market_attribute'][0, 0][self.split][0, 0]
            people = [str(x[0]) for x in part['image_index'].ravel()]
            rows = np.stack([_market_column(part, *x.split('-')) for x in self.card.attributes], 1)
            return dict(zip(people, rows.astype(np.int8), strict=True))


AGES = ('young', 'teenager', 'adult', 'old')  # 1 to 4


def _market_column(part: np.ndarray, field: str, age: str = '') -> np.ndarray:
    """(people,) 0 and 1 of one attribute."""
    values, least = part[field].ravel(), 1
    highest = len(AGES) if age else 2
    if not ((values >= least) & (values <= highest)).all():
        raise ValueError(f"field '{field}' holds other values than {least} to {highest}")
    return values == (AGES.index(age) + 1 if age else 2)
