"""PETA: ``images/*.png`` and the struct ``peta`` in ``PETA.mat``."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from .attribute import AttributeWriter
from .attribute_tables import PETA as TABLE
from .base import Job
from .files import cells, column, struct, write_mat

INFO_COLUMNS = 4  # image number, person, source collection and its size stand before the attributes
EVALUATED = 35
PARTITIONS = 5


class PETA(AttributeWriter):
    """``selected_attribute`` counts the columns of ``data`` from 1; ``partion_attribute`` is the file's spelling."""
    table = TABLE
    heights = (100, 128)

    def name(self, job: Job) -> str:
        return f'images/{self.number(job):05d}.png'

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        matrix = self.matrix(records)
        number = np.arange(1, len(matrix) + 1)
        info = np.stack([number, number, np.ones_like(number), np.full_like(number, len(matrix))], 1)
        partitions = []
        for i in range(PARTITIONS):
            partitions.append(struct(**{split: column(rows) for split, rows in self.shuffled_splits(i).items()}))
        write_mat(self.root / 'PETA.mat', {'peta': struct(
            data=np.hstack([info, matrix]).astype(np.uint16), attribute=cells(self.table),
            selected_attribute=np.arange(INFO_COLUMNS + 1, INFO_COLUMNS + 1 + EVALUATED, dtype=np.uint8)[None],
            partion_attribute=cells(partitions))})
