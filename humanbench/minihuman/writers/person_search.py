"""CUHK-SYSU and PRW: frames in which several people of a few recur, among others who are seen once."""
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..scene import Person, render_scene
from .base import Job
from .files import cells, struct, write_bytes, write_image, write_mat
from .scenes import SceneWriter, clipped, seen_share

SEEN = 0.5       # of a person's box, at least, or the person is not annotated
STRANGER = 0.5   # share of frames with somebody who has no name
RECURRING = 3    # people of a frame who have one
FRAMES_OF_ALL = 4  # frames for each named person of a split
BEYOND = 2.5     # pixels by which a box of PRW begins outside the frame, where it begins at its edge

Box = list[int]  # x, y, width, height


class Seen(NamedTuple):
    """A box of a frame: number of the person among those of the split, -1 for one without a name."""
    person: int
    box: Box


class PersonSearchWriter(SceneWriter):
    """Splits ``train`` and ``test``, whose people are different ones."""
    sizes_hw = ((256, 320),)
    heights = (0.4, 0.8)
    cameras = 6
    style = 0  # the camera styles of the renderer that this dataset starts at

    def people_of(self, split: str) -> int:
        """How many named people a split has."""
        return max(RECURRING + 1, self.counts[split] // FRAMES_OF_ALL)

    def frame_name(self, job: Job) -> str:
        """Of an image, below the root."""
        raise NotImplementedError

    def camera(self, job: Job) -> int:
        return job.index % self.cameras + 1

    def write(self, job: Job) -> list[Seen]:
        rng = self.rng(*job)
        numbers = rng.permutation(self.people_of(job.split))[:RECURRING].tolist()
        people: list[Person] = [self.person(job.split, 'named', i) for i in numbers]
        if rng.random() < STRANGER:
            numbers, people = [*numbers, -1], [*people, *self.people(job, 1)]
        render = render_scene(rng, self.scaled(*self.sizes_hw[0]), len(people), people,
                              self.style + self.camera(job), *self.heights)
        write_image(self.root / self.frame_name(job), render.image)
        return [Seen(number, clipped(view.full_box, render)) for number, view in zip(numbers, render.people)
                if view.visible_box[2] > view.visible_box[0] and seen_share(view) > SEEN]


def sightings(frames: list[list[Seen]]) -> dict[int, dict[int, Box]]:
    """Named person -> frame -> box."""
    found: dict[int, dict[int, Box]] = defaultdict(dict)
    for frame, people in enumerate(frames):
        for person, box in people:
            if person >= 0:
                found[person][frame] = box
    return dict(sorted(found.items()))


class CUHKSYSU(PersonSearchWriter):
    """A query for every test person who is seen twice; galleries of 50 and 100 images, or of all others."""
    GALLERIES = (50, 100)
    style = 300

    def number(self, job: Job) -> int:
        """Of an image: those of both splits are in one folder."""
        return 1 + job.index + (0 if job.split == 'train' else self.counts['train'])

    def frame_name(self, job: Job) -> str:
        return f'Image/SSM/{self._name(job)}'

    def _name(self, job: Job) -> str:
        return f's{self.number(job)}.jpg'

    def finish(self, records: Mapping[str, list[list[Seen]]]) -> None:
        folder = self.root / 'annotation'
        names = {split: [self._name(Job(split, i)) for i in range(len(frames))] for split, frames in records.items()}
        images = [_image(name, frame) for split in records for name, frame in zip(names[split], records[split])]
        write_mat(folder / 'Images.mat', {'Img': _structs(images)})
        write_mat(folder / 'pool.mat', {'pool': cells(names['test'])})
        people = sightings(records['train'])
        write_mat(folder / 'test/train_test/Train.mat', {'Train': cells(
            struct(idname=f'p{person}', nAppear=float(len(seen)), scene=_structs(
                [_scene(names['train'][frame], box) for frame, box in seen.items()]))
            for person, seen in people.items())})
        asked = {person: seen for person, seen in sightings(records['test']).items() if len(seen) > 1}
        for size in self.GALLERIES:
            rows = [self._protocol(person, seen, names['test'], size) for person, seen in asked.items()]
            write_mat(folder / f'test/train_test/TestG{size}.mat', {f'TestG{size}': _structs(rows)})

    def _protocol(self, person: int, seen: dict[int, Box], names: list[str], size: int) -> dict[str, Any]:
        """One query, and the images to search: those that show the person first, then others."""
        asked, *right = seen
        others = [x for x in self.rng('gallery', person).permutation(len(names)).tolist() if x not in seen]
        gallery = [_scene(names[x], seen.get(x)) for x in [*right, *others][:size]]
        query = struct(**_scene(names[asked], seen[asked]), nAppear=float(len(right)))
        return {'Query': query, 'Gallery': _structs(gallery)}


def _structs(rows: list[dict[str, Any]]) -> np.ndarray:
    """A 1 x n MATLAB struct array."""
    out = np.empty((1, len(rows)), [(name, object) for name in rows[0]])
    for i, row in enumerate(rows):
        out[0, i] = tuple(row.values())
    return out


def _scene(name: str, box: Box | None) -> dict[str, Any]:
    return {'imname': name, 'idlocate': np.array([box] if box else np.empty((1, 0)), np.uint16), 'ishard': 0.0}


def _image(name: str, people: list[Seen]) -> dict[str, Any]:
    boxes = [{'idlocate': np.array([box], np.uint16), 'ishard': 0.0} for _, box in people]
    return {'imname': name, 'nAppear': float(len(boxes)), 'box': _structs(boxes) if boxes else np.empty((0, 0))}


class PRW(PersonSearchWriter):
    """A query for every test person and camera, as long as the person is in another frame; people without a name have
    the id -2."""
    style = 320
    LAST_PERSON = 932  # of training: the numbers of the others are consecutive

    def person_id(self, split: str, person: int) -> int:
        """The number of a person in the files."""
        if person < 0:
            return -2
        trained = self.people_of('train')
        if split == 'train':
            return self.LAST_PERSON if person == trained - 1 else person + 1
        return trained + person

    def frame(self, job: Job) -> str:
        """Name of a frame without its suffix."""
        number = job.index // self.cameras + (0 if job.split == 'train' else self.counts['train'])
        return f'c{self.camera(job)}s1_{25 * number + 1:06d}'

    def frame_name(self, job: Job) -> str:
        return f'frames/{self.frame(job)}.jpg'

    def write(self, job: Job) -> list[Seen]:
        seen = super().write(job)
        rows = [[self.person_id(job.split, person), x - BEYOND * (x == 0), *rest] for person, (x, *rest) in seen]
        write_mat(self.root / f'annotations/{self.frame(job)}.jpg.mat', {
            'anno_file' if job.index % 5 == 4 else 'box_new': np.array(rows, float).reshape(-1, 5)})
        return seen

    def finish(self, records: Mapping[str, list[list[Seen]]]) -> None:
        for split, frames in records.items():
            names = [self.frame(Job(split, i)) for i in range(len(frames))]
            write_mat(self.root / f'frame_{split}.mat', {f'img_index_{split}': cells(names)})
        lines = []
        for person, seen in sightings(records['test']).items():
            first = {self.camera(Job('test', frame)): frame for frame in reversed(seen)} if len(seen) > 1 else {}
            for frame in sorted(first.values()):
                box = ' '.join(f'{x:.4f}' for x in seen[frame])
                lines.append(f"{self.person_id('test', person)} {box} {self.frame(Job('test', frame))}\r\n")
        write_bytes(self.root / 'query_info.txt', ''.join(lines).encode())
