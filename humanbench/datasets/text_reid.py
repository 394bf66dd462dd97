"""Text-to-image person re-identification: crops of people, each with sentences that describe whom they show."""
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from ..errors import DataError
from ..registry import DATASETS
from .base import read_json, reading, require
from .reid import ReIDDataset, number


class TextReIDDataset(ReIDDataset):
    """One list of images with their captions for all splits.

    A record of a training split is one pair: ``caption`` of an image, ``pid`` and ``identity``, its 0-based label. A
    record of another split is one image with all its ``captions``. Split ``trainval`` is the first two together.

    Args:
        exclude: people (by the ids of the annotation) who are left out.
        args, kwargs: of :class:`~humanbench.datasets.base.HumanDataset`.

    Attributes:
        annotations: names under which the list is shipped.
        image_key: of an image's name in it.
        first_id: the lowest id; ``pid`` begins at 1, because 0 stands for a distractor.
    """
    splits = ('train', 'val', 'trainval', 'test')
    training_splits = ('train', 'trainval')
    annotations: ClassVar[tuple[str, ...]]
    image_key: ClassVar[str] = 'file_path'
    first_id: ClassVar[int] = 0

    def __init__(self, *args: Any, exclude: Sequence[int] = (), **kwargs: Any):
        self.exclude = frozenset(exclude)
        super().__init__(*args, **kwargs)

    def load_records(self) -> Iterator[dict]:
        path, folder = self.annotation(*self.annotations), self.image_folder('imgs')
        wanted = ('train', 'val') if self.split == 'trainval' else (self.split,)
        native = [x for x in self.splits if x != 'trainval']
        for row in self._rows_of(path):
            split, person = row['split'], self._person(row['id'], path)
            if split not in native:
                raise DataError(f"a record of '{path}' is of the split {split!r:.80}; expected one of "
                                f"{', '.join(native)}.")
            if split not in wanted or person in self.exclude:
                continue
            captions = self._captions(row['captions'], path)
            with reading(path, f"names of images as '{self.image_key}'"):
                record = dict(img_path=folder.join(row[self.image_key]), pid=person + 1 - self.first_id, split=split)
            if self.split in self.training_splits:
                yield from (dict(record, caption=caption) for caption in captions)
            else:
                yield dict(record, captions=captions)

    def _rows_of(self, path: Path) -> Iterator[Mapping]:
        rows = read_json(path, 'a list of images with their captions')
        if not isinstance(rows, list):
            raise DataError(f"'{path}' holds a {type(rows).__name__}; expected a list of images with their captions.")
        for row in rows:
            require(row, ('id', self.image_key, 'captions', 'split'), path)
            yield row

    def _person(self, value: Any, path: Path) -> int:
        with reading(path, 'whole numbers as ids of people'):
            if type(value) is not int or number(value) < self.first_id:
                raise ValueError(f'the id {value!r:.40} of a person, where the lowest is {self.first_id}')
            return value

    @staticmethod
    def _captions(value: Any, path: Path) -> list[str]:
        with reading(path, 'a list of sentences, one at least, as captions'):
            if not isinstance(value, list) or not value or not all(isinstance(x, str) for x in value):
                raise ValueError(f'the captions {value!r:.80}')
            for caption in value:
                caption.encode()  # half a character would end whatever turns it into words
            return value


@DATASETS.register_module()
class CUHKPEDES(TextReIDDataset):
    """CUHK-PEDES: images of five ReID datasets, about two captions each."""
    datasets = ('cuhk_pedes',)
    annotations = ('reid_raw.json',)
    first_id = 1


@DATASETS.register_module()
class ICFGPEDES(TextReIDDataset):
    """ICFG-PEDES: images of MSMT17, in its folders, which say nothing of the split; one caption each."""
    datasets = ('icfg_pedes',)
    annotations = ('ICFG-PEDES.json', 'ICFG_PEDES.json')
    splits = ('train', 'test')
    training_splits = ('train',)


@DATASETS.register_module()
class RSTPReid(TextReIDDataset):
    """RSTPReid: five images of MSMT17 for each person, two captions each."""
    datasets = ('rstpreid',)
    annotations = ('data_captions.json',)
    image_key = 'img_path'
