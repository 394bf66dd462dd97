"""LaST: ``train``, and ``query`` and ``gallery`` of ``val`` and ``test``; the identity begins the file name."""
from collections.abc import Mapping
from typing import Any

from .base import Job
from .files import write_image
from .reid import ReIDWriter

CROP = (128, 56)


class LaST(ReIDWriter):
    """Scenes of films in place of cameras, which the names do not tell."""
    cameras = 6
    style = 60
    identity_splits = ('train', 'val', 'test')

    def write(self, job: Job) -> None:
        sighting = self.sighting(job)
        before = list(self.counts)[:list(self.counts).index(job.split)]
        pid = f'{sum(self.counts[x] for x in before) + sighting.identity + 1:06d}'
        place = f'train/{pid}' if job.split == 'train' else f'{job.split}/gallery/{pid}'
        if sighting.query:
            place = f'{job.split}/query'
        write_image(self.root / place / f'{pid}_{sighting.number + 1:04d}.jpg', self.crop(job, sighting, CROP))

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        """The file names are the annotation."""
