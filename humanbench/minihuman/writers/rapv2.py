"""RAPv2: ``RAP_dataset/*.png`` and the struct ``RAP_annotation`` in ``RAP_annotation/RAP_annotation.mat``."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from .attribute import AttributeWriter
from .attribute_tables import RAPV2 as TABLE
from .base import Job
from .files import cells, struct, write_mat

PARTITIONS = 5


class RAPv2(AttributeWriter):
    """152 columns, of which ``selected_attribute`` (from 1) names the 54 evaluated ones in the order of the card."""
    table = TABLE

    def name(self, job: Job) -> str:
        number = self.number(job)
        return (f'RAP_dataset/CAM{1 + number % 25:02d}_2014-03-18_20140318125002-20140318125546'
                f'_tarid{number}_frame{100 + 7 * number}_line1.png')

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        names = [self.name(job).removeprefix('RAP_dataset/') for job in self.jobs()]
        columns = list(self.table)
        selected = np.array([columns.index(x) + 1 for x in self.card.attributes], np.uint8)
        partitions = []
        for i in range(PARTITIONS):
            partitions.append(struct(**{f'{split}_index': rows.astype(np.uint32)[None]
                                        for split, rows in self.shuffled_splits(i).items()}))
        write_mat(self.root / 'RAP_annotation/RAP_annotation.mat', {'RAP_annotation': struct(
            name=cells(names), attribute=cells(columns), data=self.matrix(records), selected_attribute=selected[None],
            partition_attribute=cells(partitions, (1, -1)))})
