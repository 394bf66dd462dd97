"""SenseReID: ``test_probe`` and ``test_gallery``, ``<identity>_<camera>.jpg``; a test set."""
from collections.abc import Mapping
from typing import Any

from .base import Job
from .files import write_image
from .reid import ReIDWriter, Sighting

CROP = (128, 52)


class SenseReID(ReIDWriter):
    """People who are asked for ('test') are in both folders under both cameras, others in the gallery alone."""
    cameras = 2
    style = 50
    PER_ID = {'test': 4, 'distractor': 2}

    def jobs(self) -> list[Job]:
        return [Job(split, i) for split, n in self.counts.items() for i in range(n * self.PER_ID[split])]

    def sighting(self, job: Job) -> Sighting:
        identity, number = divmod(job.index, self.PER_ID[job.split])
        return Sighting(job.split, identity, number, number % 2, job.split == 'test' and number < 2)

    def write(self, job: Job) -> None:
        sighting = self.sighting(job)
        pid = sighting.identity + (self.counts['test'] if job.split == 'distractor' else 0)
        folder = 'test_probe' if sighting.query else 'test_gallery'
        write_image(self.root / folder / f'{pid:05d}_{sighting.camera}.jpg', self.crop(job, sighting, CROP))

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        """The file names are the annotation."""
