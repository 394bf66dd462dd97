"""Whether splits share what they must not: files, people, or the same picture under another name."""
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from .images import Files, used_images
from .listing import IMAGE, Listing
from .problems import Notebook
from .rules import DISTRACTOR


def check_splits(listings: Sequence[Listing], files: Files, training: Sequence[str], notebook: Notebook) -> None:
    """Find what is in two splits.

    Args:
        listings: of all splits.
        files: with digests, unless they were read quickly.
        training: splits whose identities are trained on.
        notebook: takes the problems.
    """
    parts = atomic_splits({x.split: used_images(files, x.split) for x in listings})
    for (a, first), (b, second) in combinations(parts.items(), 2):
        for number in np.intersect1d(first, second):
            notebook.add('wrong split', f'{a}, {b}', files.names[number], f'is in {a} and in {b}')
    _same_pictures(parts, files, notebook)
    chosen = [x for x in listings if x.split in parts]
    _same_people([x for x in chosen if x.split in training], [x for x in chosen if x.split not in training], notebook)


def atomic_splits(images: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The splits that are not made of others, as trainval is of train and val.

    A split is made of others where two or more of them together are exactly it, or where it holds all of one that is
    named after it (``train`` and ``train_only``).
    """
    atomic = {}
    for name, own in images.items():
        inside = {other: x for other, x in images.items()
                  if other != name and len(x) < len(own) and np.isin(x, own).all()}
        whole = len(inside) > 1 and len(np.unique(np.concatenate(list(inside.values())))) == len(own)
        alias = any(other in atomic and _side(other) == _side(name) and np.array_equal(own, x)
                    for other, x in images.items() if other != name)
        if not whole and not alias and not any(x.startswith(f'{name}_') for x in inside):
            atomic[name] = own
    return atomic


def _side(split: str) -> str:
    """What a split is for: query and gallery are both for testing."""
    return next((x for x in ('train', 'val') if split.startswith(x)), 'test')


def _same_pictures(parts: dict[str, np.ndarray], files: Files, notebook: Notebook) -> None:
    """Different files with the same bytes: across splits a leak, within one a curiosity."""
    split_of = {int(number): split for split, numbers in parts.items() for number in numbers}
    for group in _equal(files.digests, np.flatnonzero((files.digests != 0) & (files.kinds == IMAGE))):
        for first, second in ((group[0], x) for x in group[1:]):
            a, b = split_of.get(first, ''), split_of.get(second, '')
            kind = 'wrong split' if _side(a) != _side(b) else 'same picture'
            notebook.add(kind, ', '.join(dict.fromkeys((a, b))), files.names[second],
                         f'has the same bytes as {files.names[first]}' + (f' of {a}' if a != b else ''))


def _equal(values: np.ndarray, numbers: np.ndarray) -> Iterator[list[int]]:
    """Groups of numbers whose values are equal, in order."""
    order = numbers[np.argsort(values[numbers], kind='stable')]
    starts = np.flatnonzero(np.r_[True, values[order][1:] != values[order][:-1]]) if len(order) else []
    groups = [x.tolist() for x in np.split(order, starts[1:])] if len(starts) else []
    yield from sorted(x for x in groups if len(x) > 1)


def _same_people(training: Sequence[Listing], testing: Sequence[Listing], notebook: Notebook) -> None:
    """People of a training split in a test split. Where many are, their numbers begin anew in every split."""
    sides = [_identities(training), _identities(testing)]
    shared = np.intersect1d(*sides)
    if len(shared) > min(map(len, sides)) / 2:
        return
    people = [_images_of(shared, x) for x in (training, testing)]
    for pid in shared.tolist():
        few, many = sorted((x[pid] for x in people), key=len)
        for split, record, file in few:
            notebook.add('wrong split', split, file,
                         f'record {record}: identity {pid} has {len(many)} images in {many[0][0]}')


def _identities(listings: Sequence[Listing]) -> np.ndarray:
    pids = [np.unique(x.pids) for x in listings]
    found = np.unique(np.concatenate(pids)) if pids else np.empty(0, np.int64)
    return found[found > DISTRACTOR]


def _images_of(pids: np.ndarray, listings: Sequence[Listing]) -> dict[int, list[tuple[str, int, str]]]:
    """pid -> (split, record, file) of its images."""
    found = defaultdict(list)
    for listing in listings:
        for record in np.flatnonzero(np.isin(listing.pids, pids)).tolist():
            found[int(listing.pids[record])].append((listing.split, record, listing.files[listing.images[record]]))
    return found
