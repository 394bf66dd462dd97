"""Pretexts' debug recipes at their smallest."""
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config

from humanbench.engine.launch import load_config

from .runs import scalars


def smallest(config: str, work_dir: Path, flavor: str | None = None, steps: int = 4, **options) -> Config:
    """A debug recipe on the smallest edition: units of eight images."""
    sources = load_config(config).sources
    made = load_config(config, flavor, options={
        'train_cfg.max_steps': steps, 'default_hooks.checkpoint.interval': 2,
        **{f'sources.{name}.batch_size': 8 for name, source in sources.items() if source.task == 'pretext'},
        **_places(sources), **options})
    made.work_dir = str(work_dir)
    if made.get('weights_parts'):
        made.weights = 'scratch'  # where a test names none
    return made


def _places(sources: Mapping) -> dict[str, str]:
    """The root of every dataset: a source of several that have pipelines of their own names it for each."""
    found = {}
    for name, source in sources.items():
        own = [x for x in source.dataset.get('datasets', ()) if 'pipeline' in x]
        parts = [f'datasets.{i}.' for i in range(len(own))] or ['']
        found |= {f'sources.{name}.dataset.{part}root': 'minihuman:tiny' for part in parts}
    return found


def logged_by_processes(config: str, count: int, folder: Path) -> list[dict]:
    """The same of four steps of a recipe that the command line runs in so many processes."""
    subprocess.run(
        [sys.executable, '-m', 'humanbench.cli', 'train', config, '--gpus', str(count), '--work-dir',
         str(folder / str(count)), '--cfg-options', 'train_cfg.max_steps=4', 'sources.luperson.batch_size=8',
         'default_hooks.logger.interval=1', 'sources.luperson.dataset.root=minihuman:tiny'],
        check=True, capture_output=True)
    return scalars(folder / str(count))
