"""CrowdHuman: one JSON object per line in ``annotation_*.odgt``, images in ``Images/<ID>.jpg``."""
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import PersonView
from .base import Job
from .files import write_image, write_lines
from .scenes import SceneWriter, xywh

MASKED = 0.2         # share of images in which the farthest person is an ignore region instead of a person
OPTIONAL = 0.1       # share of boxes without head_attr, and without extra
SEEN_ENOUGH = 0.1    # a person of whom less than this is visible is annotated, but to be ignored


class CrowdHuman(SceneWriter):
    """Boxes are whole pixels; full boxes leave the image where the person does. IDs hold a comma."""
    sizes_hw = ((192, 256), (208, 256), (256, 208))
    heights = (0.25, 0.9)
    empty = 0.0

    def write(self, job: Job) -> dict[str, Any]:
        render, people, rng = self.scene(job)
        name = f'{job.split} {job.index} {self.seed}'.encode()
        image_id = f'{273000 + job.index},{hashlib.sha1(name).hexdigest()[:16]}'
        write_image(self.root / 'Images' / f'{image_id}.jpg', render.image)
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
