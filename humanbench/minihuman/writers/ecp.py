"""EuroCity Persons: a PNG image and a JSON file of nested objects for each frame, in folders of cities."""
from collections.abc import Mapping
from typing import Any

from .base import Job
from .files import write_image, write_json
from .scenes import Scene, SceneWriter, around, clipped, seen_share

CITIES = ('amsterdam', 'barcelona', 'zuerich')
RIDERS = 0.25   # share of people who count as riders; what they ride is a child of theirs
GROUPS = 0.4    # share of images with three people or more in which the two farthest are one far-away group
WRAPPED = 4     # every so many frames lie in a wrapper, and every so many hold their numbers as texts


class ECP(SceneWriter):
    """``day/img`` and ``day/labels``, each ``train`` and ``val``."""
    heights = (0.15, 0.8)
    people_of_a_scene = (1, 6)

    def write(self, job: Job) -> None:
        scene = self.scene(job)
        city = CITIES[job.index % len(CITIES)]
        name = f'{city}_{job.index + (0 if job.split == "train" else 5000):05d}'
        write_image(self.root / f'day/img/{job.split}/{city}/{name}.png', scene.render.image)
        height, width = scene.render.image.shape[:2]
        frame = {'identity': 'frame', 'imageheight': height, 'imagewidth': width, 'tags': [],
                 'children': self._children(scene, texts=job.index % WRAPPED == 1)}
        if job.index % WRAPPED == 2:
            frame = {'@converter': 'MiniHuman', 'children': [{'identity': 'seqlist', 'children': [frame]}]}
        elif job.index % WRAPPED == 3:
            frame = {'identity': 'seqlist', 'children': {'children': frame}}
        write_json(self.root / f'day/labels/{job.split}/{city}/{name}.json', frame)

    @staticmethod
    def _children(scene: Scene, texts: bool) -> list[dict[str, Any]]:
        render, people, rng = scene
        people = sorted(people, key=lambda x: x.full_box[3] - x.full_box[1])
        boxes = [clipped(x.full_box, render) for x in people]
        far = 2 if len(people) > 2 and rng.random() < GROUPS else 0
        children = [_object('person-group-far-away', around(boxes[:far]), texts)] if far else []
        for person, box in zip(people[far:], boxes[far:], strict=True):
            tags = ['occluded>40'] if seen_share(person) < 0.6 else []
            if rng.random() < RIDERS:
                x, y, w, h = box
                ridden = _object('bicycle', [x, y + h // 2, w, max(h // 2, 1)], texts, orient=90.0)
                children.append(_object('rider', box, texts, tags, children=[ridden]))
            else:
                children.append(_object('pedestrian', box, texts, tags, children=[], orient=-1.5))
        return children

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        """Nothing but the files of the frames."""


def _object(identity: str, box: list[int], texts: bool, tags: list[str] | None = None, **more: Any) -> dict[str, Any]:
    x, y, w, h = box
    kind = (lambda v: f'{v}.0') if texts else float
    return {'identity': identity, 'x0': kind(x), 'y0': kind(y), 'x1': kind(x + w), 'y1': kind(y + h),
            'tags': tags or [], **more}
