"""CityPersons: ``anno_*.mat`` with a cell for each image, and Cityscapes' image folders."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from .base import Job
from .files import cells, struct, write_image, write_mat
from .scenes import Scene, SceneWriter, around, clipped, seen_share

CITIES = {'train': ('aachen', 'bochum', 'zurich'), 'val': ('frankfurt', 'munster')}
RIDERS = 0.15     # share of people who count as riders
GROUPS = 0.3      # share of images with three people or more that have the box of a group, or an ignore region
UNUSUAL = {'sit': 3, 'bend': 4}  # pose -> class
ALONE = 8         # in every so many images nobody but an ignore region is annotated
DRAWS = 6         # every second image is the most crowded of so many: else hardly anybody is occluded
HEAVY = (0.2, 0.65)  # visible share in the subset of heavy occlusion
TALL = 0.35       # of the image: the subset's 50 pixels


class CityPersons(SceneWriter):
    """Classes 0 ignore region, 1 pedestrian, 2 rider, 3 sitting person, 4 other person, 5 group; 16-bit unsigned
    numbers. Pedestrians and riders have a full box, the others repeat the visible one."""
    sizes_hw = ((144, 288),)
    heights = (0.2, 0.85)
    people_of_a_scene = (1, 9)

    def write(self, job: Job) -> dict[str, Any]:
        draws = [self.scene(job, i) for i in range(DRAWS if job.index % 2 else 1)]
        scene = max(draws, key=self._occluded)
        cities = CITIES[job.split]
        city, number = cities[job.index % len(cities)], job.index // len(cities)
        name = f'{city}_{number:06d}_000019_leftImg8bit.png'
        write_image(self.root / f'leftImg8bit_trainvaltest/leftImg8bit/{job.split}/{city}/{name}', scene.render.image)
        rows = self._rows(scene)
        if job.index % ALONE == ALONE - 1:
            rows = [[0, *x[6:], 0, *x[6:]] for x in rows]
        return {'cityname': city, 'im_name': name, 'bbs': rows}

    @staticmethod
    def _occluded(scene: Scene) -> int:
        """How many are tall enough to count and heavily occluded."""
        height = scene.render.image.shape[0]
        return sum(HEAVY[0] <= seen_share(x) < HEAVY[1] and x.full_box[3] - x.full_box[1] >= TALL * height
                   for x in scene.people)

    @staticmethod
    def _rows(scene: Scene) -> list[list[int]]:
        render, people, rng = scene
        rows = []
        for number, person in enumerate(people, 1):
            full, seen = clipped(person.full_box, render), clipped(person.visible_box, render)
            kind = UNUSUAL.get(person.pose, 2 if rng.random() < RIDERS else 1)
            rows.append([kind, *(full if kind in (1, 2) else seen), 24000 + number, *seen])
        if len(rows) > 2 and rng.random() < GROUPS:
            box = around([x[6:] for x in rows[:2]])
            rows.append([int(rng.choice([0, 5])), *box, 0, *box])
        return rows

    def finish(self, records: Mapping[str, list[dict[str, Any]]]) -> None:
        for split, images in records.items():
            made = [struct(**{**x, 'bbs': np.array(x['bbs'] or [[]], np.uint16)}) for x in images]
            write_mat(self.root / f'anno_{split}.mat', {f'anno_{split}_aligned': cells(made, (1, -1))})
