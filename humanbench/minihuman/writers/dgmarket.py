"""DG-Market: a folder for each identity, in it the identity in the clothes and poses of others."""
from collections.abc import Mapping
from typing import Any

from ..scene import Person, make_person
from .base import Job
from .files import write_image
from .reid import ReIDWriter, Sighting


class DGMarket(ReIDWriter):
    """As the generator does, structure (who, in which pose) is drawn from one person and appearance from another: the
    clothes make the identity."""
    cameras = 6
    style = 90

    def who(self, sighting: Sighting) -> Person:
        gender = ('female', 'male')[sighting.identity % 2]  # clothes are of one
        rng = self.rng('structure', sighting.identity, sighting.number)
        seed = int(rng.integers(1 << 31))
        while make_person(seed).traits.gender != gender:
            seed = int(rng.integers(1 << 31))
        return make_person(seed, outfit=int(self.rng('appearance', sighting.identity).integers(1 << 31)))

    def write(self, job: Job) -> None:
        sighting = self.sighting(job)
        name = f'{sighting.identity:03d}_{sighting.number:03d}_gan.jpg'
        write_image(self.root / f'{2 * sighting.identity + 2:04d}' / name, self.crop(job, sighting))

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        """The folders are the annotation."""
