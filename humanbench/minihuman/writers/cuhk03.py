"""CUHK03, new protocol: Market-like folders for both kinds of boxes, and the original .mat of the detected ones."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from .base import Job
from .files import cells, column, write_image, write_mat
from .reid import CROP, ReIDWriter, Sighting, resized

LARGEST_CUT = (12, 12, 7, 7)  # pixels that a detected box may lose at the top, bottom, left and right


class CUHK03(ReIDWriter):
    """Every identity is seen by the two views of one of five camera pairs.

    The detected crop is the labelled one with sides cut off; both show the same moment.
    """
    cameras = 2
    per_id = 6
    style = 30

    def write(self, job: Job) -> None:
        sighting = self.sighting(job)
        labelled = self.crop(job, sighting)
        top, bottom, left, right = self.rng(*job, 'box').integers(0, LARGEST_CUT)
        detected = resized(labelled[top:CROP[0] - bottom, left:CROP[1] - right], CROP)
        for boxes, image in {'labeled': labelled, 'detected': detected}.items():
            write_image(self.root / boxes / self._folder(sighting) / self._np_name(sighting), image)
        write_image(self.root / 'images_detected' / self._mat_name(sighting), detected)

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        rows = [*self.sightings('train'), *self.sightings('test')]
        train = [i for i, x in enumerate(rows, 1) if x.split == 'train']
        query = [i for i, x in enumerate(rows, 1) if x.query]
        gallery = [i for i, x in enumerate(rows, 1) if x.split == 'test' and not x.query]
        write_mat(self.root / 'cuhk03_new_protocol_config_detected.mat', {
            'camId': column((x.camera for x in rows), np.uint8), 'filelist': cells(map(self._mat_name, rows)),
            'labels': column(map(self._label, rows)), 'train_idx': column(train), 'query_idx': column(query),
            'gallery_idx': column(gallery)})

    def _label(self, x: Sighting) -> int:
        return x.identity + 1 + (self.counts['train'] if x.split == 'test' else 0)

    def _folder(self, x: Sighting) -> str:
        return 'query' if x.query else f'bounding_box_{x.split}'

    def _np_name(self, x: Sighting) -> str:
        return f'{self._label(x):04d}_c{x.camera}_{x.number + 1}.png'

    def _mat_name(self, x: Sighting) -> str:
        """pair_person_view_index; a person's number counts within the pair."""
        person, pair = divmod(self._label(x) - 1, 5)
        return f'{pair + 1}_{person + 1:03d}_{x.camera}_{x.number + 1:02d}.png'
