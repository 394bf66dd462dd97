"""Person search: whole frames in which a person of another frame is to be found."""
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from ..errors import DataError, unknown_name
from ..registry import DATASETS
from .base import HumanDataset, read_lines, read_mat, reading
from .detection import instance
from .reid import number

UNNAMED = -1  # ``pid`` of a box whose person nobody has named, and its ``identity``
Box = tuple[float, float, float, float]  # x, y, width, height


class PersonSearchDataset(HumanDataset):
    """Records with ``instances`` in MMDetection's form, each with the ``pid`` of its person (-1: not named), and
    ``raw_ann_info``, the native boxes ``bbox`` (x, y, width, height) with ``pid``.

    In the training split every instance has ``identity``, the 0-based label of its person (-1: not named). A record of
    the test split has ``frame``, its number, and ``queries``, those whose person is shown in it by a given box:

    - ``query``: number of the query, ``pid``, ``bbox`` x1, y1, x2, y2
    - ``gallery``: (g,) int32 numbers of the frames to search, or None for all frames but this one
    - ``positives``: frame -> box (x1, y1, x2, y2) of the person, or None: wherever ``pid`` is

    ``metainfo['num_ids']`` is the number of named people of the split.
    """
    splits = ('train', 'test')
    training_splits = ('train',)

    def card_facts(self) -> dict[str, Any]:
        return dict(classes=('person',))

    def labels(self, rows: Sequence[tuple[int, Box]], identities: Mapping[int, int] | None) -> dict[str, Any]:
        """The labels of a record.

        Args:
            rows: person and box.
            identities: label of each named person; None outside training.
        """
        instances = [instance(box, False) | dict(pid=pid) for pid, box in rows]
        if identities is not None:
            for item in instances:
                item['identity'] = identities.get(item['pid'], UNNAMED)
        return dict(instances=instances, raw_ann_info=[dict(bbox=list(box), pid=pid) for pid, box in rows])

    def count_people(self, people: Iterable[int]) -> dict[int, int]:
        """Labels of named people, in the order of their numbers; how many they are goes into :attr:`metainfo`."""
        labels = {pid: label for label, pid in enumerate(sorted({*people} - {UNNAMED}))}
        self._metainfo['num_ids'] = len(labels)
        return labels


@DATASETS.register_module()
class CUHKSYSU(PersonSearchDataset):
    """CUHK-SYSU: boxes of all images in one MATLAB file, people and galleries in others.

    ``pid`` of training person i is i + 1, that of query i is i + 1 + :attr:`TEST_PIDS`: they are different people.

    Args:
        gallery_size: images among which each query searches, one of :attr:`GALLERIES`.
        args, kwargs: of :class:`~humanbench.datasets.base.HumanDataset`.
    """
    datasets = ('cuhk_sysu',)
    GALLERIES = (50, 100, 500, 1000, 2000, 4000)
    TEST_PIDS = 10_000

    def __init__(self, *args: Any, gallery_size: int = 100, **kwargs: Any):
        if gallery_size not in self.GALLERIES:
            raise unknown_name('gallery size of CUHK-SYSU', str(gallery_size), map(str, self.GALLERIES))
        self.gallery_size = gallery_size
        super().__init__(*args, **kwargs)

    def load_records(self) -> Iterator[dict[str, Any]]:
        boxes, folder = self._boxes(), self.image_folder('Image/SSM')
        pool = self._pool()
        frames = {name: frame for frame, name in enumerate(boxes)}
        if self.split == 'train':
            named, queries = self._training_people(), {}
        else:
            named, queries = self._queries(frames)
        self._check_known(named, boxes)
        identities = self.count_people(pid for people in named.values() for pid in people.values())
        for name, frame in frames.items():
            if (name in pool or name in queries) == (self.split == 'test'):
                labels = self.labels([(named.get(name, {}).get(box, UNNAMED), box) for box in boxes[name]],
                                     identities if self.split == 'train' else None)
                extra = dict(frame=frame, queries=queries.get(name, [])) if self.split == 'test' else {}
                yield dict(img_path=folder.join(name), img_id=name, **labels, **extra)

    def _boxes(self) -> dict[str, list[Box]]:
        """Boxes of every image."""
        path = self.annotation('annotation/Images.mat')
        expected = 'the struct Img, with name, count and boxes of every image'
        data = read_mat(path, expected)
        with reading(path, expected):
            found = {}
            for item in data['Img'].ravel():
                name, _, boxes = list(item)[:3]
                rows = [_box(x[0]) for x in boxes.ravel()]
                found[_word(name)] = [x for x in rows if x[2] > 0 and x[3] > 0]
            return found

    def _pool(self) -> set[str]:
        path, expected = self._protocol('annotation/pool.mat'), 'the cells pool, names of the test images'
        data = read_mat(path, expected)
        with reading(path, expected):
            return {_word(x) for x in data['pool'].ravel()}

    def _protocol(self, name: str) -> Path:
        return self.file(name, 'an annotation file')

    def _training_people(self) -> dict[str, dict[Box, int]]:
        """Image -> box -> person."""
        path = self._protocol('annotation/test/train_test/Train.mat')
        expected = 'the cells Train, of each person a struct with images and boxes'
        data, named = read_mat(path, expected), defaultdict(dict)
        with reading(path, expected):
            for index, person in enumerate(data['Train'].ravel()):
                for scene in person[0, 0][2].ravel():
                    named[_word(scene[0])][_box(scene[1])] = index + 1
        return named

    def _queries(self, frames: Mapping[str, int]) -> tuple[dict[str, dict[Box, int]], dict[str, list[dict]]]:
        """Image -> box -> person, and image -> queries."""
        name = f'TestG{self.gallery_size}'
        path, expected = self._protocol(f'annotation/test/train_test/{name}.mat'), f'the struct {name}: Query, Gallery'
        data, named, queries = read_mat(path, expected), defaultdict(dict), defaultdict(list)
        with reading(path, expected):
            for index, item in enumerate(data[name].ravel()):
                pid, asked = index + 1 + self.TEST_PIDS, item['Query'][0, 0]
                image, box, gallery, positives = _word(asked[0]), _box(asked[1]), [], {}
                if image not in frames:
                    raise KeyError(image)
                for scene in item['Gallery'].ravel():
                    shown = _word(scene[0])
                    gallery.append(frames[shown])
                    if scene[1].size:
                        named[shown][_box(scene[1])] = pid
                        positives[frames[shown]] = _corners(_box(scene[1]))
                named[image][box] = pid
                queries[image].append(dict(query=index, pid=pid, bbox=_corners(box), positives=positives,
                                           gallery=np.array(gallery, np.int32)))
        return named, queries

    @staticmethod
    def _check_known(named: Mapping[str, Mapping[Box, int]], boxes: Mapping[str, list[Box]]) -> None:
        lost = [(name, box) for name, people in named.items() for box in people if box not in boxes.get(name, ())]
        if lost:
            print_log(f"CUHK-SYSU: {len(lost)} named boxes are not among those of Images.mat, that of '{lost[0][0]}' "
                      'first; they are left out.', 'current')


def _word(value: np.ndarray) -> str:
    """The text of a MATLAB cell."""
    while isinstance(value, np.ndarray):
        value = value.ravel()[0]
    if not isinstance(value, str):
        raise ValueError(f'{value!r:.80} where a name is expected')
    return str(value)


def _box(value: np.ndarray) -> Box:
    if value.dtype == object or value.size != 4:
        raise ValueError(f'{value!r:.80} where a box x, y, width, height is expected')
    box = tuple(float(x) for x in value.ravel())
    instance(box, False)  # refuses what is no number
    return box


def _corners(box: Box) -> list[float]:
    return instance(box, False)['bbox']


@DATASETS.register_module()
class PRW(PersonSearchDataset):
    """PRW: a MATLAB file of boxes for every frame; ``camid`` is in the frame's name."""
    datasets = ('prw',)
    AMBIGUOUS = -2
    _BOXES = ('box_new', 'anno_file', 'anno_previous')

    def load_records(self) -> Iterator[dict[str, Any]]:
        names = self._frames()
        folder, boxes = self.image_folder('frames'), self.folder('annotations')
        rows = [self._rows(self.consulted(self.inside(boxes.join(f'{name}.jpg.mat')))) for name in names]
        identities = self.count_people(pid for row in rows for pid, _ in row)
        queries = self._queries(set(names)) if self.split == 'test' else {}
        for frame, (name, row) in enumerate(zip(names, rows)):
            extra = dict(frame=frame, queries=queries.get(name, [])) if self.split == 'test' else {}
            yield dict(img_path=folder.join(f'{name}.jpg'), img_id=name, camid=_camera(name), **extra,
                       **self.labels(row, identities if self.split == 'train' else None))

    def _frames(self) -> list[str]:
        path = self.annotation(f'frame_{self.split}.mat')
        expected = f'the cells img_index_{self.split}, names of frames such as c1s1_000001'
        data = read_mat(path, expected)
        with reading(path, expected):
            names = [_word(x) for x in data[f'img_index_{self.split}'].ravel()]
            for name in names:
                _camera(name)
            return names

    def _rows(self, path: Path) -> list[tuple[int, Box]]:
        expected = f'the array {", ".join(self._BOXES)}: n x 5, id, x, y, width, height'
        data = read_mat(path, expected)
        with reading(path, expected):
            found = next(data[x] for x in self._BOXES if x in data) if data.keys() & {*self._BOXES} else None
            if found is None or found.dtype == object or found.ndim != 2 or found.size and found.shape[1] != 5:
                raise ValueError('no such array')
            return [self._row(*row) for row in np.asarray(found, float).reshape(-1, 5).tolist()]

    def _row(self, pid: float, x: float, y: float, width: float, height: float) -> tuple[int, Box]:
        if pid != self.AMBIGUOUS and not (pid > 0 and pid == number(pid)):
            raise ValueError(f'the id {pid} of a person; expected a whole number above 0, or {self.AMBIGUOUS}')
        box = max(x, 0.0), max(y, 0.0), width, height
        instance(box, False)  # refuses what is no number
        return UNNAMED if pid == self.AMBIGUOUS else int(pid), box

    def _queries(self, frames: set[str]) -> dict[str, list[dict]]:
        """Frame -> queries."""
        path, queries = self.file('query_info.txt', 'the list of queries'), defaultdict(list)
        for index, line in enumerate(read_lines(path)):
            with reading(path, "lines such as '479 779.01 381.02 92.3 278.9 c1s3_016471'"):
                pid, x, y, width, height, frame = line.split()
                if frame not in frames:
                    raise DataError(f"query {index + 1} of '{path}' is of the frame {frame!r:.60}, which is not one of "
                                    'frame_test.mat.')
                box = _corners((float(x), float(y), float(width), float(height)))
                queries[frame].append(dict(query=index, pid=number(pid), bbox=[max(v, 0.0) for v in box], gallery=None,
                                           positives=None))
        return queries


def _camera(name: str) -> int:
    match = re.match(r'c(\d)s\d', name)
    if match is None:
        raise ValueError(f"the frame {name!r:.60}; expected a name such as 'c1s1_000001'")
    return int(match[1])
