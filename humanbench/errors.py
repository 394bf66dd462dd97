"""What a user can cause. Every message says what is wrong, where, what was expected, and what to do next."""
import difflib
from collections.abc import Iterable

LONGEST = 3000  # letters of a message about data


class UserError(ValueError):
    """A mistake in what HumanBench was given (config, command, file). Command-line tools print it without a trace."""


class DataError(UserError):
    """A dataset or one of its records cannot be read.

    Names and values of files get into its message: it stays one line of bounded length that can be printed.
    """

    def __init__(self, message: str):
        if not message.isprintable():
            message = ''.join(x if x.isprintable() else repr(x)[1:-1] for x in message)
        if len(message) > LONGEST:
            half = LONGEST // 2 - 5
            message = f'{message[:half]} ... {message[-half:]}'
        super().__init__(message)


class StorageError(UserError):
    """A store of datasets does not answer. Says nothing about the data: a run ends, and can be resumed."""


class CheckpointError(UserError):
    """A weight file cannot be used for what was asked."""


class NotFiniteError(UserError):
    """Values that are not finite where a loss needs finite ones; training leaves their unit out and counts it."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """An error for a name that does not exist: offers the nearest one and lists those that do."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ''
    return UserError(f"Unknown {kind} '{name}'.{hint} Known: {', '.join(known)}.")
