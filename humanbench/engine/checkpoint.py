"""Checkpoints: read without running code, written whole or not at all, resumed only by the recipe that wrote them."""
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from mmengine.fileio.backends import LocalBackend, register_backend
from mmengine.runner import CheckpointLoader

from ..errors import CheckpointError
from ..weights.files import read_content


class AtomicLocalBackend(LocalBackend):
    """Local files that appear under their name only once they are complete."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a temporary file in the same folder, then rename it."""
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f'.{path.name}.', dir=path.parent)
        try:
            with os.fdopen(handle, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


register_backend('local', AtomicLocalBackend, force=True, prefixes='')


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_checkpoint_file(filename: str, map_location: str | torch.device | None = None) -> dict:
    """Read a checkpoint of plain values and tensors; one that needs more is refused (CheckpointError)."""
    return read_content(filename, map_location)


def recipe_differences(saved: dict, current: dict, prefix: str = '') -> list[str]:
    """What differs between two recipes, one line each, as ``path: saved -> current``."""
    lines = []
    for key in sorted(saved.keys() | current.keys()):
        before, now, path = saved.get(key, 'absent'), current.get(key, 'absent'), f'{prefix}{key}'
        if isinstance(before, dict) and isinstance(now, dict):
            lines += recipe_differences(before, now, f'{path}.')
        elif before != now:
            lines.append(f'{path}: {_short(before)} -> {_short(now)}')
    return lines


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def check_same_recipe(saved: dict | None, current: dict, where: str) -> None:
    """Refuse to resume a run with another recipe: it would be neither the old run nor a new one."""
    if saved is None:
        raise CheckpointError(f"'{where}' was not written by this training engine and cannot be resumed. To start a "
                              'new run from its weights, give them as `weights` instead.')
    differences = recipe_differences(saved, current)
    if differences:
        listed = '\n  '.join(differences[:20])
        raise CheckpointError(
            f"'{where}' was written by another recipe (saved -> now):\n  {listed}\nResume with the recipe that wrote "
            'it, or start a new run from its weights (`weights`).')
