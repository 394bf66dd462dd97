"""Where the files beside the code are: configs, tools, dataset cards; in a checkout and in an installed wheel."""
from pathlib import Path

from .errors import UserError, unknown_name

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder ``configs``, ``tools`` or ``datasets_meta``: beside the package in a checkout, else in ``.mim``."""
    for candidate in (_PACKAGE.parent / name, _PACKAGE / '.mim' / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"'{name}' is neither in {_PACKAGE.parent} nor in {_PACKAGE / '.mim'}; reinstall humanbench")


def find_config(name: str) -> Path:
    """A config by path, by path below ``configs``, or by a file name that is unique there.

    Raises:
        UserError: nothing, or more than one file, has that name.
    """
    path = Path(name)
    if path.is_file():
        return path
    configs = folder('configs')
    relative = Path(*path.parts[1:]) if path.parts[:1] == ('configs',) else path
    relative = relative if relative.suffix else relative.with_suffix('.py')
    if (configs / relative).is_file():
        return configs / relative
    found = [candidate for candidate in sorted(configs.rglob(relative.name)) if '_base_' not in candidate.parts]
    if len(found) == 1:
        return found[0]
    if found:
        names = ', '.join(str(candidate.relative_to(configs)) for candidate in found)
        raise UserError(f"Several configs are called '{relative.name}': {names}. Give one of these paths.")
    known = [str(candidate.relative_to(configs)) for candidate in configs.rglob('*.py')
             if '_base_' not in candidate.parts]
    raise unknown_name('config (no such file, and none is shipped under that name)', name, known)
