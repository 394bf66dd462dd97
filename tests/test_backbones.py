"""Every dataset under every protocol on every family of networks, at debug size."""
import pytest

from humanbench import catalog
from humanbench.engine.finetune import run_cell
from humanbench.engine.launch import load_config
from humanbench.resources import folder

from .test_configs import BENCHMARKS, name, tiny

NETWORKS = ('timm_vit_debug', 'swin_debug', 'semantic_swin_debug', 'hrnet_debug')
ONE_OF_EACH_TASK = {path.parent.name: path for path in BENCHMARKS}.values()


def run(path, network, protocol, folder_, edition) -> dict:
    options = tiny(path, steps=1)
    result = run_cell(str(path), protocol, 'scratch', 0, 'debug', str(folder_), options, network)
    assert catalog.card(path.stem).metric[0] in result['metrics'] and result['num_steps'] == 1
    return result


@pytest.mark.parametrize('network', NETWORKS)
@pytest.mark.parametrize('path', ONE_OF_EACH_TASK, ids=name)
def test_every_task_trains_on_every_family(path, network, tmp_path, edition):
    result = run(path, network, 'partial', tmp_path, edition)
    own = run_cell(str(path), 'partial', 'scratch', 0, 'debug', str(tmp_path / 'own'), tiny(path, steps=1))
    assert 0 < result['trainable_parameters'] < result['total_parameters'] != own['total_parameters']
    assert result['config_hash'] != own['config_hash'] and result['split_hash'] == own['split_hash']


@pytest.mark.slow
@pytest.mark.parametrize('network', NETWORKS)
@pytest.mark.parametrize('path, protocol', [
    pytest.param(path, protocol, id=f'{name(path)}-{protocol}') for path in BENCHMARKS
    for protocol in load_config(str(path)).protocols if protocol != 'direct'])
def test_every_dataset_under_every_protocol_on_every_family(path, protocol, network, tmp_path, edition):
    run(path, network, protocol, tmp_path, edition)


def test_there_is_a_debug_size_of_every_family():
    assert set(NETWORKS) < {path.stem for path in (folder('configs') / '_base_' / 'models').glob('*.py')}
