"""Filling a joint store: hours for millions of crops, so that what is done is kept and a second run goes on from it."""
import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock
from torch.utils.data import DataLoader, Dataset, get_worker_info

from ..datasets.base import IMAGE_SUFFIXES
from ..datasets.pretext import LUPerson
from ..engine.packing import by_value
from ..errors import DataError, UserError
from ..files import replacing, write_text
from ..joints import NUM_JOINTS, write_store
from .joint_sources import JointSource

PART = 8192  # crops that are kept at a time
Watch = Callable[[int], None]  # told of every step how many crops more are done
OnError = Callable[[str, DataError], None]


class _Folder(LUPerson):
    """Any folder of crops; what is known of their joints is about to be found."""
    joints_file = None

    def _expected(self) -> str:
        return f"images ({', '.join(IMAGE_SUFFIXES)}) of one person each, however deep"


def crop_names(folder: str | os.PathLike, listed: str | None = None, keep: float | None = None) -> list[str]:
    """Names of the crops in a folder, however deep; with ``keep``, the first ones of a ranking list that are there.

    Args:
        folder: of the crops.
        listed: ranking list, see :class:`humanbench.datasets.LUPerson`.
        keep: share or count of the list.

    Raises:
        UserError: there is no folder, nothing in it, or no list.
    """
    if not os.path.isdir(folder):
        raise UserError(f"there is no folder '{folder}'. Expected one with images of one person each.")
    if keep is not None and listed is None:
        raise UserError(f'--keep {keep:g}: of which list? Expected --names FILE, a ranking list.')
    keep = 1.0 if listed is not None and keep is None else keep
    crops = _Folder(os.path.abspath(folder), img_dir='.', keep=keep,
                    ann_file=None if listed is None else os.path.abspath(listed))
    return [os.path.relpath(crops.record(i)['img_path'], crops.root) for i in range(len(crops))]


def check_out(out: str | os.PathLike) -> None:
    """Raises a UserError where no joint store can be written."""
    if Path(out).suffix != '.safetensors':
        raise UserError(f"'{out}': expected a name that ends in .safetensors, which a joint store is.")
    if Path(out).exists():
        raise UserError(f"'{out}' exists already. Name another file, or delete it to fill it anew.")


@dataclass(frozen=True)
class Filled:
    """What came of a filling.

    Attributes:
        store: the file, once all parts are there; None while other runs have theirs to do.
        crops: how many it has, or how many this run has done.
        left_out: how many were left out, because they could not be read or nothing is known of them.
    """
    store: Path | None
    crops: int
    left_out: int


@dataclass
class Filling:
    """A store that is being filled. Parts lie in a hidden folder beside it until the last one is there.

    Attributes:
        out: the store.
        images: folder of the crops.
        names: of the crops.
        made_by: what finds the joints.

    Raises:
        UserError: the store is there already, or parts of another one are.
    """
    out: Path
    images: str
    names: Sequence[str]
    made_by: dict[str, str]
    folder: Path = field(init=False)

    def __post_init__(self):
        check_out(self.out)
        self.folder = self.out.with_name(f'.{self.out.name}.parts')
        digest = hashlib.sha256('\n'.join(self.names).encode(errors='surrogateescape')).hexdigest()
        plan = dict(part=PART, crops=len(self.names), names=digest, images=self.images, made_by=self.made_by)
        path = self.folder / 'plan.json'
        if not path.exists():
            write_text(path, json.dumps(plan))
        elif json.loads(path.read_text(encoding='utf-8')) != plan:
            raise UserError(f"'{self.folder}' holds parts of another joint store: other crops, or another pose "
                            'estimator. Go on with the same command as then, name another file, or delete that folder.')

    def __len__(self) -> int:
        return -(-len(self.names) // PART)

    def rows(self, part: int) -> range:
        """Numbers of the crops of a part."""
        return range(part * PART, min((part + 1) * PART, len(self.names)))

    def missing(self) -> list[int]:
        """Parts that are not there yet."""
        return [part for part in range(len(self)) if not self._path(part).exists()]

    def keep(self, part: int, joints: np.ndarray, sizes: np.ndarray) -> None:
        """Put a part on disk: (n, 17, 3) joints and (n, 2) sizes, 0 of crops that are left out."""
        with replacing(self._path(part)) as beside, open(beside, 'wb') as file:
            np.savez(file, joints=joints, sizes=sizes)

    def finish(self) -> Filled:
        """Make the store of its parts, which are deleted."""
        loaded = [np.load(self._path(part)) for part in range(len(self))]
        joints, sizes = (np.concatenate([x[name] for x in loaded]) for name in ('joints', 'sizes'))
        there = np.flatnonzero(sizes.all(1))
        if not len(there):
            shutil.rmtree(self.folder)
            raise DataError(f"not one of the {len(self.names):,} crops in '{self.images}' could be used; the first "
                            'errors say why. Nothing was written.')
        write_store(self.out, [self.names[i] for i in there], joints[there], sizes[there], self.made_by, self.images)
        shutil.rmtree(self.folder)
        return Filled(self.out, len(there), len(self.names) - len(there))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One run at a time looks whether all parts are there."""
        path = self.folder.with_suffix('.lock')
        try:
            with FileLock(path):
                yield
        finally:
            if not self.folder.exists():
                path.unlink(missing_ok=True)

    def _path(self, part: int) -> Path:
        return self.folder / f'{part:05d}.npz'


class _Crops(Dataset):
    """Crops as a source has prepared them, or why it could not."""

    def __init__(self, source: JointSource, folder: str, names: Sequence[str], rows: Sequence[int]):
        self._source, self._folder, self._names, self._rows = source, folder, names, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[int, Any]:
        row = self._rows[index]
        try:
            return row, self._source.prepare(os.path.join(self._folder, self._names[row]), self._names[row])
        except DataError as error:
            return row, error


def fill(source: JointSource, folder: str | os.PathLike, names: Sequence[str], out: str | os.PathLike,
         batch_size: int = 64, workers: int = 0, share: tuple[int, int] = (1, 1), watch: Watch = lambda done: None,
         on_error: OnError = lambda name, error: None) -> Filled:
    """Find the joints of all crops and write them into a joint store; a run that was stopped goes on where it was.

    Args:
        source: that finds them.
        folder: of the crops.
        names: of the crops, see :func:`crop_names`.
        out: the store.
        batch_size: crops in one pass.
        workers: processes that read and prepare crops; 0: this one.
        share: (i, n): this run is the i-th of n that work side by side, one on each GPU, say. The last one to end
            writes the store.
        watch: told how many crops more are done.
        on_error: told of crops that are left out.

    Raises:
        UserError: the store exists, or parts of another one.
    """
    if not 1 <= share[0] <= share[1]:
        raise UserError(f'--share {share[0]}/{share[1]}: expected I/N with I from 1 to N.')
    folder = os.path.abspath(folder)
    filling = Filling(Path(out), folder, names, source.made_by)
    parts = [x for x in filling.missing() if x % share[1] == share[0] - 1]
    watch(len(names) - sum(len(filling.rows(x)) for x in filling.missing()))
    left_out = done = 0
    for part, joints, sizes in _parts(source, filling, parts, batch_size, workers, watch, on_error):
        filling.keep(part, joints, sizes)
        left_out, done = left_out + int((sizes == 0).any(1).sum()), done + len(sizes)
    with filling.alone():
        if filling.folder.exists() and not filling.missing():
            return filling.finish()
    return Filled(None, done - left_out, left_out)


def _parts(source: JointSource, filling: Filling, parts: Sequence[int], batch_size: int, workers: int, watch: Watch,
           on_error: OnError) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Number, joints and sizes of each part, one after the other."""
    rows = [row for part in parts for row in filling.rows(part)]
    loader = DataLoader(_Crops(source, filling.images, filling.names, rows), batch_size, num_workers=workers,
                        collate_fn=_packed, worker_init_fn=_start_worker if workers else None)
    joints: list[np.ndarray] = []
    sizes: list[tuple[int, int]] = []
    for packed in loader:
        batch = pickle.loads(packed) if isinstance(packed, bytes) else packed
        found = iter(_joints(source, [x for _, x in batch if not isinstance(x, DataError)]))
        for row, x in batch:
            failed = isinstance(x, DataError)
            if failed:
                on_error(filling.names[row], x)
            joints.append(np.full((NUM_JOINTS, 3), np.nan, np.float32) if failed else next(found))
            sizes.append((0, 0) if failed else x[0])
            part = row // PART
            if row == filling.rows(part)[-1]:
                yield part, np.stack(joints), np.array(sizes)
                joints, sizes = [], []
        watch(len(batch))


def _joints(source: JointSource, prepared: Sequence[tuple[Any, Any]]) -> np.ndarray:
    return source.joints([item for _, item in prepared]) if prepared else np.empty((0, NUM_JOINTS, 3))


def _packed(batch: list[tuple[int, Any]]) -> list[tuple[int, Any]] | bytes:
    """Prepared crops; as one string where they come from another process, which would send a file for each tensor."""
    return batch if get_worker_info() is None else by_value(batch)


def _start_worker(worker: int) -> None:
    cv2.setNumThreads(0)  # its threads did not survive the fork
