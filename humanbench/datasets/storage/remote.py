"""Ranged reads of files behind a URL, through fsspec: with time-outs, and retries that back off.

A store that does not answer is no property of the data: :class:`~humanbench.errors.StorageError` ends a run (which can
be resumed), where a file that is damaged at its origin is a DataError and replaced by another sample, in every run
alike.
"""
import os
import random
import re
import time
from functools import partial
from typing import Any

import fsspec
import fsspec.asyn
from mmengine.logging import print_log

from ...errors import DataError, StorageError, UserError

REQUEST_TIMEOUT = 30.0  # seconds for one request
DEADLINE = 120.0  # seconds after which a read is given up; a loader waits for more than twice as long
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0
_PASSING = (408, 425, 429)  # HTTP: these, and all from 500 on, may go away
_BEYOND_THE_END = 416
_SHORT_ANSWERS = 3  # in a row: then the file is short, and no proxy is to blame


def shown(url: str) -> str:
    """A URL without what may be secret: user, password and query."""
    return re.sub(r'(?<=://)[^/@]*@', '', url.partition('?')[0])


class _Short(Exception):
    """Fewer bytes came than were asked for, and no error."""


class Remote:
    """A folder behind a URL that fsspec can open.

    Args:
        url: such as ``https://...`` or ``s3://...``.
    """

    def __init__(self, url: str):
        self.url = url.rstrip('/')
        self._opened: tuple[int, Any] = (0, None)  # by which process: connections do not survive a fork

    def read(self, name: str, start: int, stop: int, member: str | None = None) -> bytes:
        """Bytes ``start`` to ``stop`` of a file.

        Args:
            name: of the file.
            start: first byte.
            stop: first byte that is not read.
            member: what is looked for there, for messages.

        Raises:
            DataError: there is no such file, or not so many bytes in it.
            StorageError: no answer in time, or no access.
        """
        place = f"'{shown(self.url)}/{name}'" + (f" (for '{member}')" if member else '')
        began, attempt, short = time.monotonic(), 0, 0
        while True:
            attempt += 1
            try:
                return self._read_once(name, start, stop)
            except (UserError, FileNotFoundError, PermissionError) as error:
                raise _final(place, error) from error
            except Exception as error:  # every file system raises what its own library does
                short = short + 1 if isinstance(error, _Short) else 0
                if _is_final(error) or short == _SHORT_ANSWERS:
                    raise _final(place, error) from error
                pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1)) * random.uniform(0.5, 1.5)
                if time.monotonic() - began + pause > DEADLINE:
                    raise StorageError(
                        f'{place} cannot be read: {attempt} attempts in {time.monotonic() - began:.0f} s, the last: '
                        f'{_said(error)}. Look at the server and the network; what was running can be resumed.'
                    ) from error
                if attempt in (3, 10):  # a single failure is nothing to talk about
                    print_log(f'{place}: attempt {attempt} failed ({_said(error)}); trying again', 'current', 30)
                time.sleep(pause)

    def _read_once(self, name: str, start: int, stop: int) -> bytes:
        filesystem, folder = self._filesystem()
        path = f'{folder}/{name}'
        if filesystem.async_impl:
            data = fsspec.asyn.sync(filesystem.loop, partial(filesystem._cat_file, path, start=start, end=stop),
                                    timeout=REQUEST_TIMEOUT)
        else:
            data = filesystem.cat_file(path, start=start, end=stop)
        if len(data) > stop - start:
            raise StorageError('it answers a request for some bytes with all of them. Expected a server that knows '
                               "'Range' requests, as every object store and common web server does")
        if len(data) < stop - start:
            raise _Short(f'from byte {start:,} on only {len(data):,} of {stop - start:,} bytes came')
        return data

    def _filesystem(self) -> tuple[Any, str]:
        pid, opened = self._opened
        if opened is None or pid != os.getpid():
            try:
                opened = fsspec.core.url_to_fs(self.url)
            except ImportError as error:
                raise UserError(f"'{shown(self.url)}' needs a package that is not installed: {error}. "
                                "pip install 'humanbench[remote]' brings those for http(s) and s3.") from error
            except ValueError as error:
                raise UserError(f"'{shown(self.url)}' cannot be opened: {error}.") from error
            self._opened = os.getpid(), opened
        return opened


def _final(place: str, error: Exception) -> UserError:
    """What to say when asking again cannot help."""
    if isinstance(error, FileNotFoundError):
        return DataError(f'{place} is missing. Expected a folder made by `humanbench datasets pack`, copied whole.')
    if isinstance(error, _Short) or _is_beyond_the_end(error):
        return DataError(f'{place} is truncated: {_said(error)}. Copy it to the server again from where it was packed.')
    if isinstance(error, UserError) and not isinstance(error, StorageError):
        return error
    return StorageError(f'{place} cannot be read: {_said(error)}.')


def _is_beyond_the_end(error: Exception) -> bool:
    return getattr(error, 'status', None) == _BEYOND_THE_END or 'InvalidRange' in str(error.__cause__)


def _is_final(error: Exception) -> bool:
    """Whether asking again cannot help."""
    status = getattr(error, 'status', None)
    return isinstance(status, int) and 400 <= status < 500 and status not in _PASSING or _is_beyond_the_end(error)


def _said(error: Exception) -> str:
    status, text = getattr(error, 'status', None), shown(str(error)).rstrip('.')
    name = '' if isinstance(error, _Short) else type(error).__name__
    return f'{name}{f" {status}" if isinstance(status, int) else ""}{": " if text and name else ""}{text}'
