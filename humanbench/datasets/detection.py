"""Person detection: boxes, and regions in which a detection is neither right nor wrong."""
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .base import HumanDataset, read_json, read_lines, reading, require


def _instance(box: list[float], ignore: bool) -> dict[str, Any]:
    x, y, w, h = (float(v) for v in box)
    return dict(bbox=[x, y, x + w, y + h], bbox_label=0, ignore_flag=int(ignore))


class DetectionDataset(HumanDataset):
    """Records with ``instances`` in MMDetection's form, maybe none, and ``raw_ann_info``, the native boxes."""

    def card_facts(self) -> dict[str, Any]:
        return dict(classes=self.card.classes)


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
                    instances=[_instance(x['fbox'], self._ignored(x)) for x in entry['gtboxes'] if 'fbox' in x],
                    raw_ann_info=entry['gtboxes']))
        return records

    @staticmethod
    def _ignored(box: dict[str, Any]) -> bool:
        return box['tag'] != 'person' or box.get('extra', {}).get('ignore', 0) == 1


@DATASETS.register_module()
class Caltech(DetectionDataset):
    """Caltech pedestrians in COCO's style; ``iscrowd`` and ``ignore`` mark ignore regions."""
    datasets = ('caltech',)
    splits = ('train', 'test')

    def load_records(self) -> list[dict]:
        path = self.annotation(f'{self.split}.json', f'annotations/{self.split}.json')
        expected = 'a COCO-style object with images and annotations'
        data = read_json(path, expected)
        folder = self.image_folder('images')
        with reading(path, expected):
            boxes = defaultdict(list)
            for row in data['annotations']:
                boxes[row['image_id']].append(row)
            return [self._record(image, boxes[image['id']], folder, path) for image in data['images']]

    def _record(self, image: dict, boxes: list[dict], folder, path: Path) -> dict[str, Any]:
        require(image, ('id', 'file_name', 'height', 'width'), path)
        return dict(
            img_path=folder.join(image['file_name']), img_id=image['id'], height=image['height'], width=image['width'],
            instances=[_instance(x['bbox'], bool(x.get('iscrowd') or x.get('ignore'))) for x in boxes],
            raw_ann_info=boxes)
