"""Parse-27k: frames of eight sequences, and an SQLite database of the people in them."""
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import numpy as np

from ..body import JOINT
from ..scene import PersonView
from .base import Job
from .files import write_image
from .scenes import AttributeSceneWriter, xywh

SEQUENCES = {'train': (1, 4, 5), 'val': (2, 7, 8), 'test': (3, 6)}
ATTRIBUTES = ('Orientation', 'Orientation8', 'Gender', 'Posture', 'HasBagOnShoulderLeft', 'HasBagOnShoulderRight',
              'HasBagInHandLeft', 'HasBagInHandRight', 'HasTrolley', 'HasBackpack', 'isPushing', 'isTalkingOnPhone')
NA, YES, NO = 1, 2, 3  # the database counts from 1
POSTURES = {'walk': 2, 'run': 2, 'stand': 3, 'reach': 3, 'bend': 3, 'sit': 4}
UNSURE = 0.04          # share of values that nobody could tell
QUARTERS = (2, 5, 3, 4)  # front, right, back, left as seen in the picture


class Parse27k(AttributeSceneWriter):
    """Values count from 1, which is N/A; few people sit."""
    sizes_hw = ((192, 256), (208, 256))

    def write(self, job: Job) -> dict[str, Any]:
        render, people, rng = self.scene(job)
        sequence = SEQUENCES[job.split][job.index % len(SEQUENCES[job.split])]
        name = f'{10 * job.index:06d}.png'
        write_image(self.root / 'sequences' / _directory(sequence) / name, render.image)
        return {'sequence': sequence, 'filename': name,
                'people': [(self._values(x, rng), xywh(x.full_box)) for x in people]}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        path = self.root / 'annotations.sqlite3'
        beside = path.with_name(f'{path.name}.{os.getpid()}.tmp')
        with closing(sqlite3.connect(beside)) as database, database:
            database.execute('CREATE TABLE Sequence (sequenceID INTEGER PRIMARY KEY, directory TEXT)')
            database.execute('CREATE TABLE Image (imageID INTEGER PRIMARY KEY, sequenceID INTEGER, filename TEXT)')
            database.execute('CREATE TABLE AttributeSet (attributeSetID INTEGER PRIMARY KEY, '
                             f'{", ".join(f"{x}ID INTEGER" for x in ATTRIBUTES)})')
            database.execute('CREATE TABLE Pedestrian (pedestrianID INTEGER PRIMARY KEY, imageID INTEGER, '
                             'attributeSetID INTEGER, box_min_x INTEGER, box_min_y INTEGER, box_max_x INTEGER, '
                             'box_max_y INTEGER)')
            database.executemany('INSERT INTO Sequence VALUES (?, ?)', [(i, _directory(i)) for i in range(1, 9)])
            self._fill(database, [x for split in self.counts for x in records[split]])
        os.replace(beside, path)

    @staticmethod
    def _fill(database: sqlite3.Connection, images: list[dict[str, Any]]) -> None:
        number = 0
        for image_id, image in enumerate(images, 1):
            database.execute('INSERT INTO Image VALUES (?, ?, ?)', (image_id, image['sequence'], image['filename']))
            for values, (x, y, w, h) in image['people']:
                number += 1
                database.execute(f'INSERT INTO AttributeSet VALUES ({", ".join("?" * (1 + len(values)))})',
                                 (number, *values))
                database.execute('INSERT INTO Pedestrian VALUES (?, ?, ?, ?, ?, ?, ?)',
                                 (number, image_id, number, x, y, x + w, y + h))

    @staticmethod
    def _values(person: PersonView, rng: np.random.Generator) -> list[int]:
        traits = person.person.traits
        turn = facing(person)
        values = dict.fromkeys(ATTRIBUTES, NO) | {
            'Orientation': QUARTERS[round(turn / 90) % 4], 'Orientation8': 2 + round(turn / 45) % 8,
            'Gender': YES if traits.gender == 'male' else NO, 'Posture': POSTURES[person.pose]}
        for name, bags in {'HasBagOnShoulderRight': ('shoulder_bag',), 'HasBagOnShoulderLeft': ('messenger_bag',),
                           'HasBagInHandRight': ('handbag', 'plastic_bag'), 'HasBackpack': ('backpack',)}.items():
            values[name] = YES if traits.bag in bags else NO
        return [NA if rng.random() < UNSURE else value for value in values.values()]


def facing(person: PersonView) -> float:
    """Where a person looks, in degrees: 0 to the camera, 90 to the right of the picture, 180 away."""
    across = person.joints_3d[JOINT['left_shoulder']] - person.joints_3d[JOINT['right_shoulder']]
    return float(np.degrees(np.arctan2(across[2], across[0])) % 360)


def _directory(sequence: int) -> str:
    return f'sequence{sequence:02d}'
