"""What is found in a picture, as typed values and as JSON.

Shapes: K keypoints, A attributes, C channels of the identity feature, h x w pixels of a person's window.
"""
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

Window = tuple[int, int, int, int]  # top, left, bottom, right


@dataclass
class PersonResult:
    """One person. What the model has no head for, or was not asked for, is None.

    Attributes:
        box: (4,) x1, y1, x2, y2 in pixels of the picture.
        score: of the detection; None for a box that was given.
        keypoints: (K, 2) x, y in pixels of the picture.
        keypoint_scores: (K,).
        parsing: (h, w) uint8 class ids of the pixels in ``window``.
        window: the pixels (top, left, bottom, right) of the picture that the box touches.
        attributes: (A,) probabilities.
        feature: (C,) to tell people apart by: the closer to 1 the cosine of two, the more they look like one person.
    """
    box: np.ndarray
    window: Window
    score: float | None = None
    keypoints: np.ndarray | None = None
    keypoint_scores: np.ndarray | None = None
    parsing: np.ndarray | None = None
    attributes: np.ndarray | None = None
    feature: np.ndarray | None = None


@dataclass
class ImageResult:
    """One picture.

    Attributes:
        name: see :class:`humanbench.apis.inputs.Picture`, as ``frame`` and ``time``.
        size: height and width.
        names: by task, what its answers are called: keypoints (pose), classes (parsing), attributes (attribute).
        heads: by task, the source whose head has answered.
        persons: best score first; boxes that were given, in their order.
        count: number of people, fractions included, of a head that counts crowds without boxes; or None.
        density: (h, w) people per cell, whose sum is ``count``; not in the JSON.
        visualization: the picture with all this drawn on it, where it was asked for.
    """
    name: str
    size: tuple[int, int]
    names: dict[str, tuple[str, ...]]
    heads: dict[str, str]
    persons: list[PersonResult] = field(default_factory=list)
    count: float | None = None
    density: np.ndarray | None = None
    frame: int | None = None
    time: float | None = None
    visualization: np.ndarray | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is None is left out.

        A person's ``keypoints`` are ``{name: [x, y, score]}``, ``attributes`` ``{name: probability}`` and ``parsing``
        ``{class: mask}`` without the background, each mask in COCO's run-length encoding, of the size of the picture.
        """
        image = dict(name=self.name, frame=self.frame, time=self.time, height=self.size[0], width=self.size[1],
                     count=_number(self.count), heads=self.heads, persons=[self._person(x) for x in self.persons])
        return {key: value for key, value in image.items() if value is not None}

    def to_json(self) -> str:
        """:meth:`to_dict` as one line."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def _person(self, person: PersonResult) -> dict[str, Any]:
        found: dict[str, Any] = dict(box=[round(float(x), 2) for x in person.box])
        if person.score is not None:
            found['score'] = _number(person.score)
        if person.keypoints is not None:
            found['keypoints'] = {
                name: [round(float(x), 2), round(float(y), 2), _number(score)] for name, (x, y), score in
                zip(self._named('pose', person.keypoints), person.keypoints, person.keypoint_scores)}
        if person.parsing is not None:
            classes = [int(x) for x in np.unique(person.parsing) if x]
            names = self._named('parsing', range(max(classes, default=0) + 1))
            found['parsing'] = {
                names[i]: run_lengths(person.parsing == i, person.window, self.size) for i in classes}
        if person.attributes is not None:
            names = self._named('attribute', person.attributes)
            found['attributes'] = {name: _number(x) for name, x in zip(names, person.attributes)}
        if person.feature is not None:
            found['feature'] = [_number(x) for x in person.feature]
        return found

    def _named(self, task: str, values: Sequence) -> Sequence[str]:
        """The names of a task's answers; numbers where a dataset of the user's own has none."""
        return self.names.get(task) or [str(i) for i in range(len(values))]


def _number(value: float | None) -> float | None:
    """A float of six significant digits: what float32 holds, without the digits that it does not."""
    return None if value is None else float(f'{float(value):.6g}')


def run_lengths(mask: np.ndarray, window: Window, size: tuple[int, int]) -> dict[str, Any]:
    """COCO's compressed run-length encoding of a mask that is zero outside a window; takes time for the window alone.

    Args:
        mask: (h, w) bool, of the window.
        window: top, left, bottom, right, in pixels of the picture.
        size: height and width of the picture.
    """
    height, (top, left) = size[0], window[:2]
    padded = np.zeros((mask.shape[1], mask.shape[0] + 2), np.int8)  # column by column, as COCO counts
    padded[:, 1:-1] = mask.T
    steps = np.diff(padded, axis=1)
    (columns, starts), (_, ends) = np.nonzero(steps == 1), np.nonzero(steps == -1)
    edges = ((left + columns) * height + top)[:, None] + np.stack([starts, ends], 1)
    edges = edges.ravel()
    inner = np.flatnonzero(edges[1:-1:2] == edges[2::2])  # a run that goes on at the top of the next column
    edges = np.delete(edges, np.concatenate([2 * inner + 1, 2 * inner + 2]))
    counts = np.diff(np.concatenate([[0], edges, [size[0] * size[1]]])).tolist()
    if len(counts) > 1 and counts[-1] == 0:
        counts.pop()  # COCO has no run of length 0 but the first
    encoded = coco_mask.frPyObjects(dict(size=list(size), counts=counts), *size)
    return dict(size=list(size), counts=encoded['counts'].decode('ascii'))
