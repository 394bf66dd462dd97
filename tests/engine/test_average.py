"""Averaged weights: right by hand, saved and resumed with the run, and what it leaves at its end."""
from pathlib import Path

import pytest
import torch
from torch import nn

from humanbench import weights
from humanbench.engine.average import WeightAverage
from humanbench.engine.launch import build_runner
from humanbench.errors import UserError
from humanbench.weights.files import read_file

from .interrupted import Job, config, launch_jobs, merged, train

DECAY = 0.6
AVERAGED = {'optim_wrapper.average_decay': DECAY}


def test_numbers():
    layer = nn.Linear(1, 1, bias=False)
    average = WeightAverage(layer.parameters(), DECAY)
    values, expected = [float(layer.weight)], float(layer.weight)
    for value in (3.0, -1.0):
        nn.init.constant_(layer.weight, value)
        average.update()
        expected = DECAY * expected + (1 - DECAY) * value
    average.exchange()
    assert float(layer.weight) == pytest.approx(expected)
    average.exchange()
    assert float(layer.weight) == -1.0 and expected not in values


@pytest.fixture(scope='module')
def runs(tmp_path_factory) -> tuple[Path, dict, dict]:
    """A run with an average, saved at 2 and 4 of 6 steps, and the same run without."""
    folder = tmp_path_factory.mktemp('runs')
    return folder, train(Job(folder / 'averaged', overrides=AVERAGED)), train(Job(folder / 'plain'))


def by_hand(folder: Path, start: dict) -> dict[str, torch.Tensor]:
    """The average over six steps of the plain run, of which every step is saved."""
    overrides = {'default_hooks.checkpoint.interval': 1}
    end = train(Job(folder / 'every', overrides=overrides))['end']
    steps = [read_file(folder / 'every' / f'iter_{step}').state for step in range(1, 6)]
    steps.append({name.removeprefix('model.'): value for name, value in end.items() if name.startswith('model.')})
    found = {name.removeprefix('model.'): value for name, value in start.items() if name.startswith('model.')}
    for state in steps:
        found = {name: DECAY * value + (1 - DECAY) * state[name] for name, value in found.items()}
    return found


def test_a_run_leaves_its_average_and_trains_as_if_there_were_none(runs):
    folder, averaged, plain = runs
    expected, left = by_hand(folder, plain['start']), read_file(folder / 'averaged' / 'iter_6.pth').state
    parameters = {name.removeprefix('average.') for name in averaged['end'] if name.startswith('average.')}
    assert parameters and parameters < set(left)
    for name in parameters:
        torch.testing.assert_close(left[name], expected[name], rtol=1e-12, atol=1e-14)
        assert torch.equal(averaged['end'][f'model.{name}'], left[name])  # in the model: tested in this process
        assert torch.equal(averaged['end'][f'average.{name}'], plain['end'][f'model.{name}'])  # it trained on these
    assert not torch.allclose(left['backbone.pos_embed'], plain['end']['model.backbone.pos_embed'])


def test_a_folder_is_read_and_exported_as_its_average(runs, tmp_path):
    folder = runs[0]
    read, plain = (read_file(folder / run / 'iter_4').state for run in ('averaged', 'plain'))
    assert set(read) == set(plain) and not torch.equal(read['backbone.norm.bias'], plain['backbone.norm.bias'])
    out, = weights.export_checkpoint(folder / 'averaged' / 'iter_4', tmp_path / 'out.pth')
    assert torch.equal(read_file(out).state['backbone.norm.bias'], read['backbone.norm.bias'])


def test_a_run_goes_on_with_its_average(runs, tmp_path):
    folder, averaged, _ = runs
    resumed = train(Job(tmp_path / 'again', folder / 'averaged' / 'iter_4', overrides=AVERAGED))
    assert resumed['first'] == 4 and resumed['end'].keys() == averaged['end'].keys()
    assert all(torch.equal(value, averaged['end'][name]) for name, value in resumed['end'].items())
    done = train(Job(tmp_path / 'done', folder / 'averaged' / 'iter_6.pth', overrides=AVERAGED))
    assert torch.equal(done['end']['model.backbone.norm.bias'], averaged['end']['model.backbone.norm.bias'])
    other = train(Job(tmp_path / 'other', folder / 'averaged' / 'iter_4'))
    assert 'written by another recipe' in other['error'] and 'average_decay' in other['error']


@pytest.mark.slow
@pytest.mark.parametrize('shard', [False, True])
def test_two_processes_leave_the_same_average(runs, tmp_path, shard):
    placement = [[('red', 0), ('red', 1)], [('blue', 0), ('blue', 1)]]
    job = Job(tmp_path / 'two', placement=placement, overrides=AVERAGED | {'train_cfg.shard_backbone': shard})
    status, found = launch_jobs(2, [job], tmp_path / 'out')
    assert status == [0, 0]
    whole, one = merged([rank['end'] for rank in found[0]]), runs[1]['end']
    assert whole.keys() == one.keys()
    for name, value in whole.items():
        torch.testing.assert_close(value, one[name], rtol=1e-9, atol=1e-12)
    name = 'backbone.norm.bias'  # control: what was averaged
    assert not torch.allclose(whole[f'model.{name}'], one[f'average.{name}'], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize('decay', [1.0, -0.1])
def test_a_decay_that_is_none(tmp_path, decay):
    runner = build_runner(config(Job(tmp_path, overrides={'optim_wrapper.average_decay': decay})))
    with pytest.raises(UserError, match='expected a number from 0 to below 1'):
        runner.train()
