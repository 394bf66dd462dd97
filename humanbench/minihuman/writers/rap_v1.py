"""RAP, version 1: ``RAP_dataset/*.png`` and the struct ``RAP_annotation`` in ``RAP_annotation/RAP_annotation.mat``."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..body import JOINT
from ..render import PersonView
from .attribute import AttributeWriter
from .attribute_tables import RAP_V1 as TABLE
from .attribute_tables import labels
from .base import Job
from .files import cells, column, struct, write_image, write_mat

PARTITIONS = 5
UNCERTAIN = 2
FEET = [JOINT['left_foot'], JOINT['right_foot']]
TRUNK = [JOINT[x] for x in ('left_shoulder', 'right_shoulder', 'left_hip', 'right_hip')]
LEGS = [JOINT[x] for x in ('left_hip', 'right_hip', 'left_knee', 'right_knee', 'left_ankle', 'right_ankle')]


class RAPv1(AttributeWriter):
    """92 columns, of which the first 51 are those of the card; what cannot be seen is uncertain (2).

    The fields stand in the order in which public readers, who count them, look for them.
    """
    table = TABLE

    def name(self, job: Job) -> str:
        number = self.number(job)
        return (f'RAP_dataset/CAM{1 + number % 25:02d}_2014-03-18_20140318125002-20140318125546'
                f'_tarid{number}_frame{100 + 7 * number}_line1.png')

    def write(self, job: Job) -> tuple[np.ndarray, np.ndarray]:
        """Labels (92,) and the boxes (16,) of the person, head, trunk and legs in the frame of its camera."""
        image, person = self.crop(job)
        write_image(self.root / self.name(job), image)
        return self.values(person), self._boxes(job, image.shape, person)

    def values(self, person: PersonView) -> np.ndarray:
        """(92,) int32: 0 absent, 1 present, 2 uncertain: glasses from behind, shoes of whom no foot is seen."""
        hidden = {'hs-Glasses'} if person.view == 'back' else set()
        if (person.visible[FEET] < 2).all():
            hidden |= {x for x in self.table if x.startswith('shoes-')}
        values = labels(self.table, person).astype(np.int32)
        values[[x in hidden for x in self.table]] = UNCERTAIN
        return values

    def _boxes(self, job: Job, shape: tuple[int, ...], person: PersonView) -> np.ndarray:
        corner = self.rng('corner', *job).integers(0, 1000, 2)
        parts = [np.array([0, 0, shape[1], shape[0]]), person.head_box]
        parts += [np.concatenate([person.joints[x].min(0), person.joints[x].max(0)]) for x in (TRUNK, LEGS)]
        return np.concatenate([[*corner + box[:2], *box[2:] - box[:2]] for box in parts]).astype(np.int32)

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        rows = [x for split in self.counts for x in records[split]]
        names = [self.name(job).removeprefix('RAP_dataset/') for job in self.jobs()]
        evaluated = len(self.card.attributes)
        partitions = [struct(**{f'{split}_index': x.astype(np.uint32)[None]
                                for split, x in self.shuffled_splits(i).items()}) for i in range(PARTITIONS)]
        write_mat(self.root / 'RAP_annotation/RAP_annotation.mat', {'RAP_annotation': struct(
            partion=cells(partitions), label=np.stack([labels for labels, _ in rows]),
            attribute_chinese=cells(self.table), attribute_eng=cells(self.table),
            position=np.stack([boxes for _, boxes in rows]), imagesname=cells(names),
            attribute_exp=cells(list(self.table)[:evaluated]), identity=column([-1] * len(rows), np.int16))})
