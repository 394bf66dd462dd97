"""Pretexts' debug recipes at their smallest, trained in the test's own process."""
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from humanbench.engine.launch import build_runner, load_config

from .toy import StopAfter  # noqa: F401  (registers)


def smallest(config: str, work_dir: Path, flavor: str | None = None, steps: int = 4, **options) -> Config:
    """A debug recipe on the smallest edition: units of eight images."""
    sources = load_config(config).sources
    made = load_config(config, flavor, options={
        'train_cfg.max_steps': steps, 'default_hooks.checkpoint.interval': 2,
        **{f'sources.{name}.batch_size': 8 for name, source in sources.items() if source.task == 'pretext'},
        **_places(sources), **options})
    made.work_dir = str(work_dir)
    return made


def _places(sources: Mapping) -> dict[str, str]:
    """The root of every dataset: a source of several that have pipelines of their own names it for each."""
    found = {}
    for name, source in sources.items():
        own = [x for x in source.dataset.get('datasets', ()) if 'pipeline' in x]
        parts = [f'datasets.{i}.' for i in range(len(own))] or ['']
        found |= {f'sources.{name}.dataset.{part}root': 'minihuman:tiny' for part in parts}
    return found


def trained(config: Config):
    runner = build_runner(config)
    runner.train()
    return runner


def weights_of(runner) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in runner.model.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], value) for name, value in other.items())


def whole_and_resumed(recipe: Callable[[Path], Config], folder: Path) -> tuple[dict, dict]:
    """Weights of a run of four steps, and of one that was interrupted after two and went on."""
    whole = weights_of(trained(recipe(folder / 'whole')))
    config = recipe(folder / 'half')
    runner = build_runner(config)
    runner.register_hook(dict(type='StopAfter', step=2), 'LOWEST')
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    config.resume = True
    return whole, weights_of(trained(config))


def scalars(work_dir: Path) -> list[dict]:
    """What a run has logged, step by step."""
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def logged_by_processes(config: str, count: int, folder: Path) -> list[dict]:
    """The same of four steps of a recipe that the command line runs in so many processes."""
    subprocess.run(
        [sys.executable, '-m', 'humanbench.cli', 'train', config, '--gpus', str(count), '--work-dir',
         str(folder / str(count)), '--cfg-options', 'train_cfg.max_steps=4', 'sources.luperson.batch_size=8',
         'default_hooks.logger.interval=1', 'sources.luperson.dataset.root=minihuman:tiny'],
        check=True, capture_output=True)
    return scalars(folder / str(count))
