"""What a user can cause. Every message says what is wrong, where, what was expected, and what to do next."""
import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in what HumanBench was given (config, command, file). Command-line tools print it without a trace."""


class DataError(UserError):
    """A dataset or one of its records cannot be read."""


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
