"""Human parsing: a label map beside every image. :mod:`parsing_polygons` has the datasets of outlines."""
from collections.abc import Iterator
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

    def listed_records(self, ids_file: str | tuple[str, ...], images: str, labels: str) -> Iterator[dict]:
        """Records of a list of image ids (without suffix), JPEG images and PNG labels.

        Args:
            ids_file: the list, or names that it may have.
            images: folder.
            labels: folder.
        """
        image_folder = self.image_folder(images)
        label_folder = self.folder(labels if self._seg_dir is None else self._seg_dir)
        if self._ann_file is None and self._img_dir is not None:
            names = self.list_images(image_folder)
        else:
            ids_files = (ids_file,) if isinstance(ids_file, str) else ids_file
            names = (f'{x.strip()}.jpg' for x in read_lines(self.annotation(*ids_files)))
        for name in names:
            yield dict(img_path=image_folder.join(name), img_id=name,
                       seg_map_path=label_folder.join(f'{name.rsplit(".", 1)[0]}.png'))


@DATASETS.register_module()
class LIP(ParsingDataset):
    """Look Into Person: single-person crops, 20 classes."""
    datasets = ('lip',)
    splits = ('train', 'val')

    def load_records(self) -> Iterator[dict]:
        return self.listed_records(f'data/{self.split}_id.txt', f'data/{self.split}_images',
                                   f'TrainVal_parsing_annotations/{self.split}_segmentations')


@DATASETS.register_module()
class CIHP(ParsingDataset):
    """Crowd Instance-level Human Parsing, semantic labels of 20 classes."""
    datasets = ('cihp',)
    splits = ('train', 'val')

    def load_records(self) -> Iterator[dict]:
        part = dict(train='Training', val='Validation')[self.split]
        return self.listed_records(f'{part}/{self.split}_id.txt', f'{part}/Images', f'{part}/Category_ids')


@DATASETS.register_module()
class ATR(ParsingDataset):
    """ATR: fashion photographs, 18 classes."""
    datasets = ('atr',)
    splits = ('train', 'val')

    def load_records(self) -> Iterator[dict]:
        return self.listed_records(f'{self.split}_id.txt', 'JPEGImages', 'SegmentationClassAug')


@DATASETS.register_module()
class VIP(ParsingDataset):
    """Video Instance-level Parsing, finely labelled frames, 20 classes: in the layout of the release, or of PATH."""
    datasets = ('vip',)
    splits = ('train', 'val', 'trainval')

    def load_records(self) -> Iterator[dict]:
        labels = 'Category_ids' if self.has('Category_ids') else 'Annotations/Category_ids'
        lists = [f'lists/{self.split}_id.txt', f'{self.split}_id.txt']
        if self.split == 'trainval':
            lists.append('train_id.txt')  # PATH's, by its length
        return self.listed_records(tuple(lists), 'Images', labels)


@DATASETS.register_module()
class PaperDoll(ParsingDataset):
    """Paper Doll with 20-class label maps, which were never published: the user brings their own."""
    datasets = ('paper_doll',)
    splits = ('train',)

    def load_records(self) -> Iterator[dict]:
        return self.listed_records('train_id.txt', 'images', 'TrainVal_parsing_annotations')


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
