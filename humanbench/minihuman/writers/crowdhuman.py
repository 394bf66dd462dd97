"""CrowdHuman: one JSON object per line in ``annotation_*.odgt``, images in ``Images/<ID>.jpg``."""
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import PersonView, render_scene
from .base import Job, Writer
from .files import write_image, write_lines

SIZES_HW = ((192, 256), (208, 256), (256, 208))
MOST_PEOPLE = 6
MASKED = 0.2         # share of images in which the farthest person is an ignore region instead of a person
OPTIONAL = 0.1       # share of boxes without head_attr, and without extra
SEEN_ENOUGH = 0.1    # a person of whom less than this is visible is annotated, but to be ignored


class CrowdHuman(Writer):
    """Boxes are whole pixels; full boxes leave the image where the person does. IDs hold a comma."""

    def write(self, job: Job) -> dict[str, Any]:
        rng = self.rng(*job)
        height, width = self.scaled(*SIZES_HW[rng.integers(len(SIZES_HW))])
        n = int(rng.integers(1, MOST_PEOPLE + 1))
        render = render_scene(rng, size=(height, width), num_people=n, people=self.people(job, n),
                              min_height=0.25, max_height=0.9)
        name = f'{job.split} {job.index} {self.seed}'.encode()
        image_id = f'{273000 + job.index},{hashlib.sha1(name).hexdigest()[:16]}'
        write_image(self.root / 'Images' / f'{image_id}.jpg', render.image)
        people = [x for x in render.people if x.visible_box[2] > x.visible_box[0]]
        farthest = min(range(len(people)), default=-1, key=lambda i: people[i].full_box[3] - people[i].full_box[1])
        masked = farthest if len(people) > 2 and rng.random() < MASKED else -1
        persons = [self._person(person, i, rng) for i, person in enumerate(people) if i != masked]
        return {'ID': image_id, 'gtboxes': persons + ([self._mask(people[masked])] if masked >= 0 else [])}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        for split, rows in records.items():
            write_lines(self.root / f'annotation_{split}.odgt', map(json.dumps, rows))

    def _person(self, person: PersonView, number: int, rng: np.random.Generator) -> dict[str, Any]:
        full, visible, head = (xywh(x) for x in (person.full_box, person.visible_box, person.head_box))
        fraction = visible[2] * visible[3] / (full[2] * full[3])
        record = {'tag': 'person', 'hbox': head, 'fbox': full, 'vbox': visible,
                  'head_attr': {'ignore': 0, 'occ': int(person.visible[0] == 1), 'unsure': 0},
                  'extra': {'box_id': number, 'occ': int(fraction < 0.9)}}
        if rng.random() < OPTIONAL:
            del record['head_attr']
        if fraction < SEEN_ENOUGH:
            record['extra']['ignore'] = 1
        elif rng.random() < OPTIONAL:
            del record['extra']
        return record

    def _mask(self, person: PersonView) -> dict[str, Any]:
        box = xywh(person.full_box)
        return {'tag': 'mask', 'hbox': box, 'head_attr': {}, 'fbox': box, 'vbox': box, 'extra': {'ignore': 1}}


def xywh(box: np.ndarray) -> list[int]:
    """Corners to x, y, width, height in whole pixels; never empty."""
    x1, y1, x2, y2 = (int(x) for x in np.asarray(box).round())
    return [x1, y1, max(x2 - x1, 1), max(y2 - y1, 1)]
