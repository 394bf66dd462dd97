"""What is wrong with the files that a dataset's records name."""
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...files import name_key
from .. import storage
from ..base import IMAGE_SUFFIXES
from ..transforms.loading import IGNORE_LABEL
from .files import FileFacts, FileMemory, look_into_files
from .listing import IMAGE, LABELS, Listing, below_root, relative
from .problems import Notebook
from .rules import outside


@dataclass
class Files:
    """All files that the splits of a dataset name, each once.

    Attributes:
        keys: (f,) sorted, of their names.
        names: relative to the root where they lie below it.
        kinds: (f,) image or label map.
        splits: per split the (m,) numbers of its files, in the order of its listing.
        in_split: per split (f,) whether it names the file.
        sizes: (f, 2) width and height, 0 where the file cannot be read.
        digests: (f,) of the bytes; 0 where they were not read.
        read: how many were read now, and not known from an earlier time.
    """
    keys: np.ndarray
    names: list[str]
    kinds: np.ndarray
    splits: dict[str, np.ndarray]
    in_split: dict[str, np.ndarray]
    sizes: np.ndarray
    digests: np.ndarray
    read: int = 0

    def splits_of(self, number: int) -> str:
        """The splits that name a file."""
        return ', '.join(split for split, found in self.in_split.items() if found[number])


def gather(listings: Sequence[Listing]) -> Files:
    """The files of all splits of one dataset."""
    keys, first = np.unique(np.concatenate([x.keys for x in listings]), return_index=True)
    names = [name for x in listings for name in x.files]
    kinds = np.concatenate([x.kinds for x in listings])[first]
    splits = {x.split: np.searchsorted(keys, x.keys) for x in listings}
    in_split = {split: np.isin(np.arange(len(keys)), numbers) for split, numbers in splits.items()}
    return Files(keys, [names[i] for i in first], kinds, splits, in_split, np.zeros((len(keys), 2), np.int32),
                 np.zeros(len(keys), np.int64))


def check_files(files: Files, root: str, memory: FileMemory, labels: np.ndarray, notebook: Notebook, quick: bool,
                workers: int, advance: Callable[[], None]) -> None:
    """Read every file; fills in sizes and digests.

    Args:
        files: of :func:`gather`.
        root: of the dataset.
        memory: of earlier times.
        labels: ids that a label map may hold.
        notebook: takes the problems.
        quick: headers only.
        workers: processes.
        advance: called once for each file.
    """
    found = []
    paths = [os.path.join(root, x) for x in files.names]
    for number, facts, is_new in look_into_files(paths, files.kinds, files.keys, memory, quick, workers):
        files.read += is_new and facts is not None
        if facts is not None:
            files.sizes[number], files.digests[number] = (facts.width, facts.height), facts.digest
        found += [(number, *x) for x in _file_problems(facts, files.kinds[number], labels)]
        advance()
    for number, kind, what in sorted(found, key=lambda x: files.names[x[0]]):  # whichever process was first
        notebook.add(kind, files.splits_of(number), files.names[number], below_root(what, root))


def _file_problems(facts: FileFacts | None, kind: int, labels: np.ndarray) -> Iterator[tuple[str, str]]:
    if facts is None:
        yield 'missing', 'no such file'
    elif facts.error:
        yield 'unreadable', facts.error.split('. ')[0]
    elif kind == LABELS and facts.labels:
        wrong = np.setdiff1d(facts.label_ids, labels)
        if len(wrong):
            yield 'labels', f'label id {", ".join(map(str, wrong[:5]))}; expected {_spoken(labels)}'


def _spoken(labels: np.ndarray) -> str:
    ids = [x for x in labels.tolist() if x != IGNORE_LABEL]
    ranged = ids == list(range(len(ids)))
    return (f'0..{len(ids) - 1}' if ranged else ', '.join(map(str, ids))) + f' and {IGNORE_LABEL}'


def check_records(listing: Listing, files: Files, notebook: Notebook) -> None:
    """Hold what records say of images against the images: sizes, boxes, points."""
    numbers = files.splits[listing.split]
    images = numbers[listing.images]
    sizes = files.sizes[images]
    known = sizes.all(1)
    stated = known & listing.sizes.all(1) & (listing.sizes != sizes).any(1)
    for i in np.flatnonzero(stated):
        notebook.add('size', listing.split, files.names[images[i]],
                     f'record {i} says {_size(listing.sizes[i])} pixels, the image has {_size(sizes[i])}')
    with_map = np.flatnonzero(known & (listing.maps >= 0))
    maps = numbers[listing.maps[with_map]]
    differ = files.sizes[maps].all(1) & (files.sizes[maps] != sizes[with_map]).any(1)
    for i, label_map in zip(with_map[differ], maps[differ]):
        notebook.add('size', listing.split, files.names[label_map], f'record {i}: the label map has '
                     f'{_size(files.sizes[label_map])} pixels, the image {_size(sizes[i])}')
    boxes, points = outside(listing.extents, sizes)
    for i in np.flatnonzero(boxes & known):
        x, y = listing.extents[i, :2]
        notebook.add('boxes', listing.split, files.names[images[i]],
                     f'record {i}: a box begins at ({x:g}, {y:g}), outside the image of {_size(sizes[i])}')
    for i in np.flatnonzero(points & known):
        low, high = listing.extents[i, 2:4], listing.extents[i, 4:]
        notebook.add('points', listing.split, files.names[images[i]], f'record {i}: labelled points from ({low[0]:g}, '
                     f'{low[1]:g}) to ({high[0]:g}, {high[1]:g}), far outside the image of {_size(sizes[i])}')


def _size(size: np.ndarray) -> str:
    return f'{size[0]} x {size[1]}'


def check_unlisted(listings: Sequence[Listing], files: Files, root: str, notebook: Notebook) -> None:
    """Images in the folders of the dataset that no annotation names."""
    named = np.unique(np.concatenate([files.keys, *(x.named for x in listings)]))
    folders = sorted({os.path.normpath(x) for listing in listings for x in listing.folders})
    outermost = [x for x in folders if not any(f'{x}/'.startswith(f'{other}/') for other in folders if other != x)]
    for folder in filter(storage.is_folder, outermost):
        paths = list(_images_below(folder))
        keys = np.array([name_key(relative(x, root)) for x in paths], np.int64)
        rest = np.flatnonzero(~np.isin(keys, named))
        if len(rest):
            place = os.path.relpath(folder, root)
            notebook.add('unlisted', '', os.path.relpath(paths[rest[0]], root),
                         f'{len(rest):,} of {len(paths):,} images in {place} are named by no annotation', len(rest))


def _images_below(folder: str) -> Iterator[str]:
    names, folders = storage.list_folder(folder)
    yield from (os.path.join(folder, x) for x in names if x.lower().endswith(IMAGE_SUFFIXES) and x[0] != '.')
    for name in folders:
        if name[0] != '.':
            yield from _images_below(os.path.join(folder, name))


def used_images(files: Files, split: str) -> np.ndarray:
    """(m,) sorted numbers of a split's images."""
    return np.flatnonzero(files.in_split[split] & (files.kinds == IMAGE))
