"""MSMT17_V1: ``train`` and ``test`` with a folder per identity, and four list files of 'path label'."""
from collections.abc import Mapping
from typing import Any

from .base import Job
from .files import write_image, write_lines
from .reid import ReIDWriter, Sighting

TIMES = ('0113morning', '0114noon', '0302afternoon', '0303morning')


class MSMT17(ReIDWriter):
    """Labels start at 0 in ``train`` and again in ``test``: the same number is another person."""
    cameras = 15
    style = 10

    def write(self, job: Job) -> None:
        sighting = self.sighting(job)
        write_image(self.root / job.split / self._path(sighting), self.crop(job, sighting))

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        train, test = list(self.sightings('train')), list(self.sightings('test'))
        lists = {'train': [x for x in train if not self._val(x)], 'val': [x for x in train if self._val(x)],
                 'query': [x for x in test if x.query], 'gallery': [x for x in test if not x.query]}
        for name, sightings in lists.items():
            write_lines(self.root / f'list_{name}.txt', [f'{self._path(x)} {x.identity}' for x in sightings])

    def _val(self, sighting: Sighting) -> bool:
        """``list_val`` holds other images of the train identities."""
        return sighting.number == self.per_id - 1

    def _path(self, x: Sighting) -> str:
        time = TIMES[(x.camera + x.number) % len(TIMES)]
        return f'{x.identity:04d}/{x.identity:04d}_{x.number:03d}_{x.camera:02d}_{time}_{25 * x.number:04d}_0.jpg'
