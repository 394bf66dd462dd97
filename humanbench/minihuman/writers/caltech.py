"""Caltech Pedestrian in the COCO-style form of its new annotations: ``train.json``, ``test.json``, ``images/``."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import PersonView, render_scene
from .base import Job, Writer
from .files import write_image, write_json
from .scenes import xywh

SIZE_HW = (192, 256)
SETS = {'train': tuple(range(6)), 'test': tuple(range(6, 11))}
EMPTY = 0.15                # share of frames without anybody
HEIGHTS = (0.15, 0.75)      # of the image: from too small to count up to near
PEOPLE = (2, 9)
DRAWS = 5                   # every second frame is the most crowded of so many: else hardly anybody is occluded
HEAVY = (0.2, 0.65)         # visible share in the subset of heavy occlusion, which the benchmark ranks by
SMALLEST, LEAST_SEEN = 20, 0.2  # shorter, or less visible: an ignore region


class Caltech(Writer):
    """Street frames seen from a car.

    An ignore region has ``iscrowd`` true. ``vis_bbox``, ``vis_ratio`` (visible part over full box) and ``ignore`` are
    not in the public file; the subsets of the miss rate need them. ``width`` and ``height`` of an annotation are those
    of the image, as in the public file.
    """

    def write(self, job: Job) -> dict[str, Any]:
        height, width = self.scaled(*SIZE_HW)
        draws = [self._draw(job, i, height, width) for i in range(DRAWS if job.index % 2 else 1)]
        picture, people = max(draws, key=lambda x: sum(HEAVY[0] <= p['vis_ratio'] < HEAVY[1] for p in x[1]))
        sets = SETS[job.split]
        frame, which = divmod(job.index, len(sets))
        name = f'set{sets[which]:02d}_V{frame % 15:03d}_I{29 + 30 * (frame // 15):05d}.jpg'
        write_image(self.root / 'images' / name, picture)
        image = {'file_name': name, 'width': width, 'height': height, 'date_captured': '', 'license': 1,
                 'coco_url': '', 'flickr_url': ''}
        return {'image': image, 'people': people}

    def _draw(self, job: Job, attempt: int, height: int, width: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
        """A picture and its annotations."""
        rng = self.rng(*job, attempt)
        n = 0 if rng.random() < EMPTY else int(rng.integers(*PEOPLE))
        render = render_scene(rng, size=(height, width), num_people=n, people=self.people(job, n),
                              min_height=HEIGHTS[0], max_height=HEIGHTS[1])
        seen = [x for x in render.people if x.visible_box[2] > x.visible_box[0]]
        return render.image, [self._person(x, height, width) for x in seen]

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        for split, rows in records.items():
            annotations = [{**person, 'image_id': i} for i, x in enumerate(rows, 1) for person in x['people']]
            write_json(self.root / f'{split}.json', {
                'info': {'description': 'MiniHuman in the format of Caltech Pedestrian', 'version': '1', 'year': 2024},
                'licenses': [{'id': 1, 'name': 'synthetic', 'url': ''}],
                'categories': [{'id': 1, 'name': 'pedestrain', 'supercategory': 'pedestrain'}],  # the file's spelling
                'images': [{'id': i, **x['image']} for i, x in enumerate(rows, 1)],
                'annotations': [{'id': i, **x} for i, x in enumerate(annotations, 1)],
                'empty_images': [x['image']['file_name'] for x in rows if not x['people']],
                'person_images': [x['image']['file_name'] for x in rows if x['people']]})

    def _person(self, person: PersonView, height: int, width: int) -> dict[str, Any]:
        limits = [width, height, width, height]
        full, visible = (xywh(np.clip(x, 0, limits)) for x in (person.full_box, person.visible_box))
        ratio = min(visible[2] * visible[3] / (full[2] * full[3]), 1.0)
        ignore = full[3] < SMALLEST or ratio < LEAST_SEEN
        return {'category_id': 1, 'iscrowd': ignore, 'ignore': int(ignore), 'bbox': full, 'vis_bbox': visible,
                'vis_ratio': round(ratio, 4), 'width': width, 'height': height}
