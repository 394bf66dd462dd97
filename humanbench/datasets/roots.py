"""Where datasets lie, and the rule that a name inside an annotation file never leads out of its folder."""
import os
from pathlib import Path

from ..catalog import DatasetCard
from ..errors import DataError, UserError, unknown_name
from . import storage

MINIHUMAN = 'minihuman:'
LONGEST_NAME = 1000  # of a file below its folder; no file system has longer ones by much


def data_folder() -> Path:
    """The folder of all datasets: ``$HUMANBENCH_DATA``; ``data`` where that is not set, or a URL."""
    named = os.environ.get('HUMANBENCH_DATA', 'data')
    return Path('data' if storage.is_url(named) else named)


def usual_place(card: DatasetCard) -> str:
    """Where a dataset lies if nobody says otherwise: a folder, or a URL where ``$HUMANBENCH_DATA`` is one."""
    named = os.environ.get('HUMANBENCH_DATA', 'data')
    return f'{named.rstrip("/")}/{card.layout.root}' if storage.is_url(named) else str(Path(named) / card.layout.root)


def dataset_root(root: str | os.PathLike | None, card: DatasetCard) -> Path:
    """The folder of one dataset.

    Args:
        root: a folder, of files or of shards (:func:`humanbench.datasets.storage.pack`); a URL of shards; None for
            :func:`usual_place`; or ``minihuman:SIZE`` (with another seed ``minihuman:SIZE@SEED``) for the synthetic
            edition, made on first use.
        card: of the dataset.
    """
    if root is None:
        root = usual_place(card)
    if isinstance(root, str) and root.startswith(MINIHUMAN):
        return _minihuman_root(root, card)
    return storage.folder_of(root) if storage.is_url(root) else Path(root)


def edition_of(root: str) -> tuple[Path, str, int]:
    """Folder, size and seed of the MiniHuman edition that a root ``minihuman:SIZE@SEED`` means."""
    size, _, seed = root.removeprefix(MINIHUMAN).partition('@')
    if not seed.isdigit() and '@' in root:
        raise UserError(f"root '{root}': the seed after '@' is a number, as in 'minihuman:small@7'")
    return data_folder() / 'minihuman' / (f'{size}@{int(seed)}' if int(seed or 0) else size), size, int(seed or 0)


def edition_datasets(root: str) -> list[str]:
    """The datasets of a MiniHuman edition."""
    from ..minihuman import SIZES  # here, because a real dataset needs no generator
    size = edition_of(root)[1]
    if size not in SIZES:
        raise unknown_name('MiniHuman size', size, SIZES)
    return sorted(SIZES[size])


def _minihuman_root(root: str, card: DatasetCard) -> Path:
    from ..minihuman import ensure
    base, size, seed = edition_of(root)
    ensure(base, size, seed, [card.id])
    return base / card.layout.root


class Folder:
    """A folder in which an annotation file names files.

    The folder itself is what the user or the dataset's layout says and may be a link. What a file names in it may not
    lead out: neither by an absolute path, nor by ``..``, nor through a link.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = os.fspath(path)
        self._real = os.path.realpath(path)
        self._inside: set[str] = {''}

    def join(self, name: str) -> str:
        """The path of file ``name``, which may lie in subfolders.

        Raises:
            DataError: it would leave the folder.
        """
        parts = name.split('/')
        if not name or '..' in parts or os.path.isabs(name) or '\0' in name:
            raise self._outside(name)
        if len(name) > LONGEST_NAME:
            raise DataError(f"an annotation names a file in '{self.path}' by {len(name):,} letters: '{name[:80]}...'. "
                            'The annotation is broken; get it again from its homepage.')
        parent = '/'.join(parts[:-1])
        if parent not in self._inside:  # once for each subfolder: resolving every file costs seconds on large datasets
            if not self.contains(os.path.join(self.path, parent)):
                raise self._outside(name)
            self._inside.add(parent)
        return f'{self.path}/{name}'

    def contains(self, path: str) -> bool:
        """Whether ``path``, all links followed, lies in this folder."""
        real = os.path.realpath(path)
        return real == self._real or real.startswith(os.path.join(self._real, ''))

    def _outside(self, name: str) -> DataError:
        return DataError(f"an annotation names the file '{name}', which leads out of '{self.path}'. Expected "
                         'a relative path inside that folder; the annotation is broken or hostile, get it again from '
                         'its homepage.')
