"""One person per crop with attribute labels: the part that PA-100K, PETA and RAP share."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..scene import PersonView, render_person
from .attribute_tables import Rule, labels
from .base import Job, Writer
from .files import write_image

STYLES = 8        # cameras
OCCLUDED = 0.1    # share of crops with something in front of the person


class AttributeWriter(Writer):
    """Crops of different heights and widths; every image is another person."""
    table: Mapping[str, Rule]
    heights = (112, 144)

    def crop(self, job: Job) -> tuple[np.ndarray, PersonView]:
        """Picture (H, W, 3) and the person in it."""
        rng = self.rng(*job)
        height = int(rng.integers(self.heights[0], self.heights[1] + 1))
        width = round(height * rng.uniform(0.42, 0.55))
        render = render_person(self.person(*job), rng, size=(height, width), camera_style=int(rng.integers(STYLES)),
                               occluded=bool(rng.random() < OCCLUDED))
        return render.image, render.people[0]

    def write(self, job: Job) -> np.ndarray:
        image, person = self.crop(job)
        write_image(self.root / self.name(job), image)
        return labels(self.table, person)

    def name(self, job: Job) -> str:
        """Path of the image below the root."""
        raise NotImplementedError

    def number(self, job: Job) -> int:
        """Running number over all splits, from 1."""
        before = list(self.counts)[:list(self.counts).index(job.split)]
        return sum(self.counts[x] for x in before) + job.index + 1

    def numbers(self, split: str) -> list[int]:
        """Running numbers of a split, from 1."""
        return [self.number(Job(split, i)) for i in range(self.counts[split])]

    def shuffled_splits(self, number: int) -> dict[str, np.ndarray]:
        """Partition ``number``: the split that was made (0), or a random one of the same sizes. Numbers from 1."""
        own = [x for split in self.counts for x in self.numbers(split)]
        order = self.rng('partition', number).permutation(own) if number else np.array(own)
        ends = np.cumsum(list(self.counts.values()))
        return {split: np.sort(part) for split, part in zip(self.counts, np.split(order, ends[:-1]))}

    def matrix(self, records: Mapping[str, list[Any]]) -> np.ndarray:
        """(images, attributes) labels of all splits in order of the running number."""
        return np.concatenate([np.stack(records[split]) for split in self.counts])
