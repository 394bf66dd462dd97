"""Human parsing: a label map beside every image."""
from pathlib import Path
from typing import Any

from ..registry import DATASETS
from .base import HumanDataset, flip_facts, read_lines, reading


class ParsingDataset(HumanDataset):
    """Records with ``seg_map_path``, ``label_map`` (raw id -> class, None where equal), ``seg_fields``, ``num_classes``
    and ``flip_indices``.

    Without a list file, and with ``img_dir`` given, all images of that folder are read.

    Args:
        seg_dir: label folder in place of the native one.
    """

    def __init__(self, *args, seg_dir: str | None = None, **kwargs):
        self._seg_dir = seg_dir
        super().__init__(*args, **kwargs)

    def card_facts(self) -> dict[str, Any]:
        return dict(classes=self.card.classes, num_classes=len(self.card.classes))

    def record_facts(self) -> dict[str, Any]:
        ids = self.card.label_ids
        return dict(label_map={raw: i for i, raw in enumerate(ids)} if ids else None,
                    num_classes=len(self.card.classes), **flip_facts(self.card))

    def get_data_info(self, idx: int) -> dict:
        return {**super().get_data_info(idx), 'seg_fields': []}  # transforms append to it

    def listed_records(self, ids_file: str, images: str, labels: str) -> list[dict]:
        """Records of a list of image ids (without suffix), JPEG images and PNG labels."""
        image_folder = self.image_folder(images)
        label_folder = self.folder(labels if self._seg_dir is None else self._seg_dir)
        if self._ann_file is None and self._img_dir is not None:
            names = self.list_images(image_folder)
        else:
            names = [f'{x.strip()}.jpg' for x in read_lines(self.annotation(ids_file))]
        return [dict(img_path=image_folder.join(x), img_id=x,
                     seg_map_path=label_folder.join(f'{x.rsplit(".", 1)[0]}.png')) for x in names]


@DATASETS.register_module()
class LIP(ParsingDataset):
    """Look Into Person: single-person crops, 20 classes."""
    datasets = ('lip',)
    splits = ('train', 'val')

    def load_records(self) -> list[dict]:
        return self.listed_records(f'data/{self.split}_id.txt', f'data/{self.split}_images',
                                   f'TrainVal_parsing_annotations/{self.split}_segmentations')


@DATASETS.register_module()
class CIHP(ParsingDataset):
    """Crowd Instance-level Human Parsing, semantic labels of 20 classes."""
    datasets = ('cihp',)
    splits = ('train', 'val')

    def load_records(self) -> list[dict]:
        part = dict(train='Training', val='Validation')[self.split]
        return self.listed_records(f'{part}/{self.split}_id.txt', f'{part}/Images', f'{part}/Category_ids')


@DATASETS.register_module()
class ATR(ParsingDataset):
    """ATR: fashion photographs, 18 classes."""
    datasets = ('atr',)
    splits = ('train', 'val')

    def load_records(self) -> list[dict]:
        return self.listed_records(f'{self.split}_id.txt', 'JPEGImages', 'SegmentationClassAug')


@DATASETS.register_module()
class Human36MParsing(ParsingDataset):
    """Human3.6M body parts: lists of image paths, labels under ``seg`` in place of ``rgb``, 25 sparse ids."""
    datasets = ('h36m_parsing',)
    splits = ('train', 'test')

    def load_records(self) -> list[dict]:
        path = self.annotation(f'flist_2hz_{"train" if self.split == "train" else "eval"}.txt')
        folder = self.image_folder('.')
        records = []
        for line in read_lines(path):
            with reading(path, "lines such as 'protocol_1/rgb/S1/Directions 1.54138969/00000000.png'"):
                parts = Path(line).parts
                swap = parts.index('rgb')
                label = '/'.join((*parts[:swap], 'seg', *parts[swap + 1:]))
            records.append(dict(img_path=folder.join(line), seg_map_path=folder.join(label), img_id=line))
        return records
