"""CUHK-PEDES, ICFG-PEDES and RSTPReid: one list of images with captions for all splits."""
import re
from collections.abc import Mapping
from typing import Any

from ..captions import caption
from .base import Job
from .files import write_image, write_json
from .msmt17 import TIMES
from .reid import ReIDWriter, Sighting


class TextReIDWriter(ReIDWriter):
    """People of each split, each seen ``per_id`` times; every image is described anew, in other words.

    Attributes:
        annotation: name of the list.
        image_key: of an image's name in it.
        first_id: id of the first person; those of later splits follow.
        captions: of an image.
        least_words: of a caption.
    """
    identity_splits = ('train', 'val', 'test')
    annotation: str
    image_key = 'file_path'
    first_id = 0
    captions = 2
    least_words = 0

    def person_id(self, sighting: Sighting) -> int:
        """The number of a person in the list."""
        before = list(self.counts)[:list(self.counts).index(sighting.split)]
        return self.first_id + sum(self.counts[x] for x in before) + sighting.identity

    def name(self, sighting: Sighting) -> str:
        """Of an image, below ``imgs``."""
        raise NotImplementedError

    def describe(self, job: Job, sighting: Sighting) -> list[str]:
        """The captions of an image."""
        person = self.who(sighting)
        return [caption(person, self.rng(*job, 'caption', i), self.least_words)
                for i in range(self.number_of_captions(job))]

    def number_of_captions(self, job: Job) -> int:
        return self.captions

    def write(self, job: Job) -> dict[str, Any]:
        sighting = self.sighting(job)
        name = self.name(sighting)
        write_image(self.root / 'imgs' / name, self.crop(job, sighting))
        return {'split': job.split, 'captions': self.describe(job, sighting), self.image_key: name,
                'id': self.person_id(sighting)}

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        write_json(self.root / self.annotation, [self.entry(x) for split in self.counts for x in records[split]])

    def entry(self, record: dict[str, Any]) -> dict[str, Any]:
        """A record as the list holds it."""
        words = [re.findall(r'[a-z-]+', x.lower()) for x in record['captions']]
        return {**record, 'processed_tokens': words}


class CUHKPEDES(TextReIDWriter):
    """The last person of training has a single image, and one test image in 16 has four captions."""
    annotation = 'reid_raw.json'
    first_id = 1
    cameras = 7
    per_id = 3
    style = 200
    FOLDERS = ('CUHK01', 'CUHK03', 'Market', 'cam_a', 'cam_b', 'train_query', 'test_query')

    def jobs(self) -> list[Job]:
        single = self.counts['train'] * self.per_id - self.per_id
        return [x for x in super().jobs() if x.split != 'train' or x.index <= single]

    def name(self, sighting: Sighting) -> str:
        folder = self.FOLDERS[sighting.camera - 1]
        suffix = 'png' if folder.startswith('CUHK') else 'jpg'
        person = self.person_id(sighting)
        return f'{folder}/p{person}_s{self.per_id * person + sighting.number}.{suffix}'

    def number_of_captions(self, job: Job) -> int:
        return 4 if job.split == 'test' and job.index % 16 == 0 else self.captions


class ICFGPEDES(TextReIDWriter):
    """Files lie where MSMT17 has them: test people in both folders, training people, too."""
    annotation = 'ICFG-PEDES.json'
    cameras = 15
    per_id = 8
    style = 220
    captions = 1
    least_words = 30

    def name(self, sighting: Sighting) -> str:
        person, time = self.person_id(sighting), TIMES[sighting.number % len(TIMES)]
        folder = ('train', 'test')[person % 2]
        return (f'{folder}/{person:04d}/{person:04d}_{sighting.number:03d}_{sighting.camera:02d}_{time}_'
                f'{25 * sighting.number:04d}_0.jpg')


class RSTPReid(TextReIDWriter):
    """Five images a person, by number of the person, camera and image."""
    annotation = 'data_captions.json'
    image_key = 'img_path'
    cameras = 15
    per_id = 5
    style = 240
    least_words = 23

    def name(self, sighting: Sighting) -> str:
        return f'{self.person_id(sighting):04d}_c{sighting.camera}_{sighting.number:04d}.jpg'

    def entry(self, record: dict[str, Any]) -> dict[str, Any]:
        return record
