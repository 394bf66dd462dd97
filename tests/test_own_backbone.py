"""The page "bring your own backbone", typed by somebody who has a network and nothing else."""
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from humanbench.engine import backbone
from humanbench.errors import CheckpointError, UserError
from humanbench.models import HumanModel, ReIDHead
from humanbench.registry import MODELS
from humanbench.weights import export, load_into, network_of

PAGE = (Path(__file__).parents[1] / 'docs' / 'add_a_backbone.md').read_text()
FILES = dict(re.findall(r'^`([\w.]+)`[^\n]*:\n\n```python\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = [line for block in re.findall(r'^```sh\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)
            for line in block.splitlines() if not line.startswith('export')]


@pytest.fixture
def own(tmp_path) -> Path:
    """The folder of the page."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def module(own, monkeypatch) -> ModuleType:
    """Its network, known to this process until the test ends."""
    monkeypatch.syspath_prepend(own)
    yield importlib.import_module('convnext')
    MODELS._module_dict.pop('ConvNeXt')
    for name in ('convnext', 'convnext_atto'):
        sys.modules.pop(name, None)


def test_the_page_has_all_files_and_commands():
    assert list(FILES) == ['convnext.py', 'convnext_atto.py']
    assert len(COMMANDS) == 4 and all(x.startswith('humanbench ') for x in COMMANDS)


def test_it_keeps_the_contract(module):
    network = module.ConvNeXt()
    features = network(torch.randn(2, 3, 64, 96))
    assert [(x.shape[1], 64 // x.shape[2], 96 // x.shape[3]) for x in features.maps] == [
        (level.channels, level.stride, level.stride) for level in network.levels]
    assert features.pooled.shape == (2, network.out_channels) == (2, features.maps[-1].shape[1])
    assert features.tokens[-1].shape == (2, 4 * 6, network.out_channels) and features.grid == (4, 6)
    layers = {network.layer_id(name) for name, _ in network.named_parameters()}
    assert layers == set(range(network.depth + 1)) and len(network.blocks) == network.depth


def test_recomputed_stages_have_the_same_gradients(module):
    gradients = []
    for checkpointing in (False, True, ('pose',)):
        torch.manual_seed(0)
        network = module.ConvNeXt(checkpointing=checkpointing)
        network(torch.ones(1, 3, 64, 64), dict(task='pose')).pooled.square().sum().backward()
        gradients.append([x.grad for x in network.parameters()])
    for others in gradients[1:]:
        for one, other in zip(gradients[0], others, strict=True):
            torch.testing.assert_close(one, other)


def test_a_file_names_its_network(module, tmp_path):
    torch.manual_seed(0)
    model = HumanModel(dict(type='ConvNeXt'), dict(market1501=dict(type=ReIDHead, num_identities=4)))
    path = export(model, tmp_path / 'mine.pth')
    found = network_of(f'path:{path}')
    assert found == dict(type=module.ConvNeXt, name='convnext_atto')
    chosen = backbone.of_network(found)
    assert chosen.name == 'ConvNeXt' and not chosen.changes  # no timm network, whatever its arguments are called
    other = HumanModel(dict(type='ConvNeXt'), dict(market1501=dict(type=ReIDHead, num_identities=4)))
    load_into(other, f'path:{path}')
    assert all(torch.equal(x, other.backbone.state_dict()[key]) for key, x in model.backbone.state_dict().items())
    MODELS._module_dict.pop('ConvNeXt')
    backbone.weight_files.architecture._of_file.cache_clear()
    try:
        with pytest.raises(CheckpointError, match='is of a ConvNeXt, .* name its module in HUMANBENCH_IMPORT'):
            network_of(f'path:{path}')
        with pytest.raises(UserError, match="is a 'ConvNeXt', which is neither registered nor can be imported"):
            backbone.of_network(dict(type='ConvNeXt'))
    finally:
        MODELS.register_module(module=module.ConvNeXt)


def test_weights_go_by_its_own_names(module, tmp_path):
    network = module.ConvNeXt()
    state = {key: value + 1 for key, value in network.state_dict().items()}
    for name, tensors in {'plain': state, 'front': {f'backbone.{key}': x for key, x in state.items()}}.items():
        torch.save(dict(model=tensors), tmp_path / f'{name}.pth')
        load_into(network, f'path:{tmp_path / name}.pth')
        assert all(torch.equal(x, state[key]) for key, x in network.state_dict().items())
        network = module.ConvNeXt()
    with pytest.raises(CheckpointError, match='path:FILE takes the names of a network of your own'):
        load_into(network, str(tmp_path / 'plain.pth'))
    torch.save({'encoder.0.weight': torch.ones(2)}, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError):
        load_into(network, f'path:{tmp_path / "other.pth"}')


@pytest.mark.slow
def test_every_command_of_the_page(own, edition):
    results = {}
    for command in COMMANDS:
        results[command] = subprocess.run(
            [sys.executable, '-m', 'humanbench.cli', *shlex.split(command)[1:]], cwd=own, capture_output=True,
            text=True, timeout=600, env=dict(os.environ, HUMANBENCH_IMPORT='convnext.py'))
    assert {x: y.stdout[-2000:] + y.stderr[-2000:] for x, y in results.items() if y.returncode} == {}
    plan, trial, _, mine = (result.stdout for result in results.values())
    assert 'measured in the network convnext_atto' in plan and '1 cells done' in trial and '1 cells done' in mine
    assert (own / 'work_dirs/try/leaderboard.html').is_file()
