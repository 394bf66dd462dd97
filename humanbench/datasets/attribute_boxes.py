"""Pedestrian attributes of people in photos and video frames, each to be cut out by a box."""
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from ..errors import DataError
from ..registry import DATASETS
from .attribute import PARTITIONS, AttributeDataset, value_columns
from .base import read_json, reading


def corners(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    """(1, 4) float32 box.

    Raises:
        ValueError: a side is not a number.
    """
    box = np.array([[x1, y1, x2, y2]], np.float32)
    if not np.isfinite(box).all():
        raise ValueError(f'the box {x1}, {y1}, {x2}, {y2} is not made of numbers')
    return box


@DATASETS.register_module()
class WIDERAttribute(AttributeDataset):
    """WIDER Attribute, which PATH calls HARDHC: JSON files of photos and the people in them.

    Labels are 1 (present), -1 (absent) and 0 (unspecified). Boxes without an area are left out.
    """
    datasets = ('hardhc',)
    VALUES = {1: 1, -1: 0, 0: -1}

    def load_records(self) -> Iterator[dict]:
        name = f'wider_attribute_{"test" if self.split == "test" else "trainval"}.json'
        path = self.annotation(name, f'Annotations/{name}')
        expected = "images, each with file_name and targets of 'attribute' (14 of 1, -1 and 0) and 'bbox'"
        data = read_json(path, expected)
        folder = self.image_folder('Image')
        with reading(path, expected):
            images = list(data['images'])
        for image in images:
            with reading(path, expected):
                name, people = image['file_name'], [self._person(x) for x in image['targets']]
                part = name.split('/')[0]
            if part in PARTITIONS[self.split]:
                for box, labels in people:
                    if (box[0, 2:] > box[0, :2]).all():
                        yield dict(img_path=folder.join(name), bbox=box, attributes=labels)

    def _person(self, target: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        x, y, width, height = target['bbox']
        labels = np.array([self.VALUES[value] for value in target['attribute']], np.int8)
        if len(labels) != len(self.card.attributes):
            raise ValueError(f'a person has {len(labels)} attributes')
        return corners(x, y, x + width, y + height), labels


@DATASETS.register_module()
class Parse27k(AttributeDataset):
    """Parse-27k: an SQLite database. Splits are sequences; ``all`` is all of them, which PATH trains on.

    The database counts values from 1, which is N/A. Sitting people, of whom there are few, are left out.
    """
    datasets = ('parse27k',)
    SEQUENCES = dict(train=(1, 4, 5), val=(2, 7, 8), test=(3, 6))
    SEQUENCES.update(trainval=SEQUENCES['train'] + SEQUENCES['val'], all=tuple(range(1, 9)))
    splits = tuple(SEQUENCES)
    SITTING = 4

    def load_records(self) -> Iterator[dict]:
        path, groups = self.annotation('annotations.sqlite3'), self.groups()
        expected = 'numbers of people, file names, boxes and values that count from 1'
        with reading(path, expected):  # sorted here, because the database would make all rows first, however many
            rows = sorted(self._rows(path, list(groups)), key=lambda row: row[0])
        folder = self.image_folder('sequences')
        for _, directory, name, *row in rows:
            with reading(path, expected):
                columns = [value for code, count in zip(row[4:], groups.values(), strict=True)
                           for value in value_columns(int(code) - 1, count)]
                box, image = corners(*row[:4]), f'{directory}/{name}'
            yield dict(img_path=folder.join(image), bbox=box, attributes=np.array(columns, np.int8))

    @staticmethod
    def _check(database: sqlite3.Connection) -> None:
        """Names may stand for programs (views), which need not end; here they have to be tables."""
        tables = {name for name, in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        absent = {'Pedestrian', 'AttributeSet', 'Image', 'Sequence'} - tables
        if absent:
            raise sqlite3.DataError(f'it has no table {", ".join(sorted(absent))}')

    def _rows(self, path: Path, attributes: Sequence[str]) -> list[tuple]:
        """Number, directory, file name, box and codes of the people of the split."""
        sequences = self.SEQUENCES[self.split]
        query = f'''
            SELECT p.pedestrianID, s.directory, i.filename, p.box_min_x, p.box_min_y, p.box_max_x, p.box_max_y,
                   {', '.join(f'a.{x}ID' for x in attributes)}
            FROM Pedestrian p
            JOIN AttributeSet a ON a.attributeSetID = p.attributeSetID
            JOIN Image i ON i.imageID = p.imageID
            JOIN Sequence s ON s.sequenceID = i.sequenceID
            WHERE a.PostureID <> {self.SITTING} AND i.sequenceID IN ({', '.join(map(str, sequences))})'''
        try:
            with closing(sqlite3.connect(f'file:{quote(str(path.absolute()))}?mode=ro', uri=True)) as database:
                self._check(database)
                people, = database.execute('SELECT COUNT(*) FROM Pedestrian').fetchone()
                rows = database.execute(query).fetchmany(people + 1)
                if len(rows) > people:
                    raise sqlite3.DataError('an image, sequence or set of attributes has its number twice')
                return rows
        except sqlite3.Error as error:
            raise DataError(f"cannot read '{path}': {error}. Expected an SQLite database with the tables Pedestrian, "
                            'AttributeSet, Image and Sequence. The file may be truncated or of another release; unpack '
                            'or download it again.') from error
