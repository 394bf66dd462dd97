"""ShanghaiTech, part A (crowds, pictures of all sizes) and part B (a street, one size): images and .mat head points."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import Render, render_crowd
from .base import Job, Writer
from .files import cells, struct, write_image, write_mat

LEAST_SEEN = 0.15  # share of the head's box in which the person must be seen


def head_seen(render: Render, index: int) -> bool:
    """Whether an annotator would put a point on the head of ``render.people[index]``: it lies in the picture, and other
    people leave something of it to be seen."""
    person = render.people[index]
    height, width = render.person_map.shape
    x, y = person.head_point
    x1, y1 = np.floor(person.head_box[:2]).astype(int).clip(0)
    x2, y2 = np.ceil(person.head_box[2:]).astype(int) + 1
    head = render.person_map[y1:y2, x1:x2]
    return bool(0 <= x < width and 0 <= y < height and (head == index).mean() >= LEAST_SEEN)


class ShanghaiTech(Writer):
    """``image_info{1}.location`` holds x, y of every visible head and ``number`` their count. No other annotation."""
    people: tuple[int, int]
    sizes_hw: tuple[tuple[int, int], ...]

    def picture(self, job: Job) -> Render:
        rng = self.rng(*job)
        size = self.scaled(*self.sizes_hw[rng.integers(len(self.sizes_hw))])
        low, high = self.people
        return render_crowd(rng, size=size, num_people=int(np.exp(rng.uniform(np.log(low), np.log(high + 1)))))

    def write(self, job: Job) -> None:
        render = self.picture(job)
        points = np.array([x.head_point for i, x in enumerate(render.people) if head_seen(render, i)], np.float64)
        folder = self.root / f'{job.split}_data'
        write_image(folder / 'images' / f'IMG_{job.index + 1}.jpg', render.image)
        write_mat(folder / 'ground_truth' / f'GT_IMG_{job.index + 1}.mat', {'image_info': cells(
            [struct(location=points.reshape(-1, 2), number=np.array([[len(points)]], np.uint16))], (1, 1))})

    def finish(self, records: Mapping[str, list[Any]]) -> None:
        """Every image has its own .mat."""


class ShanghaiTechA(ShanghaiTech):
    """Dense."""
    people = (12, 60)
    sizes_hw = ((192, 256), (224, 320), (256, 320), (240, 256))


class ShanghaiTechB(ShanghaiTech):
    """Sparse, 4:3."""
    people = (5, 40)
    sizes_hw = ((192, 256),)
