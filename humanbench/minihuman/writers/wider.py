"""WiderPerson (a text file of boxes beside every image) and the WIDER Pedestrian challenge of 2018 (one for all)."""
from collections.abc import Mapping

from .base import Job
from .files import write_image, write_lines
from .scenes import Scene, SceneWriter, around, clipped, seen_share

FAULTY = '011765'  # the image whose annotation is wrong in the dataset
RIDERS = 0.1       # share of people who count as riders, or cyclists
IGNORED = 0.3      # share of images with three people or more in which the farthest is an ignore region
CROWDS = 0.25      # share of images with four people or more that have the box of a crowd beside those of its people


class WiderPerson(SceneWriter):
    """Classes 1 pedestrian, 2 rider, 3 partly visible, 4 ignore region, 5 crowd; corners in whole pixels. The first
    image has an annotation with fewer boxes than it states. Test images come without annotation."""
    sizes_hw = ((192, 256), (208, 256), (256, 208))

    def write(self, job: Job) -> str:
        scene = self.scene(job)
        first = {'train': 1, 'val': 8001, 'test': 12000}[job.split]
        name = FAULTY if job == ('train', 0) else f'{first + job.index:06d}'
        write_image(self.root / f'Images/{name}.jpg', scene.render.image)
        if job.split != 'test':
            rows = self._rows(scene)
            lines = [f'{kind} {x} {y} {x + w} {y + h}' for kind, (x, y, w, h) in rows]
            write_lines(self.root / f'Annotations/{name}.jpg.txt', [str(len(rows) + (name == FAULTY)), *lines])
        return name

    @staticmethod
    def _rows(scene: Scene) -> list[tuple[int, list[int]]]:
        render, people, rng = scene
        people = sorted(people, key=lambda x: x.full_box[3] - x.full_box[1])
        boxes = [clipped(x.full_box, render) for x in people]
        kinds = [2 if rng.random() < RIDERS else 1 if seen_share(x) > 0.7 else 3 for x in people]
        if len(people) > 2 and rng.random() < IGNORED:
            kinds[0] = 4
        rows = list(zip(kinds, boxes))
        if len(people) > 3 and rng.random() < CROWDS:
            rows.append((5, around(boxes[:2])))
        return rows

    def finish(self, records: Mapping[str, list[str]]) -> None:
        for split, names in records.items():
            write_lines(self.root / f'{split}.txt', names)


class WiderPedestrian(SceneWriter):
    """Lines 'name class x y w h ...', 1 pedestrian, 2 cyclist; ignore regions in a file of their own."""
    sizes_hw = ((192, 256), (144, 256))

    def write(self, job: Job) -> tuple[str, str]:
        render, people, rng = self.scene(job)
        name = f'img{job.index + (1 if job.split == "train" else 11501):05d}.jpg'
        write_image(self.root / job.split / name, render.image)
        people = sorted(people, key=lambda x: x.full_box[3] - x.full_box[1])
        boxes = [clipped(x.full_box, render) for x in people]
        ignored = boxes[:1] if len(people) > 2 and rng.random() < IGNORED else []
        rows = [[2 if rng.random() < RIDERS else 1, *x] for x in boxes[len(ignored):]]
        return _line(name, rows), _line(name, ignored) if ignored else ''

    def finish(self, records: Mapping[str, list[tuple[str, str]]]) -> None:
        for split, lines in records.items():
            write_lines(self.root / f'{split}_annotations.txt', [x for x, _ in lines])
            write_lines(self.root / f'pedestrian_ignore_part_{split}.txt', [x for _, x in lines if x])


def _line(name: str, rows: list[list[int]]) -> str:
    return ' '.join([name, *(str(v) for row in rows for v in row)])
