"""Clothes parsing from outlines, which :class:`LoadLabelMap` draws when an image is loaded."""
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..registry import DATASETS
from .base import read_json, reading, require
from .parsing import ParsingDataset

FARTHEST = 2 ** 15  # pixels; outlines are kept as 16-bit integers

Item = tuple[int, list[np.ndarray]]


def _outline(numbers: Sequence[float]) -> np.ndarray:
    """(n, 2) int16 points of x1, y1, x2, y2 ..."""
    points = np.asarray(numbers, np.float64)
    if points.ndim != 1 or len(points) % 2 or not (np.abs(points) < FARTHEST - 1).all():
        raise ValueError('an outline is not a list x1, y1, x2, y2 ... in pixels')
    return np.rint(points).astype(np.int16).reshape(-1, 2)


def _area(item: Item) -> float:
    """Pixels within the outlines of an item."""
    return sum(cv2.contourArea(x.astype(np.int32)) for x in item[1])


class PolygonDataset(ParsingDataset):
    """Records with ``seg_polygons``, a list of (class, outlines (n, 2) int16) in the order in which they are drawn:
    large items first, so that a belt on a dress stays visible."""

    def items(self, annotated: Iterable[tuple[int, Sequence[Sequence[float]]]]) -> list[Item]:
        """``seg_polygons`` of one image from (class, outlines x1, y1, x2, y2 ...)."""
        items = []
        for label, outlines in annotated:
            if type(label) is not int or not 0 < label < len(self.card.classes):
                raise ValueError(f'category {label!r} is not one of 1..{len(self.card.classes) - 1}')
            if not isinstance(outlines, list):
                raise ValueError('a segmentation is not a list of outlines')
            shapes = [x for x in map(_outline, outlines) if len(x) > 2]  # two points enclose nothing
            if shapes:
                items.append((label, shapes))
        return sorted(items, key=_area, reverse=True)


@DATASETS.register_module()
class DeepFashion2(PolygonDataset):
    """DeepFashion2: a JSON file an image, with clothing items of 13 categories."""
    datasets = ('deepfashion2',)
    splits = ('train', 'val')

    def load_records(self) -> Iterator[dict[str, Any]]:
        part = dict(train='train', val='validation')[self.split]
        images = self.image_folder(f'{part}/image')
        labels = self.folder(self._seg_dir or f'{part}/annos')
        self.consulted(Path(labels.path))  # one stamp for all files in it: 192,000 would have to be looked at each time
        for name in self.list_images(images):
            path = self.inside(labels.join(f'{name.rsplit(".", 1)[0]}.json'))
            yield dict(img_path=images.join(name), img_id=name, seg_polygons=self._items(path))

    def _items(self, path: Path) -> list[Item]:
        expected = 'a JSON object with item1, item2 ..., each with category_id and segmentation'
        data = read_json(path, expected)
        with reading(path, expected):
            return self.items((x['category_id'], x['segmentation']) for key, x in data.items()
                              if key.startswith('item'))


@DATASETS.register_module()
class ModaNet(PolygonDataset):
    """ModaNet: a COCO-style file of outlines of 13 categories over photographs of Paper Doll."""
    datasets = ('modanet',)
    splits = ('train',)

    def load_records(self) -> Iterator[dict[str, Any]]:
        name = 'modanet2018_instances_train.json'
        path = self.annotation(name, f'annotations/{name}')
        expected = 'a COCO-style object with images and annotations'
        data = read_json(path, expected)
        images = self.image_folder('images')
        with reading(path, expected):
            found = defaultdict(list)
            for row in data['annotations']:
                found[row['image_id']].append((row['category_id'], row['segmentation']))
            listed = list(data['images'])
        for image in listed:
            require(image, ('id', 'file_name'), path)
            with reading(f"{path}, image {image['id']}", 'annotations with category_id and segmentation'):
                items = self.items(found[image['id']])
            if items:
                yield dict(img_path=images.join(image['file_name']), img_id=image['id'], seg_polygons=items)
