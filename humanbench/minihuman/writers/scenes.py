"""Pictures of several people: what the formats of detection share with others that show scenes."""
from typing import Any, NamedTuple

import numpy as np

from ..scene import PersonView, Render, render_scene
from .base import Job, Writer


class Scene(NamedTuple):
    """A picture, and those in it of whom something is seen.

    Attributes:
        render: the picture.
        people: those who are seen.
        rng: goes on where the scene has left it.
    """
    render: Render
    people: list[PersonView]
    rng: np.random.Generator


class SceneWriter(Writer):
    """Scenes of a few sizes; some may be empty."""
    sizes_hw: tuple[tuple[int, int], ...] = ((192, 256),)
    people_of_a_scene = (1, 7)  # from, to below
    heights = (0.2, 0.85)       # of people, as shares of the image's
    empty = 0.12                # share of scenes without anybody

    def scene(self, job: Job, attempt: int = 0) -> Scene:
        """The picture of one job, or another for it."""
        rng = self.rng(*job, attempt) if attempt else self.rng(*job)
        height, width = self.scaled(*self.sizes_hw[rng.integers(len(self.sizes_hw))])
        n = 0 if self.empty and rng.random() < self.empty else int(rng.integers(*self.people_of_a_scene))
        render = render_scene(rng, size=(height, width), num_people=n, people=self.people(job, n),
                              min_height=self.heights[0], max_height=self.heights[1])
        return Scene(render, [x for x in render.people if x.visible_box[2] > x.visible_box[0]], rng)


class AttributeSceneWriter(SceneWriter):
    """Up to three people, large enough to show what they wear; who is mostly hidden is not annotated."""
    people_of_a_scene = (1, 4)
    heights = (0.45, 0.9)
    empty = 0.0
    least_seen = 0.3  # share of a box that shows its person

    def scene(self, job: Job) -> Scene:
        render, people, rng = super().scene(job)
        return Scene(render, [x for x in people if seen_share(x) > self.least_seen], rng)


def xywh(box: np.ndarray) -> list[int]:
    """Corners to x, y, width, height in whole pixels; never empty."""
    x1, y1, x2, y2 = (int(x) for x in np.asarray(box).round())
    return [x1, y1, max(x2 - x1, 1), max(y2 - y1, 1)]


def clipped(box: np.ndarray, render: Render) -> list[int]:
    """x, y, width, height in whole pixels of the part of a box (corners) that lies in the picture; never empty."""
    height, width = render.image.shape[:2]
    x1, y1, x2, y2 = (int(v) for v in np.clip(box, 0, [width, height, width, height]).round())
    x1, y1 = min(x1, width - 1), min(y1, height - 1)
    return [x1, y1, max(x2 - x1, 1), max(y2 - y1, 1)]


def seen_share(person: PersonView) -> float:
    """Visible box over full box, at most 1."""
    x1, y1, x2, y2 = person.full_box
    a, b, c, d = person.visible_box
    return float(min((c - a) * (d - b) / max((x2 - x1) * (y2 - y1), 1e-6), 1))


def around(boxes: list[list[int]]) -> list[int]:
    """The box x, y, width, height around others."""
    corners: Any = np.array([[x, y, x + w, y + h] for x, y, w, h in boxes])
    (x1, y1), (x2, y2) = corners[:, :2].min(0), corners[:, 2:].max(0)
    return [int(x1), int(y1), int(x2 - x1), int(y2 - y1)]
