"""The plan of a recipe whose data need not be there: sizes from what is on disk, else from the dataset cards."""
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from mmengine.config import Config

from ..datasets.merged import placed
from ..datasets.places import card_of
from ..datasets.roots import MINIHUMAN, data_folder
from ..errors import DataError, UserError
from ..registry import DATASETS
from .plan import Plan, Source

ON_DISK, CARD, UNKNOWN = 'disk', 'card', 'unknown'


@dataclass(frozen=True)
class Preview:
    """A plan, and where the sizes of its sources are from.

    Attributes:
        plan: its order of samples means nothing, everything else is the recipe's.
        origins: of each source: ``'disk'``, ``'card'``, or ``'unknown'``, where neither says how many samples it has.
        notes: of some sources, why the size is not from the disk.
    """
    plan: Plan
    origins: Mapping[str, str]
    notes: Mapping[str, str]


def preview(config: Config, read: bool = True) -> Preview:
    """The plan of a training config.

    Args:
        config: in the grammar of :mod:`humanbench.engine.launch`.
        read: whether to open the datasets that are on disk; else all sizes are those of the cards.

    Raises:
        UserError: the recipe cannot be planned.
    """
    sources, origins, notes = [], {}, {}
    for name, entry in config.sources.items():
        size, origins[name], note = _samples(entry['dataset'], entry['task'], read)
        if note:
            notes[name] = note
        sources.append((name, entry, size))
    try:
        plan = Plan([_source(*arguments) for arguments in sources], config.get('seed') or 0)
    except ValueError as error:
        raise UserError(f'The recipe cannot be planned: {error}') from error
    return Preview(plan, origins, notes)


def _source(name: str, entry: Mapping, size: int) -> Source:
    images_per_id = entry.get('images_per_id', 4)
    balanced = entry.get('sampler', 'uniform') == 'identity'
    return Source(
        name, entry['task'], size, entry['batch_size'], entry.get('slots', 1), entry.get('weight', 1.0),
        np.arange(size) // images_per_id if balanced else None, images_per_id)  # who is who plays no part here


def _samples(dataset: Mapping, task: str, read: bool) -> tuple[int, str, str]:
    """How many samples a reader has, whence that is known, and why not from the disk."""
    if dataset.get('datasets'):
        return _samples_of_all(dataset, task, read)
    card = card_of(dataset)
    if card is None:  # a reader of the user's own: nothing but itself knows its size
        return len(DATASETS.build(dict(dataset))), ON_DISK, ''
    root = dataset.get('root')
    made_up = isinstance(root, str) and root.startswith(MINIHUMAN)
    if made_up:
        root = data_folder() / 'minihuman' / root.removeprefix(MINIHUMAN) / card.layout.root
    elif root is None:
        root = data_folder() / card.layout.root
    note = 'not asked for'
    if read:
        try:
            if not made_up or root.is_dir():  # MiniHuman would be made on first use
                return len(DATASETS.build(dict(dataset))), ON_DISK, ''
            note = f"'{root}' is not made yet; the card is of the real dataset"
        except DataError as error:
            note = str(error)
    counts = card.splits.get(dataset.get('split', 'train'), {})
    size = counts.get('persons') if 'pose' in (task, card.tasks[0]) else counts.get('images')
    size = size or counts.get('images')
    if size is None:
        return 1, UNKNOWN, note
    return _limited(int(size), dataset), CARD, note


def _limited(size: int, dataset: Mapping) -> int:
    indices = dataset.get('indices')
    return size if indices is None else min(size, indices if isinstance(indices, int) else len(indices))


def _samples_of_all(dataset: Mapping, task: str, read: bool) -> tuple[int, str, str]:
    """The same of several readers as one: as good as what is known of the least known of them."""
    parts = [placed(part, dataset.get('root')) for part in dataset['datasets']]
    sizes, origins, notes = zip(*(_samples(part, task, read) for part in parts))
    origin = max(origins, key=(ON_DISK, CARD, UNKNOWN).index)
    kind = dataset['type'] if isinstance(dataset['type'], type) else DATASETS.get(dataset['type'])
    size = getattr(kind, 'length_of', sum)(sizes)
    return _limited(size, dataset), origin, '; '.join(filter(None, dict.fromkeys(notes)))
