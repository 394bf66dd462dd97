"""Hashes and whole files: what a record is checked by, and how it reaches the disk."""
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from humanbench.errors import UserError
from humanbench.files import write_text


def canonical(value: Any) -> str:
    """One text per value: equal values give equal text, whatever the order of their keys."""
    return json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=False, default=str)


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical text, first 16 hexadecimal digits: enough to tell recipes and records apart."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def json_text(value: Mapping[str, Any] | list) -> str:
    """A JSON file's text. NaN and infinity are not JSON and raise ValueError."""
    return json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + '\n'


def write_json(path: Path, value: Mapping[str, Any] | list) -> None:
    """Write a JSON file, whole."""
    write_text(path, json_text(value))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UserError: the file is no JSON object; the message names it.
    """
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"'{path}' is not JSON ({error}). Delete it; `benchmark run` makes it again.") from error
    if not isinstance(value, dict):
        raise UserError(f"'{path}' holds a {type(value).__name__}; expected one record, a JSON object. Delete it.")
    return value


def record_files(cells: Path) -> list[Path]:
    """Files of finished cells in a ``cells`` folder; those of failures and unfinished writes are not among them."""
    return sorted(x for x in cells.glob('*.json') if not x.name.startswith('.') and not x.name.endswith('.failed.json'))


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder for one process; the lock ends with the process, however it ends.

    Raises:
        UserError: another process holds it.
    """
    import fcntl
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / '.lock', 'a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"Another benchmark run is writing to '{folder}'. Wait for it, use its --workers, or give "
                            'another --out.') from error
        yield
