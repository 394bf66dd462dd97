"""WIDER Attribute: photos by event, and two JSON files of the people in them."""
from collections.abc import Mapping
from typing import Any

from ..scene import PersonView
from .attribute_tables import HARDHC as TABLE
from .base import Job
from .files import write_image, write_json
from .scenes import AttributeSceneWriter, xywh

EVENTS = {0: 'Parade', 12: 'Group', 37: 'Soccer'}
ON_FACE = ('sunglass', 'faceMask')  # not to be told from behind
UNSURE = 0.05                       # share of other labels that nobody has set


class WIDERAttribute(AttributeSceneWriter):
    """Labels are 1, -1 and, where nobody could tell, 0."""
    sizes_hw = ((192, 256), (208, 256), (256, 208))

    def write(self, job: Job) -> dict[str, Any]:
        render, people, rng = self.scene(job)
        scene = list(EVENTS)[job.index % len(EVENTS)]
        name = f'{job.split}/{scene}--{EVENTS[scene]}/{scene}_{EVENTS[scene]}_{job.split}_{scene}_{job.index}.jpg'
        write_image(self.root / 'Image' / name, render.image)
        return {'file_name': name, 'scene_id': scene, 'targets': [self._target(x, rng) for x in people]}

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
