"""PRCC: ``rgb/train`` and ``rgb/val`` by identity, ``rgb/test`` by camera; camera C sees other clothes."""
from collections.abc import Mapping
from typing import Any

from ..scene import Person, make_person
from .base import Job
from .files import write_image
from .reid import ReIDWriter, Sighting

CAMERAS = 'ABC'


class PRCC(ReIDWriter):
    """Every identity three times in each of three cameras."""
    cameras = 3
    per_id = 9
    style = 70
    identity_splits = ('train', 'val', 'test')

    def sighting(self, job: Job) -> Sighting:
        identity, number = divmod(job.index, self.per_id)
        camera = number % self.cameras + 1
        return Sighting(job.split, identity, number, camera, camera > 1)

    def who(self, sighting: Sighting) -> Person:
        person = super().who(sighting)
        if CAMERAS[sighting.camera - 1] != 'C':
            return person
        outfit = self.rng('outfit', sighting.split, sighting.identity).integers(1 << 31)
        return make_person(person.seed, outfit=int(outfit))

    def write(self, job: Job) -> None:
        sighting = self.sighting(job)
        before = list(self.counts)[:list(self.counts).index(job.split)]
        pid = f'{sum(self.counts[x] for x in before) + sighting.identity + 1:03d}'
        camera, name = CAMERAS[sighting.camera - 1], f'cropped_rgb{sighting.number // 3 + 1:03d}.jpg'
        path = f'test/{camera}/{pid}/{name}' if job.split == 'test' else f'{job.split}/{pid}/{camera}_{name}'
        write_image(self.root / 'rgb' / path, self.crop(job, sighting))

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        """Folders and file names are the annotation."""
