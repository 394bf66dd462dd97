"""Person re-identification: datasets that are folders of identities, videos or cameras, with no list beside them."""
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import DataError, UserError
from ..registry import DATASETS
from .base import reading
from .reid import ReIDDataset, number
from .roots import Folder


class FolderReID(ReIDDataset):
    """What is read from folders and file names alone."""

    def parts(self, folder: Folder) -> list[str]:
        """Names of the folders in a folder, of which there is one at least."""
        names = self.subfolders(folder)
        if not names:
            raise self.missing(Path(folder.path) / '*', 'folders')
        return names

    def images_below(self, folder: Folder) -> Iterator[tuple[str, str]]:
        """Folder and name of all images that lie one folder below, in order."""
        for part in self.parts(folder):
            for name in self.list_images(folder, part):
                yield part, name


@DATASETS.register_module()
class LaST(FolderReID):
    """LaST: the identity stands before the first ``_`` of a file name.

    It has no cameras. As in the authors' reader every image is one of its own: odd numbers in queries, even ones
    elsewhere.
    """
    datasets = ('last',)
    splits = ('train', 'query', 'gallery', 'test', 'val')

    def load_records(self) -> Iterator[dict]:
        for split in ('query', 'gallery') if self.split in ('test', 'val') else (self.split,):
            for record in self.split_records(split):
                yield dict(record, split=split)

    def split_records(self, split: str) -> Iterator[dict]:
        part = 'val' if self.split == 'val' else 'test'
        folder = self.image_folder('train' if split == 'train' else f'{part}/{split}')
        query = split == 'query'
        images = (('', x) for x in self.list_images(folder)) if query else self.images_below(folder)
        for i, (place, name) in enumerate(images):
            path = folder.join(f'{place}/{name}' if place else name)
            with reading(path, "a name that begins with a number, the identity, as in '000001_1.jpg'"):
                pid = number(name.split('_')[0])
            yield dict(img_path=path, pid=pid, camid=2 * i + (1 if query else 2))


@DATASETS.register_module()
class PRCC(FolderReID):
    """PRCC, the photos: cameras A, B and C; a person wears the same in A and B and something else in C.

    Splits ``query`` and ``test`` ask for people in changed clothes (C against A), ``query_same`` and ``test_same`` for
    people in the same ones (B against A).
    """
    datasets = ('prcc',)
    splits = ('train', 'val', 'query', 'gallery', 'test', 'query_same', 'test_same')
    training_splits = ('train', 'val')
    CAMERAS = 'ABC'

    def load_records(self) -> Iterator[dict]:
        asked = 'B' if self.split.endswith('_same') else 'C'
        parts = dict(test=('query', 'gallery'), test_same=('query', 'gallery'), query_same=('query',))
        for split in parts.get(self.split, (self.split,)):
            places = dict(query=f'test/{asked}', gallery='test/A')
            folder = self.image_folder(f'rgb/{places.get(split, split)}')
            for record in self._records(folder, places[split][-1] if split in places else None):
                yield dict(record, split=split)

    def _records(self, folder: Folder, camera: str | None) -> Iterator[dict]:
        for person, name in self.images_below(folder):
            path = folder.join(f'{person}/{name}')
            with reading(path, "a folder named by the identity and, in training, a name that begins with the camera, "
                         "as in '001/A_cropped_rgb001.jpg'"):
                pid, camid = number(person), self.CAMERAS.index(camera or name.split('_')[0]) + 1
            yield dict(img_path=path, pid=pid, camid=camid)


@DATASETS.register_module()
class DGMarket(FolderReID):
    """DG-Market: one folder of generated images for each identity, numbered from 1 in the order of the names."""
    datasets = ('dgmarket',)
    splits = ('train',)

    def split_records(self, split: str) -> Iterator[dict]:
        folder, last, pid = self.image_folder(''), None, 0
        for person, name in self.images_below(folder):
            pid, last = pid + (person != last), person
            yield dict(img_path=folder.join(f'{person}/{name}'), pid=pid, camid=1)


@DATASETS.register_module()
class LUPersonNL(FolderReID):
    """LUPerson-NL: people cut out of street videos, in folders by country, city and video.

    Identities are numbers of tracklets, which may start again in every video: ``pid`` joins the two. The camera is the
    video, numbered from 1.

    Args:
        keep: only so many identities, those with the most images; None for all. A classifier over hundreds of
            thousands of people has to know its size before the data is read.
    """
    datasets = ('luperson_nl',)
    splits = ('train',)
    VIDEO = 10_000_000  # above the largest tracklet number

    def __init__(self, *args: Any, keep: int | None = None, **kwargs: Any):
        if keep is not None and keep < 1:
            raise UserError(f'LUPersonNL has keep={keep}: expected a number of identities above zero, or None for all.')
        self.keep = keep
        super().__init__(*args, **kwargs)

    def split_records(self, split: str) -> Iterator[dict]:
        folder = self.image_folder('')
        if self.keep is None:
            kept = None
        else:
            numbers = Counter(pid for _, pid, _ in self._people(folder))
            kept = {pid for pid, _ in numbers.most_common(self.keep)}
        for path, pid, video in self._people(folder):
            if kept is None or pid in kept:
                yield dict(img_path=path, pid=pid, camid=video)

    def _people(self, folder: Folder) -> Iterator[tuple[str, int, int]]:
        """Path, identity and number of the video of all images."""
        for video, place in enumerate(self._videos(folder), 1):
            for name in self.list_images(folder, place):
                path, match = folder.join(f'{place}/{name}'), _TRACKLET_NAME.fullmatch(name)
                if match is None:
                    raise DataError(f"'{path}': names of LUPerson-NL images are tracklet, frame and number "
                                    "of the object, as in '000012_0003450_01.jpg'. Move away what does not belong "
                                    'there.')
                yield path, video * self.VIDEO + int(match[1]), video

    def _videos(self, folder: Folder) -> Iterator[str]:
        for country in self.parts(folder):
            for city in self.subfolders(folder, country):
                for key in self.subfolders(folder, f'{country}/{city}'):
                    yield f'{country}/{city}/{key}'


_TRACKLET_NAME = re.compile(r'(\d{6,7})_\d{7,}_\d{2,}\.jpg')


@DATASETS.register_module()
class SenseReID(FolderReID):
    """SenseReID, a test set: ``<identity>_<camera>.jpg``. Both are raised by one, because 0 stands for a distractor."""
    datasets = ('sensereid',)
    splits = ('query', 'gallery', 'test')
    training_splits = ()

    def split_records(self, split: str) -> Iterator[dict]:
        folder = self.image_folder(dict(query='test_probe', gallery='test_gallery')[split])
        for name in self.list_images(folder):
            path = folder.join(name)
            with reading(path, "a name made of identity and camera, as in '00012_1.jpg'"):
                pid, camera = map(number, name.rsplit('.', 1)[0].split('_'))
            yield dict(img_path=path, pid=pid + 1, camid=camera + 1)
