"""Datasets that are not shipped: modules of yours that define their readers, imported wherever readers are used."""
import importlib
import os
import sys
from pathlib import Path

from ..errors import UserError

VARIABLE = 'HUMANBENCH_IMPORT'


def import_own() -> None:
    """Import what ``$HUMANBENCH_IMPORT`` names: modules or Python files, with commas between them.

    Raises:
        UserError: there is no such module or file, or it fails.
    """
    for name in filter(None, os.environ.get(VARIABLE, '').split(',')):
        if name.endswith('.py'):
            path = Path(name).resolve()
            if str(path.parent) not in sys.path:  # so that configs and other processes find it by its name, too
                sys.path.insert(0, str(path.parent))
            name = path.stem
        try:
            importlib.import_module(name)
        except Exception as error:
            raise UserError(f"${VARIABLE} names '{name}', which cannot be imported: {type(error).__name__}: {error}. "
                            'Give a module on the Python path, or the path of a .py file.') from error
