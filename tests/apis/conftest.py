"""One small model of all six tasks, trained for two steps on MiniHuman, which the tests here ask."""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from humanbench.apis import HumanInferencer
from humanbench.engine.launch import build_runner, load_config
from humanbench.weights.export import write_weights
from humanbench.weights.files import read_file

SOURCES = ('coco_pose', 'aic', 'lip', 'pa100k', 'market1501', 'crowdhuman')


@pytest.fixture(scope='session')
def recipe(edition, tmp_path_factory) -> Config:
    """The debug recipe with two pose heads and, beside it, counting."""
    config = load_config('path/path_debug.py')
    counting = load_config('benchmark/counting/shanghaitech_a.py', flavor='debug')
    config.sources = {name: config.sources[name] for name in SOURCES} | dict(counting.sources)
    config.evaluations = dict(config.evaluations) | dict(counting.evaluations)
    for part in (*config.sources.values(), *config.evaluations.values()):
        part.dataset.root = 'minihuman:tiny'
    for source in config.sources.values():
        source.batch_size = 4
    config.train_cfg.max_steps = 2
    config.work_dir = str(tmp_path_factory.mktemp('trained'))
    return config


@pytest.fixture(scope='session')
def checkpoint(recipe) -> Path:
    """The file that training leaves, with louder heads: after two steps all answers would be alike."""
    build_runner(recipe.copy()).train()
    written = read_file(Path(recipe.work_dir) / 'iter_2.pth')
    noise = torch.Generator().manual_seed(0)
    for name, value in written.state.items():
        if name.startswith('heads.') and value.ndim > 1:
            value += 0.05 * torch.randn(value.shape, generator=noise)
    return write_weights(written.state, Path(recipe.work_dir) / 'loud.pth', written.metadata)


@pytest.fixture(scope='session')
def inferencer(checkpoint) -> HumanInferencer:
    """All tasks; a box counts whatever its score is."""
    return HumanInferencer(checkpoint, device='cpu', score_threshold=-1.0)
