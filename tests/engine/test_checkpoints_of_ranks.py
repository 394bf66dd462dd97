"""Checkpoint folders of several processes: saved at four, loaded at one, two, three; a rank that dies, one that is told
to stop, one whose disk is full."""
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from humanbench.weights.folder import checkpoints_in, newest

from .interrupted import Fault, Job, config, launch_jobs, merged, train
from .test_checkpoints import UNITS, equal, everything, hidden

OTHER = [[UNITS[3], UNITS[1]], [UNITS[0]], [], [UNITS[2]]]
ROOT = Path(__file__).parents[2]
ROUND_OFF = 1e-11
SHARDED = {'train_cfg.shard_backbone': True}


@pytest.fixture(scope='module')
def four(tmp_path_factory) -> tuple[Path, dict]:
    """What four ranks do: a run that nothing interrupts, saved at 2 and 4, and runs that go on from it."""
    folder = tmp_path_factory.mktemp('four')
    jobs = dict(whole=Job(folder / 'run'), same=Job(folder / 'same', folder / 'run' / 'iter_2'),
                other=Job(folder / 'other', folder / 'run' / 'iter_2', OTHER),
                kept=Job(folder / 'kept', folder / 'other' / 'iter_4'),
                full=Job(folder / 'full', faults=[Fault('full_disk', 2, 4)]),
                stopped=Job(folder / 'stopped', faults=[Fault('terminate', 3, 3)]),
                went_on=Job(folder / 'stopped', 'auto'))
    status, found = launch_jobs(4, list(jobs.values()), folder / 'out')
    assert status == [0] * 4
    assert not any(rank['error'] for name, ranks in zip(jobs, found) for rank in ranks if name != 'full')
    return folder, dict(zip(jobs, found))


def test_four_ranks_write_every_tensor_once(four):
    folder, found = four
    saved = everything(folder / 'run' / 'iter_4')
    assert saved.keys() == merged([rank['end'] for rank in found['whole']]).keys()
    size = sum(path.stat().st_size for path in (folder / 'run' / 'iter_4').glob('*.distcp'))
    bytes_once = sum(value.nbytes for value in saved.values())
    assert len(list((folder / 'run' / 'iter_4').glob('*.distcp'))) == 4
    assert size < bytes_once + 2000 * len(saved)  # with the frame of each; the backbone four times would be more
    assert 3 * sum(x.nbytes for name, x in saved.items() if 'backbone' in name) > 2000 * len(saved) - size + bytes_once


def test_the_same_placement_goes_on_bit_by_bit(four):
    _, found = four
    assert all(rank['first'] == 2 for rank in found['same'])
    assert equal(merged([rank['end'] for rank in found['same']]), merged([rank['end'] for rank in found['whole']]))


def test_another_placement_starts_from_the_same_state(four):
    folder, found = four
    assert equal(merged([rank['start'] for rank in found['other']]), everything(folder / 'run' / 'iter_2'))
    close(found['other'], found['whole'])
    assert [{name.split('.')[2] for name in rank['start'] if name.startswith('model.heads')}
            for rank in found['other']] == [{'red', 'blue'}, {'red'}, set(), {'blue'}]


def test_as_many_ranks_as_before_keep_their_placement(four):
    _, found = four
    for resumed, before in zip(found['kept'], found['other']):
        assert resumed['first'] == 4 and equal(resumed['end'], before['end'])


def close(ranks: list[dict], reference: list[dict]) -> None:
    """The ends of two runs agree within round-off, and the steps in between changed far more."""
    one, two = (merged([rank['end'] for rank in x]) for x in (ranks, reference))
    start = merged([rank['start'] for rank in ranks])
    assert one.keys() == two.keys()
    model = [name for name in one if name.startswith('model.') and one[name].is_floating_point()]
    apart = max((one[name] - two[name]).abs().max().item() for name in model)
    moved = max((one[name] - start[name]).abs().max().item() for name in model)
    assert apart < ROUND_OFF and moved > 1e-3


@pytest.mark.parametrize('world', [1, 2, 3])
def test_saved_at_four_loaded_at(four, tmp_path, world):
    folder, found = four
    job = Job(tmp_path / 'run', folder / 'run' / 'iter_2')
    if world == 1:
        ranks = [train(job)]
    else:
        status, (ranks,) = launch_jobs(world, [job], tmp_path / 'out')
        assert status == [0] * world
    assert equal(merged([rank['start'] for rank in ranks]), everything(folder / 'run' / 'iter_2'))
    close(ranks, found['whole'])
    end = torch.load(tmp_path / 'run' / 'iter_6.pth', weights_only=True)
    assert equal({f'model.{name}': value for name, value in end['state_dict'].items()},
                 {name: value for name, value in merged([rank['end'] for rank in ranks]).items()
                  if name.startswith('model.')})
    assert end['meta']['heads'] == dict(red='ReIDHead', blue='ReIDHead') and not hidden(tmp_path / 'run')


def test_a_disk_full_on_one_rank_stops_all_with_one_message(four):
    folder, found = four
    errors = {rank['error'] for rank in found['full']}
    assert len(errors) == 1 and 'No space left on device (process 2)' in errors.pop()
    assert len({rank['last'] for rank in found['full']}) == 1  # after the same step
    assert list(checkpoints_in(folder / 'full')) == [2] and not hidden(folder / 'full')


def test_a_request_to_one_rank_saves_the_same_step_on_all(four):
    folder, found = four
    assert [rank['last'] for rank in found['stopped']] == [3] * 4
    assert equal(everything(folder / 'stopped' / 'iter_3'), merged([rank['end'] for rank in found['stopped']]))
    assert {rank['stopped'] for rank in found['stopped']} == {'SIGTERM', 'another process was asked to stop'}
    assert [(rank['first'], rank['last']) for rank in found['went_on']] == [(3, 6)] * 4
    assert equal(merged([rank['end'] for rank in found['went_on']]), merged([rank['end'] for rank in found['whole']]))


@pytest.mark.parametrize('fault', [
    pytest.param(Fault('kill', 2, 5), id='kill'), pytest.param(Fault('kill_save', 1, 4), id='in a save'),
    pytest.param(Fault('kill_commit', 0, 4), id='at the end of a save', marks=pytest.mark.slow)])
def test_a_killed_rank_loses_nothing_but_the_steps_since_the_last_save(four, tmp_path, fault):
    status, _ = launch_jobs(4, [Job(tmp_path / 'run', faults=[fault])], tmp_path / 'out')
    assert status[fault.rank] == -signal.SIGKILL and all(status)
    saved = list(checkpoints_in(tmp_path / 'run'))
    assert saved == [2] or (fault.what == 'kill' and saved == [2, 4])  # the second may have been on its way
    for step in saved:
        assert equal(everything(tmp_path / 'run' / f'iter_{step}'), everything(four[0] / 'run' / f'iter_{step}'))
    status, (ranks,) = launch_jobs(4, [Job(tmp_path / 'run', 'auto')], tmp_path / 'again')
    assert status == [0] * 4 and all(rank['first'] == saved[-1] for rank in ranks)
    assert equal(merged([rank['end'] for rank in ranks]), merged([rank['end'] for rank in four[1]['whole']]))
    assert not hidden(tmp_path / 'run')


@pytest.mark.slow
def test_a_backbone_spread_over_ranks_is_saved_and_loaded_at_any_number(tmp_path):
    folder = tmp_path / 'run'
    status, (ranks,) = launch_jobs(2, [Job(folder, overrides=SHARDED)], tmp_path / 'out')
    assert status == [0, 0]
    alone = train(Job(tmp_path / 'alone', folder / 'iter_2'))
    assert equal(alone['start'], everything(folder / 'iter_2'))
    close([alone], ranks)
    job = Job(tmp_path / 'three', folder / 'iter_2', overrides=SHARDED)
    status, (three,) = launch_jobs(3, [job], tmp_path / 'out3')
    assert status == [0, 0, 0]
    close(three, ranks)


@pytest.mark.slow
def test_the_command_that_is_told_to_stop_ends_well_and_says_how_to_go_on(four, tmp_path):
    fault = dict(type='InjectFault', what='terminate', rank=1, step=3)
    made = config(Job(tmp_path / 'run', overrides=dict(custom_hooks=[fault])))
    file = tmp_path / 'recipe.py'
    file.write_text(f"custom_imports = dict(imports=['tests.engine.interrupted'])\n{made.pretty_text}")

    def command(*options: str) -> str:
        done = subprocess.run(
            [sys.executable, '-m', 'humanbench.cli', 'train', str(file), '--launcher', 'pytorch', *options],
            env=os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1'), cwd=tmp_path, capture_output=True,
            text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = command('--gpus', '2')
    assert said.count('Stopped') == 1 and newest(tmp_path / 'run') == tmp_path / 'run' / 'iter_3'
    assert f"saved: step 3 of 6, in {tmp_path / 'run'}. The same command with --resume goes on from there." in said
    assert 'Stopped' not in command('--gpus', '2', '--resume')
    end, whole = (torch.load(folder / 'run' / 'iter_6.pth', weights_only=True) for folder in (tmp_path, four[0]))
    assert end['meta']['recipe'] == whole['meta']['recipe']
    torch.testing.assert_close(end['state_dict'], whole['state_dict'], atol=ROUND_OFF, rtol=0)
