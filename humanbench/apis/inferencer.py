"""Everything that one model can say about the people in pictures."""
import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from ..datasets.transforms.geometry import box_window
from ..engine.command import load_trained
from ..errors import CheckpointError, DataError, UserError
from ..registry import MODELS
from ..structures import HumanSample
from .inputs import Picture, box_array, media_of
from .output import ResultWriter
from .overlay import draw_result
from .passes import ask, record
from .recipe import TaskHead, chosen_heads, read_recipe
from .results import ImageResult, PersonResult

OF_PERSONS = ('pose', 'parsing', 'attribute', 'reid')
WHOLE_IMAGE = 'whole_image'

Boxes = str | Mapping[str, Any] | None
OnError = Callable[[str, DataError], None]


def find_device(name: str) -> torch.device:
    """A device of this machine; ``auto`` is a GPU where there is one.

    Raises:
        UserError: there is none of this name.
    """
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch's words for what is not there
        present = ['auto', 'cpu', *(f'cuda:{i}' for i in range(torch.cuda.device_count()))]
        raise UserError(f"there is no device '{name}' here. Expected one of {', '.join(present)}.") from error
    return device


class HumanInferencer:
    """Boxes, and of each person pose, parsing, attributes and an identity feature; and a count: from one model::

        inferencer = HumanInferencer('path_debug/iter_750.pth')
        for result in inferencer('photos', out_dir='found'):
            print(result.name, [person.attributes for person in result.persons])

    Each head gets its pictures as in its test (the pipelines of the recipe's ``evaluations``), so that what is
    predicted of a test image is what `humanbench test` scores. That takes a pass through the network for each task,
    because each wants other pixels.

    Args:
        model: a checkpoint (a file, a checkpoint folder or a work folder), or a config (path, name or Config).
        weights: the checkpoint, where ``model`` is a config; ``scratch`` for an untrained model.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` ...
        tasks: of humanbench.catalog.TASKS; by default all that the model has heads for.
        heads: source by task, where a task has several; ``recipe.PREFERRED`` says the default.
        batch_size: most pictures, or people, in one pass.
        score_threshold: people are the boxes with a score above it.

    Attributes:
        heads: the head of each task that can be asked.
        tasks: those that are asked; any of ``heads`` may be taken out and put in again between calls.
        notes: what the model cannot do, and why: lines for people.

    Raises:
        UserError: no such checkpoint, config, device, task or head, or a checkpoint that does not say what it is.
    """

    def __init__(self, model: str | PathLike | Config, weights: str | None = None, device: str = 'auto',
                 tasks: Sequence[str] | None = None, heads: Mapping[str, str] | None = None, batch_size: int = 16,
                 score_threshold: float = 0.3):
        if batch_size < 1:
            raise UserError(f'batch_size {batch_size}: expected 1 or more.')
        self.batch_size, self.score_threshold = batch_size, score_threshold
        self.device = find_device(device)
        recipe, weights = read_recipe(model, weights)
        self.heads, self.notes = chosen_heads(recipe, tasks, heads)
        self.tasks = set(self.heads if tasks is None else (*tasks, *(heads or ())))
        sources = [head.source for head in self.heads.values()]
        if not sources:
            raise UserError(f'{recipe.where} has no head that can be asked. ' + ' '.join(self.notes))
        self.model = MODELS.build(dict(recipe.model, owned=sources))
        load_trained(self.model, weights, sources)
        broken = [name for name, x in self.model.named_parameters() if not x.isfinite().all()]
        if broken:
            raise CheckpointError(f"'{weights}' holds values that are not finite, in '{broken[0]}' first: its training "
                                  'has diverged. Take an earlier checkpoint.')
        self.model.to(self.device).eval()

    def __call__(self, inputs: Any, boxes: Boxes = None, out_dir: str | PathLike | None = None, overlay: bool = True,
                 return_vis: bool = False, on_error: OnError | None = None) -> Iterator[ImageResult]:
        """Look at pictures, one result after the other.

        Nothing is read ahead but a batch, so a video of any length needs the memory of a few frames.

        Args:
            inputs: a path of an image, a video or a folder, a pattern, an RGB array (H, W, 3) of uint8, or any iterable
                of these, a generator too.
            boxes: where the people are, instead of the detection head: ``whole_image`` for one person that fills the
                picture, or by the picture's name a list of [x1, y1, x2, y2] in pixels. Without a detection head,
                ``whole_image`` is the default.
            out_dir: folder for JSON and overlays, see :class:`humanbench.apis.output.ResultWriter`.
            overlay: whether pictures with everything drawn on them are written there.
            return_vis: whether they come with the results.
            on_error: called with the name and the error of what cannot be read; it is left out, and of a video that is
                cut off the frames so far are kept. None: the error ends the iteration.

        Raises:
            UserError: a wrong argument (before the first result), or input.
        """
        if isinstance(boxes, str) and boxes != WHOLE_IMAGE:
            raise UserError(f"boxes '{boxes}': expected '{WHOLE_IMAGE}', or boxes by the name of the picture.")
        if isinstance(boxes, Mapping):
            boxes = {name: box_array(x, f"boxes of '{name}'") for name, x in boxes.items()}
        writer = None if out_dir is None else ResultWriter(out_dir, inputs, overlay)
        return self._results(_pictures(inputs, on_error), boxes, writer, return_vis)

    def _results(self, pictures: Iterator[Picture], boxes: Boxes, writer: ResultWriter | None,
                 return_vis: bool) -> Iterator[ImageResult]:
        with writer or contextlib.nullcontext():
            for batch in _batches(pictures, self.batch_size):
                for picture, result in zip(batch, self._look(batch, boxes)):
                    if writer is not None:
                        writer.write(picture, result)
                    if return_vis:
                        result.visualization = draw_result(picture.image, result)
                    yield result

    def _look(self, pictures: Sequence[Picture], boxes: Boxes) -> list[ImageResult]:
        """What is in some pictures."""
        asked = {task: head for task, head in self.heads.items() if task in self.tasks}
        results = [ImageResult(
            picture.name, picture.image.shape[:2], {task: head.names for task, head in asked.items() if head.names},
            {task: head.source for task, head in asked.items()}, frame=picture.frame, time=picture.time)
            for picture in pictures]
        if self.tasks - {'counting'}:
            for result, persons in zip(results, self._persons(pictures, boxes)):
                result.persons = [person for person in persons if person.window is not None]
        for task in OF_PERSONS:
            if task in asked:
                self._ask_of_persons(asked[task], pictures, results)
        if 'counting' in asked:
            for i, sample in self._ask(asked['counting'], ((i, x, None) for i, x in enumerate(pictures))):
                results[i].count, results[i].density = float(sample.pred_count), sample.pred_density.cpu().numpy()
        return results

    def _persons(self, pictures: Sequence[Picture], boxes: Boxes) -> list[list[PersonResult]]:
        """Where people are, picture by picture."""
        if boxes is None and 'detection' in self.heads:
            found: list[list[PersonResult]] = [[] for _ in pictures]
            for i, sample in self._ask(self.heads['detection'], ((i, x, None) for i, x in enumerate(pictures))):
                size, instances = pictures[i].image.shape[:2], sample.pred_instances.cpu().numpy()
                found[i] = [_person(box, size, float(score)) for box, score in zip(instances.bboxes, instances.scores)
                            if score > self.score_threshold]
            return found
        return [[_person(box, x.image.shape[:2]) for box in _given(boxes, x)] for x in pictures]

    def _ask_of_persons(self, head: TaskHead, pictures: Sequence[Picture], results: Sequence[ImageResult]) -> None:
        """Fill in what one head says of all people of some pictures."""
        everybody = [(i, person) for i, result in enumerate(results) for person in result.persons]
        if not head.whole:
            asked = ((number, pictures[i], person) for number, (i, person) in enumerate(everybody))
            for number, sample in self._ask(head, asked):
                _SAID[head.task](everybody[number][1], sample)
            return
        occupied = dict.fromkeys(i for i, _ in everybody)
        for i, sample in self._ask(head, ((i, pictures[i], None) for i in occupied)):
            labels = sample.pred_sem_seg.data[0].cpu().numpy()
            for person in results[i].persons:
                top, left, bottom, right = person.window
                person.parsing = labels[top:bottom, left:right].copy()

    def _ask(self, head: TaskHead, asked: Iterable[tuple[int, Picture, PersonResult | None]]
             ) -> Iterator[tuple[int, HumanSample]]:
        records = ((key, record(head, picture) if x is None else record(head, picture, x.box, x.window))
                   for key, picture, x in asked)
        return ask(self.model, head, records, self.batch_size)


def _pictures(inputs: Any, on_error: OnError | None) -> Iterator[Picture]:
    """All pictures, without what cannot be read where somebody is told of it."""
    for media in media_of(inputs):
        try:
            yield from media.pictures()
        except DataError as error:
            if on_error is None:
                raise
            on_error(media.name, error)


def _batches(pictures: Iterator[Picture], size: int) -> Iterator[list[Picture]]:
    """Pictures in lists; those before one that cannot be read still come, and then its error."""
    while True:
        batch: list[Picture] = []
        failure = None
        try:
            for picture in itertools.islice(pictures, size):
                batch.append(picture)
        except DataError as error:
            failure = error
        if batch:
            yield batch
        if failure is not None:
            raise failure
        if not batch:
            return


def _given(boxes: Boxes, picture: Picture) -> np.ndarray:
    """(n, 4) the boxes that were given for a picture.

    Raises:
        UserError: none were, or one lies outside.
    """
    height, width = picture.image.shape[:2]
    if not isinstance(boxes, Mapping):
        return np.array([[0, 0, width, height]], np.float32)
    if picture.name not in boxes and picture.frame is not None and any(
            name.startswith(f'{picture.media.name}#') for name in boxes):
        return np.zeros((0, 4), np.float32)  # a tracker says nothing of a frame in which nobody is
    if picture.name not in boxes:
        raise UserError(f"there are no boxes for '{picture.name}'. Expected a list for every picture, an empty one "
                        f'where there is nobody; there are some for {", ".join(list(boxes)[:5]) or "none"}.')
    for box in boxes[picture.name]:
        if box_window(box, (height, width)) is None:
            raise UserError(f"a box of '{picture.name}' lies outside: {box.tolist()} in {width} x {height} pixels. "
                            'Expected x1, y1, x2, y2 in pixels of the picture.')
    return boxes[picture.name]


def _person(box: np.ndarray, size: tuple[int, int], score: float | None = None) -> PersonResult:
    return PersonResult(np.asarray(box, np.float32), box_window(box.tolist(), size), score)


def _pose(person: PersonResult, sample: HumanSample) -> None:
    found = sample.pred_instances
    person.keypoints, person.keypoint_scores = found.keypoints[0].numpy(), found.keypoint_scores[0].numpy()


def _parsing(person: PersonResult, sample: HumanSample) -> None:
    person.parsing = sample.pred_sem_seg.data[0].cpu().numpy()


def _attributes(person: PersonResult, sample: HumanSample) -> None:
    person.attributes = sample.pred_attributes.cpu().numpy()


def _feature(person: PersonResult, sample: HumanSample) -> None:
    person.feature = sample.pred_feature.cpu().numpy()


_SAID: dict[str, Callable[[PersonResult, HumanSample], None]] = dict(
    pose=_pose, parsing=_parsing, attribute=_attributes, reid=_feature)
