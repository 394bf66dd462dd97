"""Market-1501: ``bounding_box_train``, ``query``, ``bounding_box_test``; identity, camera and frame in its name."""
from collections.abc import Mapping
from typing import Any

from .base import Job
from .files import write_image
from .reid import ReIDWriter

# In the gallery: a box with an IoU below 0.2 is identity 0 (a distractor), one from 0.2 to 0.5 junk, identity -1.
MISSED = {'distractor': ('0000', 0.08), 'junk': ('-1', 0.35)}


class Market1501(ReIDWriter):
    """Train identities are even and test identities odd, so that, as in the real set, neither is a range of its own."""
    cameras = 6

    def write(self, job: Job) -> None:
        if job.split in MISSED:
            pid, overlap = MISSED[job.split]
            camera = job.index % self.cameras + 1
            folder, image = 'bounding_box_test', self.misframed(job, camera, overlap)
        else:
            sighting = self.sighting(job)
            camera = sighting.camera
            pid = f'{2 * sighting.identity + (2 if job.split == "train" else 1):04d}'
            folder = 'query' if sighting.query else f'bounding_box_{job.split}'
            image = self.crop(job, sighting)
        write_image(self.root / folder / f'{pid}_c{camera}s1_{25 * job.index + 1:06d}_01.jpg', image)

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        """The file names are the annotation."""
