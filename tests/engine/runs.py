"""Runs in the test's own process: trained, stopped and resumed, and what they leave."""
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from humanbench.engine.launch import build_runner

from .toy import StopAfter  # noqa: F401  (registers)


def trained(config: Config):
    """The runner of a run that is over."""
    runner = build_runner(config)
    runner.train()
    return runner


def stop_after(config: Config, step: int) -> None:
    """Train until somebody presses Ctrl-C after a step."""
    runner = build_runner(config)
    runner.register_hook(dict(type='StopAfter', step=step), 'LOWEST')
    with pytest.raises(KeyboardInterrupt):
        runner.train()


def whole_and_resumed(recipe: Callable[[Path], Config], folder: Path, step: int = 2) -> tuple[dict, dict]:
    """Weights of a whole run, and of one that was stopped after a step and went on."""
    whole = weights_of(trained(recipe(folder / 'whole')))
    config = recipe(folder / 'half')
    stop_after(config, step)
    config.resume = True
    return whole, weights_of(trained(config))


def weights_of(runner) -> dict[str, torch.Tensor]:
    """A copy of the model's values, buffers included."""
    return {name: value.clone() for name, value in runner.model.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether two models are the same, bit by bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], value) for name, value in other.items())


def scalars(work_dir: Path) -> list[dict]:
    """What the runs in a folder have logged, step by step."""
    files = sorted(work_dir.glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]
