"""The audit: test images, and people, that occur in pretraining data.

It looks at whole images, as they lie on disk. A person crop that was cut out of a larger picture is another image here
and is not found, unless both datasets hold the crop.
"""
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError, UserError
from .. import places
from ..doctor.files import FileMemory, read_changed
from ..doctor.listing import IMAGE, listing
from ..storage import cache_folder
from ..transforms.loading import read_image
from .hashes import ImageHash, hash_image, likeness, small_grey
from .search import nearest

AUDIT_VERSION = '1'
RADIUS = 6  # bits in which the hashes of one picture may differ
LEAST_LIKENESS = 0.97  # of what hashes propose; measured in tests/datasets/test_audit.py
LISTED = 1000  # leaked images that are named; all are counted

# Datasets whose file names tell a person (or, for COCO, a photograph) by the same words. Space, and where it stands.
NAME_SPACES = {
    'market1501': ('Market-1501 identity', r'(?:^|/)(\d{4})_c\d'),
    'market1501_attribute': ('Market-1501 identity', r'(?:^|/)(\d{4})_c\d'),
    'h36m_pose': ('Human3.6M subject', r'(?:^|/)(S\d+)[_/]'),
    'h36m_parsing': ('Human3.6M subject', r'(?:^|/)(S\d+)[_/]'),
    'coco_pose': ('COCO photograph', r'(?:^|/)(\d{12})\.jpg$'),
    'coco_person_det': ('COCO photograph', r'(?:^|/)(\d{12})\.jpg$'),
    'halpe': ('COCO photograph', r'(?:^|/)(\d{12})\.jpg$')}
NOBODY = '0000'  # distractors of Market-1501

Watch = Callable[[str, int], Callable[[], None]]  # gets a dataset and how many images, gives what is called for each


@dataclass
class Hashed:
    """The images of a dataset that are trained, or tested, on.

    Attributes:
        names: relative to ``root``.
        digests: (n,) of the bytes; 0 where a file is missing.
        looks, mirrored: (n,) of the looks.
        has_looks: (n,) whether there are any.
    """
    dataset: str
    splits: list[str]
    root: Path
    names: list[str]
    digests: np.ndarray
    looks: np.ndarray
    mirrored: np.ndarray
    has_looks: np.ndarray

    def grey(self, number: int) -> np.ndarray:
        """One image, small and grey."""
        return small_grey(read_image(os.path.join(self.root, self.names[number])))


def training_splits(dataset: str) -> list[str]:
    """Splits of a dataset that pretraining may see; not those that hold what the benchmark scores."""
    tested = test_splits(dataset)
    return [x for x in places.reader_of(dataset).splits
            if x.startswith('train') and (x != 'trainval' or tested == ['test'])]


def test_splits(dataset: str) -> list[str]:
    """The split of a dataset that the benchmark scores."""
    splits = places.reader_of(dataset).splits
    return [x for x in ('test', 'val') if x in splits][:1]


test_splits.__test__ = False  # a name that test collectors like


def audit(pretrain: Sequence[str], evaluate: Sequence[str], root: str | None = None, workers: int = 1,
          watch: Watch = lambda dataset, total: lambda: None) -> dict[str, Any]:
    """Look for test images in pretraining data.

    Args:
        pretrain: ids of the datasets that are pretrained on; of each, :func:`training_splits`.
        evaluate: ids of those that are tested on; of each, :func:`test_splits`.
        root: the folder of all datasets, or ``minihuman:SIZE``; None for the data folder.
        workers: processes.
        watch: told a dataset and how many images it has, gives a function that is called for each.

    Returns:
        What goes into a report: settings, what was looked at, and for each tested dataset its ``test_images``, how many
        are ``leaked`` (``same_bytes``, ``same_looks``, ``mirrored``), the first of them, and ``names`` that occur in
        both.

    Raises:
        UserError: a dataset is unknown, or has nothing to train or test on.
        DataError: an annotation is missing or cannot be read.
    """
    seen = [_hashed(x, training_splits(x), root, workers, watch) for x in dict.fromkeys(pretrain)]
    tested = [_hashed(x, test_splits(x), root, workers, watch) for x in dict.fromkeys(evaluate)]
    return dict(
        audit_version=AUDIT_VERSION, created=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        settings=dict(radius=RADIUS, least_likeness=LEAST_LIKENESS, mirrored_counts=True, unit='image'),
        pretrain={x.dataset: _description(x) for x in seen}, evaluate={x.dataset: _description(x) for x in tested},
        datasets={x.dataset: _compare(x, seen) for x in tested})


def read_audit(path: str | os.PathLike) -> tuple[dict[str, Any], str]:
    """A report that was written to a file, and a hash of the file.

    Raises:
        UserError: it is no report of this version.
    """
    try:
        data = Path(path).read_bytes()
        report = json.loads(data)
        version = report['audit_version']
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"'{path}' is no report of `datasets audit --out FILE`: {type(error).__name__}: "
                        f'{error}.') from error
    if version != AUDIT_VERSION:
        raise UserError(f"'{path}' is of version {version} of the audit; this is {AUDIT_VERSION}. Run it again.")
    return report, hashlib.sha256(data).hexdigest()[:16]


def _description(found: Hashed) -> dict[str, Any]:
    return dict(splits=found.splits, images=len(found.names), missing=int((found.digests == 0).sum()),
                content=hashlib.sha256(np.sort(found.digests).tobytes()).hexdigest()[:16])


def _hashed(dataset: str, splits: Sequence[str], root: str | None, workers: int, watch: Watch) -> Hashed:
    if not splits:
        raise UserError(f"'{dataset}' has no split for this; it has {', '.join(places.reader_of(dataset).splits)}.")
    places.make(dataset, root)
    folder = places.place(dataset, root)
    kind, images = places.reader_of(dataset), {}
    for split in splits:
        one = listing(kind(root=folder, split=split, lazy_init=True, dataset=dataset))
        images |= {key: name for key, name, what in zip(one.keys.tolist(), one.files, one.kinds) if what == IMAGE}
    names, n = list(images.values()), len(images)
    result = Hashed(dataset, list(splits), folder, names, *(np.zeros(n, np.int64) for _ in range(3)), np.zeros(n, bool))
    place = hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:16]
    advance = watch(dataset, n)
    with FileMemory(cache_folder() / 'audit' / f'{dataset}-{place}.sqlite', ImageHash) as memory:
        paths = [os.path.join(folder, x) for x in names]
        for number, facts, _ in read_changed(paths, [IMAGE] * n, list(images), memory, hash_image, workers):
            if facts is not None:
                result.digests[number] = facts.digest
                result.has_looks[number] = facts.looks is not None
                result.looks[number], result.mirrored[number] = facts.looks or 0, facts.mirrored or 0
            advance()
    return result


def _compare(tested: Hashed, seen: Sequence[Hashed]) -> dict[str, Any]:
    """What of one tested dataset is in pretraining data."""
    leaks: dict[int, dict[str, Any]] = {}
    for source in seen:
        _same_bytes(tested, source, leaks)
    for source in seen:
        for how in ('same looks', 'mirrored'):
            _same_looks(tested, source, how, leaks)
    counts = Counter(x['how'] for x in leaks.values())
    return dict(
        test_images=len(tested.names), leaked=len(leaks), same_bytes=counts['same bytes'],
        same_looks=counts['same looks'], mirrored=counts['mirrored'],
        by_dataset=dict(Counter(x['dataset'] for x in leaks.values())), names=[
            x for x in (_same_names(tested, source) for source in seen) if x is not None],
        images=[leaks[x] for x in sorted(leaks)][:LISTED])


def _leak(tested: Hashed, number: int, source: Hashed, other: int, how: str, **measured) -> dict[str, Any]:
    return dict(image=tested.names[number], dataset=source.dataset, occurs_as=source.names[other], how=how, **measured)


def _same_bytes(tested: Hashed, source: Hashed, leaks: dict[int, dict[str, Any]]) -> None:
    order = np.argsort(source.digests, kind='stable')
    at = np.searchsorted(source.digests[order], tested.digests)
    at = order[np.minimum(at, len(order) - 1)]
    for number in np.flatnonzero((source.digests[at] == tested.digests) & (tested.digests != 0)).tolist():
        leaks.setdefault(number, _leak(tested, number, source, int(at[number]), 'same bytes'))


def _same_looks(tested: Hashed, source: Hashed, how: str, leaks: dict[int, dict[str, Any]]) -> None:
    """Proposals of the hashes, each looked at."""
    queries = np.array([x for x in np.flatnonzero(tested.has_looks).tolist() if x not in leaks], np.int64)
    base = np.flatnonzero(source.has_looks)
    if not len(queries) or not len(base):
        return
    hashes = tested.mirrored if how == 'mirrored' else tested.looks
    found, bits = nearest(hashes[queries], source.looks[base], RADIUS)
    for row in np.flatnonzero(found[:, 0] >= 0).tolist():
        number = int(queries[row])
        own = tested.grey(number)
        own = own[:, ::-1] if how == 'mirrored' else own
        for other, distance in zip(base[found[row][found[row] >= 0]].tolist(), bits[row].tolist()):
            like = likeness(own, _grey_or_nothing(source, other))
            if like >= LEAST_LIKENESS:
                leaks[number] = _leak(tested, number, source, other, how, bits=distance, likeness=round(like, 4))
                break


def _grey_or_nothing(source: Hashed, number: int) -> np.ndarray:
    """An image, small and grey; black where it has been deleted since it was hashed."""
    try:
        return source.grey(number)
    except DataError:
        return np.zeros((1, 1), np.float32)


def _same_names(tested: Hashed, source: Hashed) -> dict[str, Any] | None:
    """People (or photographs) that the names of files tell to be in both; None where names tell nothing."""
    if not {tested.dataset, source.dataset} <= NAME_SPACES.keys():
        return None
    (space, pattern), (other_space, other_pattern) = NAME_SPACES[tested.dataset], NAME_SPACES[source.dataset]
    if space != other_space:
        return None
    own = _names(tested.names, pattern)
    shared = sorted(own & _names(source.names, other_pattern))
    return dict(dataset=source.dataset, what=space, tested=len(own), shared=len(shared), first=shared[:20])


def _names(files: Sequence[str], pattern: str) -> set[str]:
    found = (re.search(pattern, x) for x in files)
    return {x[1] for x in found if x is not None} - {NOBODY}
