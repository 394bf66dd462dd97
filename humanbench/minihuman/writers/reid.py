"""Who is seen where: the part of re-identification that the native formats share."""
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from ..scene import Person, Render, render_person, render_scene
from .base import Job, Writer

CROP = (128, 64)
SCENE = (192, 160)  # in which a badly placed box is looked for
OCCLUDED = 0.1  # share of crops with something in front of the person


class Sighting(NamedTuple):
    """One crop of one identity: the ``number``-th of this identity in its split, by ``camera`` (from 1)."""
    split: str
    identity: int
    number: int
    camera: int
    query: bool


class ReIDWriter(Writer):
    """Identities of 'train' and 'test', each seen ``per_id`` times by three or four cameras (all, if there are fewer).

    The first crop of a test identity in every camera is a query, the others are gallery: every query has its identity
    in the gallery under another camera.
    """
    cameras: int
    per_id: int = 8
    identity_splits: tuple[str, ...] = ('train', 'test')
    style = 0  # the camera styles of the renderer that this dataset starts at

    def jobs(self) -> list[Job]:
        return [Job(split, i) for split, n in self.counts.items()
                for i in range(n * (self.per_id if split in self.identity_splits else 1))]

    def sighting(self, job: Job) -> Sighting:
        identity, number = divmod(job.index, self.per_id)
        rng = self.rng(job.split, 'cameras', identity)
        cameras = rng.permutation(self.cameras)[:rng.integers(3, 5)] + 1
        return Sighting(job.split, identity, number, int(cameras[number % len(cameras)]),
                        job.split != 'train' and number < len(cameras))

    def sightings(self, split: str) -> Iterator[Sighting]:
        """All crops of a split in order."""
        return (self.sighting(Job(split, i)) for i in range(self.counts[split] * self.per_id))

    def who(self, sighting: Sighting) -> Person:
        """The person of a sighting."""
        return self.person(sighting.split, sighting.identity)

    def crop(self, job: Job, sighting: Sighting, size: tuple[int, int] = CROP) -> np.ndarray:
        """The picture of a sighting (H, W, 3)."""
        return self.render(job, sighting, size).image

    def render(self, job: Job, sighting: Sighting, size: tuple[int, int] = CROP) -> Render:
        """The picture of a sighting, and what is known of the person, who is the first of its people."""
        rng = self.rng(*job)
        return render_person(self.who(sighting), rng, size=size, camera_style=self.style + sighting.camera,
                             occluded=bool(rng.random() < OCCLUDED))

    def misframed(self, job: Job, camera: int, overlap: float) -> np.ndarray:
        """A crop whose box overlaps the person's by an IoU of about ``overlap``."""
        rng = self.rng(*job)
        render = render_scene(rng, size=SCENE, num_people=1, people=self.people(job, 1),
                              camera_style=self.style + camera, min_height=0.5, max_height=0.7)
        x1, y1, x2, y2 = bad_window(rng, render.people[0].full_box, overlap)
        return resized(render.image[y1:y2, x1:x2], CROP)


def bad_window(rng: np.random.Generator, box: np.ndarray, overlap: float) -> np.ndarray:
    """(4,) int xyxy: of many random windows of a scene the one whose IoU with ``box`` is nearest to ``overlap``."""
    height = rng.uniform(0.35, 0.8, 500) * SCENE[0]
    x1, y1 = rng.uniform(0, SCENE[1] - height / 2), rng.uniform(0, SCENE[0] - height)
    windows = np.stack([x1, y1, x1 + height / 2, y1 + height], 1)
    seen = np.clip(box, 0, [SCENE[1], SCENE[0]] * 2)
    return windows[np.abs(iou(windows, seen) - overlap).argmin()].round().astype(int)


def iou(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """IoU (n,) of ``boxes`` (n, 4) with one box (4,), xyxy."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    inter = sides.clip(0).prod(1)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return inter / (area + (box[2:] - box[:2]).prod() - inter)


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``image`` at (H, W) pixels."""
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
