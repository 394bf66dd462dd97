"""Pedestrians seen from a car: Caltech, EuroCity Persons, CityPersons."""
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..registry import DATASETS
from .base import read_json, read_mat, reading
from .detection import DetectionDataset, PeopleDataset, annotated, coco_image
from .roots import Folder

FRAME_STEP = 30  # of Caltech's videos every 30th frame is an image: frames 29, 59, ... counted from zero


@DATASETS.register_module()
class Caltech(DetectionDataset):
    """Caltech pedestrians: the COCO-style file of the new annotations, in which ``iscrowd`` and ``ignore`` mark ignore
    regions; without it, the original ``.vbb`` files, in which every label but 'person' does."""
    datasets = ('caltech',)
    splits = ('train', 'test')
    videos = dict(train=range(6), test=range(6, 11))

    def load_records(self) -> Iterable[dict[str, Any]]:
        names = (f'{self.split}.json', f'annotations/{self.split}.json')
        first = f'annotations/set{self.videos[self.split][0]:02d}'
        if self._ann_file is None and not any(map(self.has, names)) and self.has(first):
            return self._video_records()
        path = self.annotation(*names)
        expected = 'a COCO-style object with images and annotations'
        data = read_json(path, expected)
        folder = self.image_folder('images')
        with reading(path, expected):
            boxes = defaultdict(list)
            for row in data['annotations']:
                boxes[row['image_id']].append(row)
            return [coco_image(path, x, folder, boxes[x.get('id')]) for x in data['images']]

    def _video_records(self) -> Iterator[dict[str, Any]]:
        folder = self.image_folder('images')
        for number in self.videos[self.split]:
            annotations = self.folder(f'annotations/set{number:02d}')
            for video in self.list_files(annotations, ('.vbb',)):
                path = self.consulted(self.inside(annotations.join(video)))
                for frame, labels in _vbb_frames(path):
                    name = f'set{number:02d}_{video[:-4]}_I{frame:05d}.jpg'
                    yield dict(img_path=folder.join(name), img_id=name, **labels)


def _vbb_frames(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """(frame, labels of the record) of every :data:`FRAME_STEP`-th frame of a MATLAB struct of a video's boxes, where
    all that is counted, pixels too, is counted from one."""
    expected = 'a MATLAB struct A with objLists (objects of each frame: id, pos, posv, occl) and objLbl'
    data = read_mat(path, expected)
    with reading(path, expected):
        video = data['A'][0, 0]
        labels = [str(x[0]) if len(x) else '' for x in video['objLbl'].ravel()]
        frames = video['objLists'].ravel()
        return [(i, annotated([_vbb_object(x, labels) for x in _objects(frames[i])]))
                for i in range(FRAME_STEP - 1, len(frames), FRAME_STEP)]


def _objects(frame: np.ndarray) -> np.ndarray:
    return frame.ravel() if frame.dtype.names else np.empty(0)  # a frame without objects is an empty matrix


def _vbb_object(item: np.void, labels: list[str]) -> dict[str, Any]:
    number = item['id'].ravel()[0]
    if not 1 <= number <= len(labels):
        raise ValueError(f'object {number} of {len(labels)}')
    label = labels[int(number) - 1]
    box, seen = (np.asarray(item[key], np.float64).ravel() - (1, 1, 0, 0) for key in ('pos', 'posv'))
    occluded = bool(item['occl'].ravel()[0] and seen[2:].any())
    visible = seen if occluded else box
    ratio = min(float(visible[2] * visible[3] / max(box[2] * box[3], 1e-9)), 1.0)
    if occluded and np.array_equal(seen, box):  # the toolbox's rule: nobody marked what is seen of an occluded person
        ratio = 0.0
    return dict(bbox=box.tolist(), ignore=int(label != 'person'), label=label, vis_bbox=visible.tolist(),
                vis_ratio=ratio)


@DATASETS.register_module()
class EuroCityPersons(PeopleDataset):
    """EuroCity Persons by day: one JSON file an image. Pedestrians are people; riders, what they ride, groups and
    everything else are ignore regions."""
    datasets = ('ecp',)
    splits = ('train', 'val')

    def all_records(self) -> Iterator[dict[str, Any]]:
        images = self.image_folder(f'day/img/{self.split}')
        labels = self.folder(f'day/labels/{self.split}')
        for city in self.subfolders(images):
            self.consulted(Path(labels.join(city)))  # one stamp for all files of a city
            for name in self.list_images(images, city):
                path = self.inside(labels.join(f'{city}/{name.rsplit(".", 1)[0]}.json'))
                yield dict(img_path=images.join(f'{city}/{name}'), img_id=name, **self._labels(path))

    @staticmethod
    def _labels(path: Path) -> dict[str, Any]:
        expected = "a JSON object with identity 'frame' and children"
        data = read_json(path, expected)
        with reading(path, expected):
            left, rows = list(_frame(data)['children'])[::-1], []
            while left:
                child = left.pop()
                left += list(child.get('children') or ())[::-1]  # what a rider rides, and who else does
                x0, y0, x1, y1 = (float(child[key]) for key in ('x0', 'y0', 'x1', 'y1'))  # texts in some files
                rows.append(dict(bbox=[x0, y0, x1 - x0, y1 - y0], ignore=int(child['identity'] != 'pedestrian'),
                                 identity=child['identity'], tags=list(child.get('tags', ()))))
            return annotated(rows)


def _frame(data: dict[str, Any]) -> dict[str, Any]:
    """The frame in what a tool of the dataset may have wrapped around it."""
    for _ in range(4):
        if data.get('identity') == 'frame':
            return data
        inner = data['children']
        data = inner[0] if isinstance(inner, list) else inner
    raise ValueError("no object with identity 'frame'")


@DATASETS.register_module()
class CityPersons(PeopleDataset):
    """CityPersons on Cityscapes' images: pedestrians are people, all other classes are ignore regions. Reads the
    authors' ``anno_*.mat``, or the JSON files of Cityscapes' own download (``gtBboxCityPersons``), or the one of the
    authors' evaluator (``val_gt.json``, in which all that is to be ignored is alike).

    All three have the images of ``val`` in one order, in which results number them from 1."""
    datasets = ('citypersons',)
    splits = ('train', 'val')
    kinds = ('ignore', 'pedestrian', 'rider', 'sitting person', 'person (other)', 'person group')

    def all_records(self) -> Iterable[dict[str, Any]]:
        places = [f'{x}leftImg8bit/{self.split}' for x in ('leftImg8bit_trainvaltest/', '')]
        images = self.image_folder(next((x for x in places if self.has(x)), places[0]))
        matlab = [f'{place}anno_{self.split}.mat' for place in ('', 'annotations/')]
        if self._ann_file is None and not any(map(self.has, matlab)) and self.has('gtBboxCityPersons'):
            return self._from_json(images)
        path = self.annotation(*matlab, f'{self.split}_gt.json', f'evaluation/{self.split}_gt.json')
        return (self._from_evaluator if path.suffix == '.json' else self._from_matlab)(path, images)

    def _from_matlab(self, path: Path, images: Folder) -> Iterator[dict[str, Any]]:
        expected = f'cells anno_{self.split}_aligned with cityname, im_name and bbs (10 columns)'
        data = read_mat(path, expected)
        with reading(path, expected):
            cells = data[f'anno_{self.split}_aligned'].ravel()
        for number, cell in enumerate(cells, 1):
            with reading(f'{path}, image {number}', expected):
                image = cell[0, 0]
                rows = np.asarray(image['bbs'], np.float64).reshape(-1, 10).tolist()  # unsigned in the file
                record = self._record(f'{image["cityname"][0]}/{image["im_name"][0]}', images,
                                      [(x[0], x[1:5], x[6:]) for x in rows])
            yield record

    def _from_evaluator(self, path: Path, images: Folder) -> list[dict[str, Any]]:
        expected = 'an object with images (id, im_name) and annotations (image_id, bbox, vis_bbox, ignore)'
        data, boxes = read_json(path, expected), defaultdict(list)
        with reading(path, expected):
            for row in data['annotations']:
                boxes[row['image_id']].append((int(not row['ignore']), row['bbox'], row['vis_bbox']))
            return [self._record(f'{x["im_name"].split("_")[0]}/{x["im_name"]}', images, boxes[x['id']])
                    for x in data['images']]

    def _from_json(self, images: Folder) -> Iterator[dict[str, Any]]:
        boxes = self.folder(f'gtBboxCityPersons/{self.split}')
        expected = 'a JSON object with objects, each with label, bbox and bboxVis'
        for city in self.subfolders(images):
            self.consulted(Path(boxes.join(city)))
            for name in self.list_images(images, city):
                path = self.inside(
                    boxes.join(f'{city}/{name.removesuffix("_leftImg8bit.png")}_gtBboxCityPersons.json'))
                data = read_json(path, expected)
                with reading(path, expected):
                    record = self._record(f'{city}/{name}', images, [
                        (self.kinds.index(x['label']), x['bbox'], x['bboxVis']) for x in data['objects']])
                yield record

    def _record(self, name: str, images: Folder, boxes: list[tuple[float, list, list]]) -> dict[str, Any]:
        if any(kind not in range(6) for kind, *_ in boxes):
            raise ValueError('a class is none of 0..5')
        rows = [dict(bbox=list(box), ignore=int(kind != 1), vis_bbox=list(visible), label=self.kinds[int(kind)],
                     vis_ratio=visible[2] * visible[3] / max(box[2] * box[3], 1e-9)) for kind, box, visible in boxes]
        return dict(img_path=images.join(name), img_id=name.rsplit('/', 1)[1], **annotated(rows))
