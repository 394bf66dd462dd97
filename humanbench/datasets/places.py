"""Which datasets there are to read, by which reader, and where each lies."""
import os
from collections.abc import Mapping
from pathlib import Path

from .. import catalog
from ..errors import UserError, unknown_name
from ..registry import DATASETS
from . import storage
from .base import HumanDataset
from .roots import MINIHUMAN, data_folder, dataset_root, edition_datasets, edition_of

SYNTHETIC = '.minihuman.json'  # lies in every folder that MiniHuman has made


def readers() -> dict[str, type[HumanDataset]]:
    """The reader of every dataset that has one, yours too once their module is imported, by dataset id."""
    found = {}
    for kind in DATASETS.module_dict.values():
        if isinstance(kind, type) and issubclass(kind, HumanDataset):
            found |= {id: found.get(id, kind) for id in kind.datasets if id in catalog.ids()}
    return found


def reader_of(dataset: str) -> type[HumanDataset]:
    """The reader of a dataset.

    Raises:
        UserError: no such dataset, or it is one that nobody reads.
    """
    card = catalog.card(dataset)
    if dataset not in readers():
        text = f' {card.licence.text}' if card.licence.text else ''
        raise UserError(f"'{dataset}' has a card but no reader.{text} Read are: {', '.join(sorted(readers()))}.")
    return readers()[dataset]


def card_of(dataset: Mapping) -> catalog.DatasetCard | None:
    """The card of the dataset that a reader's config reads; None for a reader of a user's own without one."""
    kind = dataset['type'] if isinstance(dataset['type'], type) else DATASETS.get(dataset['type'])
    if kind is None:
        raise unknown_name('dataset', str(dataset['type']), DATASETS.module_dict)
    known = getattr(kind, 'datasets', ())
    return catalog.card(dataset.get('dataset') or known[0]) if known else None


def base_folder(root: str | None) -> Path:
    """The folder in which each dataset has its own: ``root``, that of a MiniHuman edition, or the data folder."""
    if root is None:
        return data_folder()
    return edition_of(root)[0] if root.startswith(MINIHUMAN) else Path(root)


def place(dataset: str, root: str | None, alone: bool = False) -> Path:
    """The folder of a dataset, where it is expected; the one that stands for it where it is behind a URL.

    Args:
        dataset: its id.
        root: the folder (or URL) of all datasets, or ``minihuman:SIZE``; None for the usual one.
        alone: ``root`` may be the folder (or URL) of this dataset itself.

    Raises:
        DataError: nothing is behind the URL.
    """
    root, name = _given(root), catalog.card(dataset).layout.root
    if storage.is_url(root):
        usual = _below(root, name)
        return storage.find_folder(usual) or alone and storage.find_folder(root) or storage.folder_of(usual)
    base = base_folder(root)
    inside = base / name
    is_itself = alone and root is not None and not root.startswith(MINIHUMAN) and not inside.is_dir()
    return base if is_itself and base.is_dir() else inside


def find(dataset: str, root: str | None) -> Path | None:
    """The folder of a dataset that is there; a server is asked."""
    root = _given(root)
    if storage.is_url(root):
        return storage.find_folder(_below(root, catalog.card(dataset).layout.root))
    folder = place(dataset, root)
    return folder if folder.is_dir() else None


def expected(dataset: str, root: str | None) -> str:
    """The folder or URL where a dataset is expected, in words."""
    return f'{shown(root)}/{catalog.card(dataset).layout.root}'


def shown(root: str | None) -> str:
    """The folder or URL of all datasets, in words."""
    root = _given(root)
    return storage.shown(root.rstrip('/')) if storage.is_url(root) else str(base_folder(root))


def _below(url: str, name: str) -> str:
    return f'{url.rstrip("/")}/{name}'


def _given(root: str | None) -> str | None:
    """What ``$HUMANBENCH_DATA`` says, where nothing else is said and that is a URL."""
    named = os.environ.get('HUMANBENCH_DATA')
    return named if root is None and storage.is_url(named) else root


def make(dataset: str, root: str | None) -> None:
    """Make a dataset of a MiniHuman edition; nothing for any other root."""
    if root is not None and root.startswith(MINIHUMAN):
        dataset_root(root, catalog.card(dataset))


def chosen(ids: list[str] | None, root: str | None) -> list[str]:
    """The datasets that are asked for, or all that are found below ``root``.

    Raises:
        UserError: an unknown one, or nothing is found.
    """
    if ids:
        return list(dict.fromkeys(x for id in ids for x in _of_name(id)))
    if root is not None and root.startswith(MINIHUMAN):
        return [x for x in edition_datasets(root) if x in readers()]
    found = sorted(x for x in readers() if find(x, root) is not None)
    if not found:
        folder = shown(root)
        if not storage.is_url(folder) and not os.path.isdir(folder):
            raise UserError(f"there is no folder '{folder}'. Give --root DIR or set $HUMANBENCH_DATA to the folder in "
                            'which each dataset has its own.')
        raise UserError(f"'{folder}' holds no dataset under the name it is expected by. `datasets list` says these "
                        'names; or name one dataset and give --root its own folder.')
    return found


def _of_name(name: str) -> list[str]:
    """A dataset, or all of a task."""
    if name in catalog.ALL_TASKS:
        return [x for x in catalog.ids(name) if x in readers()]
    reader_of(name)
    return [name]


def is_synthetic(folder: Path) -> bool:
    """Whether MiniHuman has made a dataset: its counts are not those of the card."""
    return storage.is_file(folder / SYNTHETIC)

