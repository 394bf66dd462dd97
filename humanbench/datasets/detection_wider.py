"""WiderPerson and the WIDER Pedestrian challenge: text files of boxes."""
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from ..errors import DataError, UserError
from ..registry import DATASETS
from .base import read_lines, reading
from .detection import PeopleDataset, annotated
from .roots import Folder

FAULTY = {'011765'}  # its annotation is wrong, as the author of a converter found


@DATASETS.register_module()
class WiderPerson(PeopleDataset):
    """WiderPerson: a text file an image. Pedestrians, riders and partly visible persons (1, 2, 3) are people; ignore
    regions and crowds (4, 5) are ignore regions. 'trainval' is what PATH trains on."""
    datasets = ('widerperson',)
    splits = ('train', 'val', 'trainval')
    people = (1, 2, 3)

    def all_records(self) -> Iterator[dict[str, Any]]:
        parts = ('train', 'val') if self.split == 'trainval' and self._ann_file is None else (self.split,)
        lists = [self.annotation(f'{part}.txt') for part in parts]
        images, labels = self.image_folder('Images'), self.folder('Annotations')
        self.consulted(Path(labels.path))  # one stamp for all files in it
        for name in (x.strip() for path in lists for x in read_lines(path)):
            if name not in FAULTY:
                yield dict(img_path=images.join(f'{name}.jpg'), img_id=name,
                           **self._labels(self.inside(labels.join(f'{name}.jpg.txt'))))

    def _labels(self, path: Path) -> dict[str, Any]:
        with reading(path, "the number of boxes, then lines 'class x1 y1 x2 y2'"):
            number, *lines = read_lines(path)
            if len(lines) < int(number):
                raise ValueError(f'{len(lines)} of {int(number)} boxes')
            rows = []
            for line in lines:
                kind, x1, y1, x2, y2 = line.split()
                if int(kind) not in range(1, 6):
                    raise ValueError(f"class {kind} in '{line}'")
                x, y = float(x1), float(y1)
                rows.append(dict(bbox=[x, y, float(x2) - x, float(y2) - y], ignore=int(int(kind) not in self.people),
                                 kind=int(kind)))
            return annotated(rows)


@DATASETS.register_module()
class WiderPedestrian(PeopleDataset):
    """WIDER Pedestrian: a text file of all boxes and one of ignore regions.

    The challenge of 2018 writes 'name class x y w h class x y w h ...' (1 pedestrian, 2 cyclist, both are people), the
    later one 'name x y w h ...'; which it is shows in the numbers of all lines together.

    Args:
        group: numbers of one box, 5 or 4, for a file in which every line would fit both.
    """
    datasets = ('wider_pedestrian',)
    splits = ('train', 'val')
    kinds = {1.0: 'pedestrian', 2.0: 'cyclist'}
    places = dict(train=('train', 'sur_train', 'ad_train', 'Images'), val=('val', 'val_data', 'Images'))

    def __init__(self, *args, group: int | None = None, **kwargs):
        if group not in (None, 4, 5):
            raise UserError(f'group={group}: a box of WIDER Pedestrian has 4 numbers, or 5 with its class')
        self._group = group
        super().__init__(*args, **kwargs)

    def all_records(self) -> Iterator[dict[str, Any]]:
        path = self.annotation(f'{self.split}_annotations.txt', f'Annotations/{self.split}_bbox.txt')
        lines = self._numbers(path)
        group = self._group or self._numbers_of_a_box(path, lines)
        ignored = self._ignored()
        root, places = self._image_places()
        for name, numbers in lines:
            with reading(f'{path}, {name}', f'groups of {group} numbers'):
                rows = [self._row(numbers[i:i + group]) for i in range(0, len(numbers), group)]
                labels = annotated(rows + [dict(bbox=x, ignore=1, label='ignore') for x in ignored.get(name, ())])
                image = root.join(places.get(name) or f'{self.places[self.split][0]}/{name}')
            yield dict(img_path=image, img_id=name, **labels)

    @staticmethod
    def _numbers(path: Path) -> list[tuple[str, list[float]]]:
        lines = []
        for number, line in enumerate(read_lines(path), 1):
            with reading(f'{path}, line {number}', 'the name of an image, then numbers'):
                name, *rest = line.split()
                lines.append((name, [float(x) for x in rest]))
        return lines

    @staticmethod
    def _numbers_of_a_box(path: Path, lines: list[tuple[str, list[float]]]) -> int:
        fits = [n for n in (4, 5) if all(len(numbers) % n == 0 for _, numbers in lines)]
        if len(fits) != 1:
            raise DataError(f"'{path}': {'every line fits' if fits else 'not every line fits'} groups of 4 numbers (x, "
                            'y, width, height) and groups of 5 (class before them). Expected a file that is one of '
                            'the two; if it is whole, say which with group=4 or group=5.')
        return fits[0]

    def _row(self, numbers: list[float]) -> dict[str, Any]:
        kind = self.kinds[numbers[0]] if len(numbers) == 5 else 'pedestrian'
        return dict(bbox=numbers[-4:], ignore=0, label=kind)

    def _ignored(self) -> dict[str, list[list[float]]]:
        """Name of an image -> boxes of its ignore regions."""
        names = (f'pedestrian_ignore_part_{self.split}.txt', f'Annotations/{self.split}_ignore.txt')
        found = [x for x in names if self.has(x)]
        if not found:
            print_log(f"'{self.root}' has no file of ignore regions ({' or '.join(names)}): all boxes count", 'current')
            return {}
        path = self.file(found[0], 'ignore regions')
        with reading(path, "lines 'name x y w h x y w h ...'"):
            lines = self._numbers(path)
            if any(len(numbers) % 4 for _, numbers in lines):
                raise ValueError('a line is not made of groups of 4 numbers')
            return {name: [numbers[i:i + 4] for i in range(0, len(numbers), 4)] for name, numbers in lines}

    def _image_places(self) -> tuple[Folder, dict[str, str]]:
        """A folder, and name of an image -> where it lies in that folder, at most two levels down."""
        if self._img_dir is not None:
            root, tops = self.image_folder('.'), ('',)
        else:
            root, tops = self.folder('.'), [x for x in self.places[self.split] if self.has(x)]
        places = {}
        for top in tops:
            for place in (top, *(f'{top}/{x}'.lstrip('/') for x in self.subfolders(root, top))):
                places.update({name: f'{place}/{name}'.lstrip('/') for name in self.list_images(root, place)})
        return root, places
