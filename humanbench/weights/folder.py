"""Checkpoints as folders: what a run goes on from, with any number of processes.

================  ====================================================================================
file              content
================  ====================================================================================
``__R_0.distcp``  tensors that rank R wrote: of what several ranks hold, each writes a share
``.metadata``     which tensor lies where (``torch.distributed.checkpoint``)
``meta.json``     plain values: step (``iter``), seed, recipe, what the model is; in ``training``: format,
                  schedules, number of processes, what units cost and where they ran
================  ====================================================================================

Tensors are named ``model.NAME``, ``optimizer.NAME.KEY``, ``groups.NAME.KEY`` and, of runs that average their weights,
``average.NAME``, NAME being that of the parameter in the whole model, so nothing depends on which rank held it. A
folder appears under its name, ``iter_STEP``, only when all of it is on disk; what is still being written has a name
that begins with a dot.
"""
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from humanbench.errors import CheckpointError
from humanbench.files import write_text

META, INDEX, POINTER = 'meta.json', '.metadata', 'last_checkpoint'
FORMAT = 2
_NAME = re.compile(r'iter_(\d+)')


def is_checkpoint(path: str | Path) -> bool:
    """Whether this is a complete checkpoint folder."""
    return (Path(path) / META).is_file() and (Path(path) / INDEX).is_file()


def checkpoints_in(work_dir: str | Path) -> dict[int, Path]:
    """The complete checkpoint folders of a run by step, ascending."""
    named = {path: _NAME.fullmatch(path.name) for path in Path(work_dir).glob('iter_*')}
    steps = {int(match[1]): path for path, match in named.items() if match and is_checkpoint(path)}
    return dict(sorted(steps.items()))


def newest(work_dir: str | Path) -> Path | None:
    """What a run in this folder wrote last: a checkpoint folder, or the file at its end; None where there is nothing.

    It is what ``last_checkpoint`` names. Where that was moved or removed, it is the folder of the highest step.
    """
    work_dir, pointer = Path(work_dir), Path(work_dir) / POINTER
    if pointer.is_file():
        named = Path(pointer.read_text().strip())
        for path in (named, work_dir / named.name):  # the work folder may have been moved
            if path.is_file() or is_checkpoint(path):
                return path
    return next(reversed(checkpoints_in(work_dir).values()), None)


def resolve(path: str | Path) -> Path:
    """A checkpoint that a user named: a file, a checkpoint folder, or a work folder (its newest).

    Raises:
        CheckpointError: there is none.
    """
    path = Path(path).expanduser()
    if path.is_file() or is_checkpoint(path):
        return path
    if not path.exists():
        raise CheckpointError(f"There is no checkpoint '{path}'. Give a file, a checkpoint folder (iter_N), or the "
                              'work folder of a run.')
    found = newest(path)
    if found is None:
        raise CheckpointError(f"'{path}' is neither a complete checkpoint (it would hold {META} and {INDEX}) nor the "
                              'work folder of a run that has saved one.')
    return found


def read_meta(path: str | Path) -> dict[str, Any]:
    """The plain values of a checkpoint folder.

    Raises:
        CheckpointError: it is no complete checkpoint, or damaged.
    """
    if not is_checkpoint(path):
        raise CheckpointError(f"'{path}' is no complete checkpoint: it would hold {META} and {INDEX}.")
    try:
        meta = json.loads((Path(path) / META).read_text())
        version = meta['training']['format']
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"'{Path(path) / META}' is damaged ({type(error).__name__}: {error}). Go on from another "
                              'checkpoint.') from error
    if version != FORMAT:
        raise CheckpointError(f"'{path}' has format {version}; this version of HumanBench reads {FORMAT}.")
    return meta


def point_at(path: Path) -> None:
    """Note what a run has written last, in its work folder."""
    write_text(path.parent / POINTER, str(path))


def remove(folder: Path) -> None:
    """Remove a checkpoint, if it is there; it loses its name first, so that it is never found half."""
    if folder.exists():
        hidden = folder.with_name(f'.{folder.name}.old.tmp')
        os.rename(folder, hidden)
        shutil.rmtree(hidden)


def remove_leftovers(work_dir: str | Path) -> None:
    """Remove what a run that was killed had begun to write or to remove."""
    for folder in Path(work_dir).glob('.iter_*.tmp'):
        shutil.rmtree(folder)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
