"""WIDER Attribute: photos by event, and two JSON files of the people in them."""
from collections.abc import Mapping
from typing import Any

from ..scene import PersonView, render_scene
from .attribute_tables import HARDHC as TABLE
from .base import Job, Writer
from .crowdhuman import xywh
from .files import write_image, write_json

SIZES_HW = ((192, 256), (208, 256), (256, 208))
MOST_PEOPLE = 3
EVENTS = {0: 'Parade', 12: 'Group', 37: 'Soccer'}
ON_FACE = ('sunglass', 'faceMask')  # not to be told from behind
SEEN_ENOUGH = 0.3                   # share of a box that shows its person
UNSURE = 0.05                       # share of other labels that nobody has set


class WIDERAttribute(Writer):
    """Labels are 1, -1 and, where nobody could tell, 0."""

    def write(self, job: Job) -> dict[str, Any]:
        rng = self.rng(*job)
        height, width = self.scaled(*SIZES_HW[rng.integers(len(SIZES_HW))])
        n = int(rng.integers(1, MOST_PEOPLE + 1))
        render = render_scene(rng, size=(height, width), num_people=n, people=self.people(job, n),
                              min_height=0.45, max_height=0.9)
        scene = list(EVENTS)[job.index % len(EVENTS)]
        name = f'{job.split}/{scene}--{EVENTS[scene]}/{scene}_{EVENTS[scene]}_{job.split}_{scene}_{job.index}.jpg'
        write_image(self.root / 'Image' / name, render.image)
        targets = [self._target(x, rng) for x in render.people if share_seen(x) > SEEN_ENOUGH]
        return {'file_name': name, 'scene_id': scene, 'targets': targets}

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        files = {'trainval': ('train', 'val'), 'test': ('test',)}
        for name, splits in files.items():
            write_json(self.root / f'wider_attribute_{name}.json', {
                'attribute_id_map': dict(enumerate(TABLE)), 'scene_id_map': EVENTS,
                'images': [x for split in splits for x in records[split]]})

    def _target(self, person: PersonView, rng: Any) -> dict[str, Any]:
        hidden = {x for x in TABLE if x in ON_FACE and person.view == 'back' or rng.random() < UNSURE}
        return {'attribute': [0 if x in hidden else 1 if rule(person) else -1 for x, rule in TABLE.items()],
                'bbox': [float(x) for x in xywh(person.full_box)]}


def share_seen(person: PersonView) -> float:
    """How much of a person's box the visible part fills."""
    width, height = person.visible_box[2:] - person.visible_box[:2]
    full = person.full_box[2:] - person.full_box[:2]
    return float(width * height / max(full.prod(), 1e-6))
