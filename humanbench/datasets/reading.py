"""What goes wrong while foreign files are parsed, in one word: DataError."""
import os
from collections.abc import Iterator
from contextlib import contextmanager

from .. import matlab
from ..errors import DataError, StorageError

# What parsers of foreign files raise on bytes they cannot make sense of.
_UNREADABLE = (*matlab.UNREADABLE, OSError)


@contextmanager
def reading(path: str | os.PathLike, expected: str) -> Iterator[None]:
    """Turns whatever goes wrong while an annotation file is parsed into a DataError that names the file.

    Args:
        path: of the file.
        expected: what it should hold.
    """
    try:
        yield
    except StorageError:
        raise
    except DataError as error:
        if str(path) in str(error):
            raise
        raise DataError(f"'{path}': {error}") from error  # of a name that leads out, say
    except _UNREADABLE as error:
        raise DataError(f"cannot read '{path}': {type(error).__name__}: {error}. Expected {expected}. The file may be "
                        'truncated or of another release; unpack or download it again.') from error
