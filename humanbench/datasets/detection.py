"""Person detection: boxes, and regions in which a detection is neither right nor wrong. What these datasets share, and
those of everyday scenes; :mod:`detection_street` has those seen from a car, :mod:`detection_wider` those of WIDER."""
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .base import HumanDataset, read_json, read_lines, reading, require
from .roots import Folder

LARGEST = 1e6  # pixels; a number beyond is no coordinate
_COCO_KEYS = ('id', 'category_id', 'bbox', 'iscrowd', 'area')


def instance(box: Sequence[float], ignore: bool) -> dict[str, Any]:
    """An instance in MMDetection's form of a box x, y, width, height."""
    x, y, w, h = (float(v) for v in box)
    if not all(math.isfinite(v) and abs(v) <= LARGEST for v in (x, y, w, h)):
        raise ValueError(f'the box {list(box)} is not in pixels')
    return dict(bbox=[x, y, x + w, y + h], bbox_label=0, ignore_flag=int(ignore))


def annotated(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The labels of a record, from rows with ``bbox`` (x, y, width, height) and ``ignore`` (or ``iscrowd``)."""
    return dict(instances=[instance(x['bbox'], bool(x.get('iscrowd') or x.get('ignore'))) for x in rows],
                raw_ann_info=rows)


class DetectionDataset(HumanDataset):
    """Records with ``instances`` in MMDetection's form, maybe none, and ``raw_ann_info``, the native boxes."""

    def card_facts(self) -> dict[str, Any]:
        return dict(classes=self.card.classes)


class PeopleDataset(DetectionDataset):
    """A dataset of which PATH trains on the images that have a box.

    Args:
        empty: whether images without any box are records, too; by default they are, except in training splits.
    """

    def __init__(self, *args, empty: bool | None = None, **kwargs):
        self._empty = empty
        super().__init__(*args, **kwargs)

    def load_records(self) -> Iterator[dict[str, Any]]:
        empty = not self.split.startswith('train') if self._empty is None else self._empty
        return (x for x in self.all_records() if empty or x['instances'])

    def all_records(self) -> Iterable[dict[str, Any]]:
        """Records of all images of the split."""
        raise NotImplementedError


@DATASETS.register_module()
class CrowdHuman(DetectionDataset):
    """CrowdHuman: one JSON object a line. Full-body boxes; they may leave the image."""
    datasets = ('crowdhuman',)
    splits = ('train', 'val')

    def load_records(self) -> list[dict]:
        path = self.annotation(f'annotation_{self.split}.odgt')
        folder = self.image_folder('Images')
        records = []
        for number, line in enumerate(read_lines(path), 1):
            with reading(f'{path}, line {number}', 'a JSON object with ID and gtboxes'):
                entry = json.loads(line)
                records.append(dict(
                    img_path=folder.join(f'{entry["ID"]}.jpg'), img_id=entry['ID'],
                    instances=[instance(x['fbox'], self._ignored(x)) for x in entry['gtboxes'] if 'fbox' in x],
                    raw_ann_info=entry['gtboxes']))
        return records

    @staticmethod
    def _ignored(box: dict[str, Any]) -> bool:
        return box['tag'] != 'person' or box.get('extra', {}).get('ignore', 0) == 1


@DATASETS.register_module()
class CocoPersons(PeopleDataset):
    """COCO 2017, the boxes of category 1 (person); crowds are ignore regions."""
    datasets = ('coco_person_det',)
    splits = ('train', 'val')

    def all_records(self) -> Iterator[dict[str, Any]]:
        path = self.annotation(f'annotations/instances_{self.split}2017.json', f'instances_{self.split}2017.json')
        expected = 'a COCO object with images and annotations'
        data = read_json(path, expected)
        folder = self.image_folder(f'{self.split}2017')
        with reading(path, expected):
            people = defaultdict(list)
            for row in data['annotations']:
                if row['category_id'] == 1:
                    people[row['image_id']].append({key: row[key] for key in _COCO_KEYS if key in row})
            del data['annotations']  # outlines of 80 categories, which nobody needs from here on
            images = list(data['images'])
        for image in images:
            with reading(path, expected):
                rows = people[image.get('id')]
            yield coco_image(path, image, folder, rows)


def coco_image(path: Path, image: Mapping[str, Any], folder: Folder, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The record of one image of a COCO-style file and its annotations.

    Args:
        path: of the file.
        image: its entry.
        folder: of the images.
        rows: annotations.
    """
    require(image, ('id', 'file_name', 'height', 'width'), path)
    with reading(f"{path}, image {image['id']}", 'annotations with bbox [x, y, width, height]'):
        labels = annotated(rows)
    return dict(img_path=folder.join(image['file_name']), img_id=image['id'], height=image['height'],
                width=image['width'], **labels)
