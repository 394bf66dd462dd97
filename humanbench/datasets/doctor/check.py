"""Examination of datasets on disk: what their annotations say, what their files are, and whether the two agree."""
import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...catalog import DatasetCard
from ...errors import DataError
from ..base import HumanDataset
from ..places import is_synthetic, reader_of
from ..storage import cache_folder
from ..transforms.loading import IGNORE_LABEL
from .files import FileMemory
from .images import Files, check_files, check_records, check_unlisted, gather, used_images
from .listing import Listing, below_root, listing
from .problems import Notebook, Problem
from .rules import DISTRACTOR
from .splits import check_splits

Watch = Callable[[int], Callable[[], None]]  # gets the number of files, gives what is called for each


@dataclass
class Checked:
    """What was found in one dataset.

    Attributes:
        records: of all splits.
        files: images and label maps.
        read: how many files were read now; the others have not changed since an earlier check.
        synthetic: made by MiniHuman, so counts were not compared.
    """
    dataset: str
    root: Path
    problems: list[Problem] = field(default_factory=list)
    records: int = 0
    files: int = 0
    read: int = 0
    seconds: float = 0.0
    synthetic: bool = False

    @property
    def is_sound(self) -> bool:
        """Nothing is wrong; there may be notes."""
        return not any(x.is_wrong for x in self.problems)


def check(dataset: str, root: Path, quick: bool = False, workers: int = 1,
          watch: Watch = lambda total: lambda: None) -> Checked:
    """Examine one dataset.

    Args:
        dataset: its id.
        root: its folder.
        quick: read only headers and ends of images: finds truncated ones, but no damage inside, no wrong label ids, no
            equal pictures.
        workers: processes that read images.
        watch: told how many files there are, gives a function that is called for each.

    Raises:
        UserError: unknown dataset, or the cache cannot be written.
    """
    started, kind = time.monotonic(), reader_of(dataset)
    notebook = Notebook(dataset)
    result = Checked(dataset, root, synthetic=is_synthetic(root))
    if not root.is_dir():
        notebook.add('layout', '', '', f"the folder '{root}' does not exist")
    else:
        readers = [kind(root=root, split=split, lazy_init=True, dataset=dataset) for split in kind.splits]
        _examine(readers, result, notebook, quick, workers, watch)
    result.problems += notebook.problems()
    result.seconds = time.monotonic() - started
    return result


def _examine(readers: Sequence[HumanDataset], result: Checked, notebook: Notebook, quick: bool, workers: int,
             watch: Watch) -> None:
    listings = [x for x in (_listing(reader, notebook) for reader in readers) if x is not None]
    if not listings:
        return
    files, root = gather(listings), os.fspath(result.root)
    place = hashlib.sha256(os.path.realpath(root).encode()).hexdigest()[:16]
    with FileMemory(cache_folder() / 'doctor' / f'{result.dataset}-{place}.sqlite') as memory:
        check_files(files, root, memory, allowed_labels(readers[0]), notebook, quick, workers, watch(len(files.names)))
    for one in listings:
        result.problems += one.problems
        check_records(one, files, notebook)
        if not result.synthetic:
            _check_counts(one, files, readers[0].card, notebook)
    check_splits(listings, files, getattr(readers[0], 'training_splits', ()), notebook)
    if len(listings) == len(readers):  # otherwise it is not known what the others name
        check_unlisted(listings, files, root, notebook)
    result.files, result.read = len(files.names), files.read
    result.records = sum(map(len, listings))


def _listing(reader: HumanDataset, notebook: Notebook) -> Listing | None:
    try:
        return listing(reader)
    except DataError as error:
        text = below_root(str(error), os.fspath(reader.root))
        file = re.search(r"'([^']*)'", text)
        kind = 'layout' if "' is missing: expected" in text else 'annotation'
        notebook.add(kind, reader.split, file[1] if file else '', _first_sentence(text))
        return None


def _first_sentence(text: str) -> str:
    return re.split(r'\. (?=[A-Z])', text)[0].rstrip('.')


def allowed_labels(reader: HumanDataset) -> np.ndarray:
    """Ids that a label map of this dataset may hold."""
    facts = reader._facts
    ids = facts['label_map'] or range(facts.get('num_classes', 256)) if 'label_map' in facts else range(256)
    return np.array(sorted({*ids, IGNORE_LABEL}))


def _check_counts(one: Listing, files: Files, card: DatasetCard, notebook: Notebook) -> None:
    """Counts of a split against its card. A card may count all images or only those with labels, all people or only
    those that count: one of them must be it."""
    expected: Mapping[str, Any] = card.splits.get(one.split, {})
    images = len(used_images(files, one.split))
    people = np.unique(one.pids[one.pids > DISTRACTOR])
    found = {'images': {images, len(one.named) - int((one.kinds != 0).sum()), one.counts['frames']},
             'ids': {len(people), one.counts['ids']},
             'persons': {len(one), one.counts['persons'], one.counts['boxes']}, 'points': {one.counts['points']},
             'captions': {one.counts['captions']}, 'distractors': {int((one.pids == DISTRACTOR).sum())}}
    for word, counts in found.items():
        if isinstance(expected.get(word), int) and expected[word] not in counts:
            notebook.add('counts', one.split, '', f'{max(counts):,} {word}, the card says {expected[word]:,} '
                         f'({expected.get("source", "no source")})')
