"""What every evaluator asks of its inputs: readable, of the right shape, finite. Failures are a :class:`UserError`."""
import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from . import number_lists


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Half of the time of parsing 100,000 records goes to the collector's search for cycles, which JSON cannot have."""
    enabled, frozen = gc.isenabled(), gc.get_freeze_count()
    gc.disable()
    try:
        yield
    finally:
        if not frozen:  # straight to the oldest generation: else the next collection walks through all of it
            gc.freeze()
            gc.unfreeze()
        if enabled:
            gc.enable()


def _text(path: str | Path, what: str) -> str:
    try:
        return Path(path).read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'{what}: cannot read {path} ({error}). Give a text file in the documented format.') from error


def load_json(source: Any, what: str, numbers: str | None = None) -> Any:
    """Parsed JSON as it is; a path is read first.

    Args:
        source: parsed, or a path.
        what: it is.
        numbers: key of long lists of numbers, which come as arrays where that is quicker.
    """
    if not isinstance(source, (str, Path)):
        return source
    text = _text(source, what)
    try:
        with _no_garbage_collection():
            return json.loads(text) if numbers is None else number_lists.loads(text, numbers)
    except ValueError as error:
        raise UserError(f'{what}: {source} is not JSON ({error}).') from error


def load_json_lines(source: Any, what: str) -> list[dict]:
    """Records of an odgt file (one JSON object a line; one list of all is read too), or a sequence of records."""
    if not isinstance(source, (str, Path)):
        return list(source)
    lines = _text(source, what).splitlines()
    records: list[dict] = []
    with _no_garbage_collection():
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise UserError(f'{what}: line {number} of {source} is not JSON ({error}).') from error
            records.extend(record) if isinstance(record, list) else records.append(record)
    return records


def field(records: Sequence[dict], key: str, what: str) -> list:
    """``key`` of every record; a record without it is named."""
    try:
        return [record[key] for record in records]
    except (KeyError, TypeError):
        at = next(i for i, record in enumerate(records) if not isinstance(record, dict) or key not in record)
        raise UserError(f"{what}: record {at} has no '{key}': {str(records[at])[:120]}") from None


def array(values: Any, what: str, shape: tuple[int | None, ...], dtype: Any = np.float64) -> np.ndarray:
    """``values`` as an array of ``shape`` (None matches any size), checked to be finite.

    An empty input has the right shape whatever its own. Tensors on the CPU are accepted.
    """
    try:
        result = np.asarray(values, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise UserError(f'{what}: not an array of numbers ({error}).') from error
    if result.size == 0 and None in shape:
        result = result.reshape([0 if size is None else size for size in shape])
    if result.ndim != len(shape) or any(s is not None and s != r for s, r in zip(shape, result.shape)):
        expected = ', '.join('n' if size is None else str(size) for size in shape)
        raise UserError(f'{what}: shape {result.shape}, expected ({expected}).')
    if result.dtype.kind == 'f' and not np.isfinite(result).all():
        at = tuple(int(i[0]) for i in np.nonzero(~np.isfinite(result)))
        raise UserError(f'{what}: {result[at]} at index {at}. Every value must be finite.')
    return result


def table(rows: Sequence[Sequence[float]], width: int, what: str, hint: str = '') -> np.ndarray:
    """Rows of ``width`` numbers as a finite (n, width) float64 array: np.array of nested lists, but much faster."""
    try:
        wrong = next((i for i, row in enumerate(rows) if len(row) != width), None)
        if wrong is not None:
            raise UserError(f'{what}: record {wrong} has {len(rows[wrong])} numbers; expected {width}. {hint}'.rstrip())
        if all(isinstance(row, np.ndarray) for row in rows):
            flat = np.concatenate([np.zeros(0), *rows])
        else:
            flat = np.fromiter(chain.from_iterable(rows), np.float64, count=width * len(rows))
    except (TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f'{what}: not rows of {width} numbers ({error}). {hint}'.rstrip()) from error
    return array(flat.reshape(-1, width), what, (None, width))


def positions(keys: Sequence, known: Sequence, what: str) -> np.ndarray:
    """Index in ``known`` of every key, int64; an unknown key is named."""
    index = {key: i for i, key in enumerate(known)}
    try:
        return np.fromiter((index[key] for key in keys), np.int64, count=len(keys))
    except (KeyError, TypeError):
        missing = next(key for key in keys if not isinstance(key, (str, int)) or key not in index)
        near = ', '.join(repr(key) for key in list(index)[:3])
        raise UserError(f'{what}: {missing!r} is not in the ground truth, which has {len(index)} ({near}, ...). '
                        'Do both files belong to the same split?') from None


def distinct(keys: Sequence, what: str) -> None:
    """Refuse a key that comes twice."""
    if len(set(keys)) < len(keys):
        seen = set()
        twice = next(key for key in keys if key in seen or seen.add(key))
        raise UserError(f'{what}: {twice!r} comes more than once. Give each exactly one record.')


def offsets(groups: np.ndarray, count: int) -> np.ndarray:
    """Where each of ``count`` groups starts in an array sorted by group: (count + 1,) int64."""
    return np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=count))]).astype(np.int64)
