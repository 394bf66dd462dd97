"""Hashes and whole files: what a record is checked by, and how it reaches the disk."""
import errno
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
    """Write a JSON file, whole.

    Raises:
        UserError: the disk is full, or nothing may be written there.
    """
    text = json_text(value)
    with explained(path):
        write_text(path, text)


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


_CANNOT_WRITE = {errno.ENOSPC: 'free some space', errno.EDQUOT: 'free some space', errno.EROFS: 'give another --out',
                 errno.EACCES: 'give another --out, or the right to write there',
                 errno.EPERM: 'give another --out, or the right to write there',
                 errno.ENOTDIR: 'a file is in the place of a folder: move it, or give another --out',
                 errno.EEXIST: 'a file is in the place of a folder: move it, or give another --out',
                 errno.EISDIR: 'a folder is in the place of a file: move it, or give another --out'}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Writing below ``path`` inside; what a user can do about a failure is said in one message.

    Raises:
        UserError: the disk is full, or nothing may be written there.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        raise UserError(f"'{error.filename or path}' cannot be written: {error.strerror}. Nothing that was finished is "
                        f'lost; {_CANNOT_WRITE[error.errno]}, and give the same command again.') from error


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder for one process of this machine; the lock ends with the process, however it ends.

    Raises:
        UserError: another process holds it.
    """
    import fcntl
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / '.lock', 'a') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"Another command is writing to '{folder}'. Wait for it, or give another --out.") from error
        yield
