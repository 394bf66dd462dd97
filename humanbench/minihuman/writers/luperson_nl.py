"""LUPerson-NL: people cut out of street videos, ``country/city/key``; tracklets are numbered anew in every video."""
from collections.abc import Mapping
from typing import Any

import cv2

from .base import Job
from .files import write_image
from .reid import ReIDWriter

PLACES = ('argentina/rosario', 'argentina/salta', 'japan/osaka', 'kenya/nairobi')
LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
PEOPLE = 8  # in a video
HEIGHTS = (90, 160)


class LUPersonNL(ReIDWriter):
    """Identity i is tracklet i // videos of video i % videos: the same tracklet numbers in all of them."""
    cameras = 1
    style = 100

    @property
    def videos(self) -> int:
        return max(2, self.counts['train'] // PEOPLE)

    def key(self, video: int) -> str:
        """Eleven letters, as the keys of videos are."""
        return ''.join(LETTERS[i] for i in self.rng('key', video).integers(0, len(LETTERS), 11))

    def write(self, job: Job) -> None:
        identity, number = divmod(job.index, self.per_id)
        pid, video = divmod(identity, self.videos)
        sighting = self.sighting(job)._replace(camera=video)
        height = int(self.rng(*job, 'size').integers(*HEIGHTS))
        image = cv2.resize(self.crop(job, sighting), (height // 2, height), interpolation=cv2.INTER_AREA)
        place = f'{PLACES[video % len(PLACES)]}/{self.key(video)}'
        write_image(self.root / place / f'{pid:06d}_{250 * pid + 12 * number:07d}_{pid % 5:02d}.jpg', image)

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        """Folders and file names are the annotation."""
