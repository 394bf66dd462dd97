"""What ``score`` reads: arrays, tables, JSON, datasets as they lie on disk; and the hash of what was read."""
import csv
import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import humanbench.datasets  # noqa: F401  (registers the readers)
from humanbench import catalog, matlab
from humanbench.datasets.base import HumanDataset
from humanbench.errors import UserError
from humanbench.evaluation.inputs import distinct, load_json, positions
from humanbench.registry import DATASETS


def suffix(path: Path, what: str, *expected: str) -> str:
    """The suffix of a file, which is one of those expected."""
    if path.suffix.lower() not in expected:
        raise UserError(f"{what}: {path} ends in '{path.suffix}'; expected {' or '.join(expected)}. See "
                        '`humanbench score -h` for the formats.')
    return path.suffix.lower()


def load_arrays(path: Path, what: str) -> dict[str, np.ndarray]:
    """Arrays of an .npz; one .npy is called ``values``. Nothing in them is executed."""
    try:
        loaded = np.load(path, allow_pickle=False)
        return {'values': loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f'{what}: {path} is not an array file of NumPy ({error}).') from error


def load_mat(path: Path, what: str) -> dict[str, Any]:
    """Variables of a MATLAB file."""
    try:
        return matlab.load(path.read_bytes())
    except (*matlab.UNREADABLE, OSError) as error:
        raise UserError(f'{what}: {path} is not a MATLAB file of version 7 or older ({error}).') from error


def load_table(path: Path, what: str) -> list[dict[str, str]]:
    """Rows of a .csv with a head line."""
    try:
        with open(path, newline='', encoding='utf-8-sig') as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f'{what}: cannot read {path} ({error}).') from error
    if not rows or any(None in row or None in row.values() for row in rows):
        raise UserError(f'{what}: {path} has no rows, or rows that do not fit its head line.')
    return rows


def by_name(path: Path, what: str) -> dict[str, Any]:
    """{name: value} of a .json or .csv; of a .csv with more than two columns a value is a list."""
    if suffix(path, what, '.json', '.csv') == '.json':
        values = load_json(path, what)
        if not isinstance(values, dict):
            raise UserError(f'{what}: {path} holds a {type(values).__name__}; expected an object of names.')
        return values
    rows = load_table(path, what)
    first, *columns = rows[0]
    distinct([row[first] for row in rows], f'{what}, {path}')
    try:
        values = {row[first]: [float(row[column]) for column in columns] for row in rows}
    except ValueError as error:
        raise UserError(f'{what}: {path} holds something that is not a number ({error}).') from error
    return {name: value[0] for name, value in values.items()} if len(columns) == 1 else values


def aligned(values: dict[str, Any], names: Sequence[str], what: str) -> list:
    """Values in the order of ``names``, exactly those."""
    positions(list(values), names, what)
    missing = [name for name in names if name not in values]
    if missing:
        raise UserError(f'{what}: {len(missing)} of {len(names)} are missing, {missing[0]!r} first. Predict every one.')
    return [values[name] for name in names]


def results(path: Path, what: str) -> list[dict]:
    """A list of predictions, which is not empty and holds none twice."""
    found = load_json(path, what)
    if not isinstance(found, list):
        raise UserError(f'{what}: {path} holds a {type(found).__name__}; expected a COCO results list, as '
                        '`humanbench score -h` has it.')
    if not found:
        raise UserError(f'{what}: {path} is an empty list. Were the predictions written?')
    once(found, what)
    return found


def once(records: Iterable[dict], what: str) -> None:
    """Refuse a prediction that repeats another in every number: the evaluators would count it as a false one."""
    seen: dict[Any, int] = {}
    for i, record in enumerate(records):
        first = seen.setdefault(_key(record), i)
        if first != i:
            raise UserError(f'{what}: record {i} repeats record {first}, {str(record)[:100]}. Were files put together '
                            'twice? Give every prediction once.')


def _key(record: Any) -> Any:
    """Equal for equal records; quick for those of COCO results, whose values are numbers and lists of numbers."""
    try:
        key = tuple(tuple(x) if isinstance(x, list) else x for x in record.values())
        hash(key)
        return key
    except (AttributeError, TypeError):
        return repr(record)


def label_map(path: Path) -> np.ndarray:
    """(H, W) ids of a label map; of a palette image, the indices."""
    try:
        with Image.open(path) as image:
            values = np.asarray(image)
    except OSError as error:
        raise UserError(f'parsing: cannot read {path} ({error}).') from error
    if values.ndim != 2:
        raise UserError(f'parsing: {path} has {values.ndim} dimensions; expected one channel of label ids.')
    return values


def reader(dataset: str, root: Path, split: str | None, **options: Any) -> HumanDataset:
    """A dataset as its own reader sees it.

    Args:
        dataset: id.
        root: folder.
        split: None for the one that the benchmark tests on.
        options: of the reader.
    """
    kind = next((x for x in DATASETS.module_dict.values() if dataset in getattr(x, 'datasets', ())), None)
    if kind is None:
        raise UserError(f'--dataset {dataset} has no reader here, so its folder cannot be read. Give a file.')
    return kind(root=root, split=split or tested_split(kind.splits), dataset=dataset, **options)


def tested_split(splits: Sequence[str]) -> str:
    """The split that the benchmark tests on: test, or val where the labels of test are not public."""
    return 'test' if 'test' in splits else 'val'


def one_file(dataset: str, path: Path, split: str | None) -> HumanDataset:
    """The dataset of one native annotation file, wherever its images are."""
    return reader(dataset, path.parent, split, ann_file=path.name, img_dir='.')


def card(dataset: str | None) -> Any:
    """The dataset's card, or None."""
    return None if dataset is None else catalog.card(dataset)


def digest(paths: Sequence[Path], root: Path) -> str:
    """SHA-256 of a file; of several, of their names below ``root`` and their contents."""
    total = hashlib.sha256()
    for path in paths:
        with open(path, 'rb') as file:
            own = hashlib.file_digest(file, 'sha256') if hasattr(hashlib, 'file_digest') else hashlib.sha256(
                file.read())
        if len(paths) == 1:
            return own.hexdigest()
        total.update(f'{path.relative_to(root)} {own.hexdigest()}\n'.encode())
    return total.hexdigest()
