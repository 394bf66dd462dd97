"""PA-100K: ``data/*.jpg`` numbered through train, val and test, and ``annotation.mat``."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from .attribute import AttributeWriter
from .attribute_tables import PA100K as TABLE
from .base import Job
from .files import cells, write_mat


class PA100K(AttributeWriter):
    """26 attributes, labels 0 and 1."""
    table = TABLE

    def name(self, job: Job) -> str:
        return f'data/{self.number(job):06d}.jpg'

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        variables = {'attributes': cells(self.table)}
        for split in self.counts:
            variables[f'{split}_images_name'] = cells(f'{x:06d}.jpg' for x in self.numbers(split))
            variables[f'{split}_label'] = np.stack(records[split])
        write_mat(self.root / 'annotation.mat', variables)
