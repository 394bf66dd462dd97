"""Pedestrian attributes: MATLAB files of names and 0/1 labels."""
from typing import Any

import numpy as np

from ..errors import DataError
from ..registry import DATASETS
from .base import HumanDataset, read_mat, reading

PARTITIONS = {'train': ('train',), 'val': ('val',), 'test': ('test',), 'trainval': ('train', 'val')}


class AttributeDataset(HumanDataset):
    """Records with ``attributes``: int8 (A,), 1 present, 0 absent, -1 unknown."""
    splits = tuple(PARTITIONS)

    def card_facts(self) -> dict[str, Any]:
        return dict(classes=self.card.attributes, num_attributes=len(self.card.attributes))

    def attribute_records(self, names: list[str], labels: np.ndarray, images: str) -> list[dict]:
        """Records of image names and their (n, A) raw labels."""
        expected = len(self.card.attributes)
        if labels.shape != (len(names), expected):
            raise DataError(f"{self.card.name} in '{self.root}': the labels of split '{self.split}' have shape "
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
        return self.attribute_records(names, labels, 'data')


def _partition_rows(partition: np.ndarray, split: str, suffix: str) -> np.ndarray:
    """0-based rows of a split in the first of the random partitions."""
    fields = partition.ravel()[0][0, 0]
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
        return self.attribute_records([f'{row + 1:05d}.png' for row in rows], labels, 'images')


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
        return self.attribute_records(names, labels, 'RAP_dataset')
