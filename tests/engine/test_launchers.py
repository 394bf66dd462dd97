"""Who starts the processes: what each launcher's environment becomes, and what is refused."""
import os
import sys
from datetime import timedelta

import pytest
import torch.distributed as dist
from mmengine.config import Config

from humanbench import cli
from humanbench.engine import loading, processes
from humanbench.errors import UserError

# what a task of a step sees, as Slurm 22.05 has it: task 3 of 4, the second on the second of two nodes
STEP = dict(
    SLURM_JOB_ID='4711', SLURM_STEP_ID='2', SLURM_PROCID='3', SLURM_LOCALID='1', SLURM_NTASKS='8',
    SLURM_STEP_NUM_TASKS='4', SLURM_JOB_NODELIST='gpu[01-04]', SLURM_STEP_NODELIST='gpu[03-04]')
BATCH = {key: value for key, value in STEP.items() if not key.startswith('SLURM_STEP')} | dict(SLURM_PROCID='0')


@pytest.fixture
def started(monkeypatch) -> list:
    """An environment of no launcher, in which nothing is joined: the calls that would."""
    for key in [key for key in os.environ if key.startswith(('SLURM', 'OMPI', 'TORCHELASTIC', 'MASTER'))]:
        monkeypatch.delenv(key)
    for key in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.setenv(key, '')  # so that it is restored
        monkeypatch.delenv(key)
    calls = []
    monkeypatch.setattr(dist, 'init_process_group', lambda backend, **options: calls.append((backend, options)))
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    return calls


def become(monkeypatch, environment: dict) -> None:
    for key, value in environment.items():
        monkeypatch.setenv(key, value)


def scontrol(monkeypatch, folder, lines: str) -> None:
    """A command of that name that prints these lines."""
    (folder / 'scontrol').write_text(f'#!/bin/sh\n[ "$*" = "show hostnames gpu[03-04]" ] && printf "{lines}"\n')
    (folder / 'scontrol').chmod(0o755)
    monkeypatch.setenv('PATH', f'{folder}{os.pathsep}{os.environ["PATH"]}')


def test_a_slurm_task_is_a_rank_of_its_step(started, monkeypatch, tmp_path):
    become(monkeypatch, STEP)
    scontrol(monkeypatch, tmp_path, 'gpu03\\ngpu04\\n')
    processes.start('slurm', timedelta(seconds=7))
    assert started == [('gloo', dict(timeout=timedelta(seconds=7)))]
    found = {key: os.environ[key] for key in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR')}
    assert found == dict(RANK='3', WORLD_SIZE='4', LOCAL_RANK='1', MASTER_ADDR='gpu03')
    port = os.environ['MASTER_PORT']
    assert 20_000 <= int(port) < 32_000
    monkeypatch.delenv('MASTER_PORT')
    monkeypatch.setenv('SLURM_STEP_ID', '3')
    processes.start('slurm')
    assert os.environ['MASTER_PORT'] != port and os.environ['MASTER_ADDR'] == 'gpu03'


def test_one_node_needs_no_scontrol_and_what_the_user_sets_wins(started, monkeypatch):
    become(monkeypatch, STEP | dict(SLURM_STEP_NODELIST='box', MASTER_PORT='1234', PATH=''))
    processes.start('slurm')
    assert os.environ['MASTER_ADDR'] == 'box' and os.environ['MASTER_PORT'] == '1234'


@pytest.mark.parametrize('launcher, environment, message', [
    ('slurm', BATCH, 'no task of a job step. Start it with `srun`'), ('slurm', {}, 'Start it with `srun`'),
    ('slurm', STEP | dict(PATH=''), 'MASTER_ADDR'), ('pytorch', {}, 'no RANK. Start the processes with torchrun'),
    ('mpi', {}, 'mpirun'), ('none', dict(WORLD_SIZE='2', TORCHELASTIC_RUN_ID='x'), 'give --launcher pytorch'),
    ('slrum', {}, "Did you mean 'slurm'")])
def test_what_cannot_be_meant_is_refused(started, monkeypatch, launcher, environment, message):
    become(monkeypatch, environment)
    with pytest.raises(UserError, match=message):
        processes.start(launcher)
    assert not started


def test_tasks_that_each_run_on_their_own_say_so(started, monkeypatch, capsys):
    become(monkeypatch, BATCH)
    processes.start('none')
    assert not capsys.readouterr().err
    become(monkeypatch, STEP)
    processes.start('none')
    assert 'srun has started 4 processes' in capsys.readouterr().err and not started


def test_every_process_has_a_gpu_of_its_own():
    assert [processes._gpu('pytorch', local, 8) for local in range(8)] == list(range(8))
    assert processes._gpu('slurm', 5, 1) == 0  # --gpus-per-task
    with pytest.raises(UserError, match='Process 1 of this machine has no GPU of its own: there are 1'):
        processes._gpu('pytorch', 1, 1)


def test_ranks_wait_longer_for_each_other_than_for_their_data():
    assert processes.group_timeout(Config()) == timedelta(seconds=600) > timedelta(seconds=loading.TIMEOUT)
    given = Config(dict(env_cfg=dict(dist_cfg=dict(backend='nccl', timeout=60))))
    assert processes.group_timeout(given) == timedelta(seconds=60)


@pytest.mark.parametrize('given, added', [([], ['--launcher', 'pytorch']), (['--launcher', 'slurm'], []),
                                          (['--launcher=pytorch'], [])])
def test_gpus_makes_the_command_torchs_launcher(monkeypatch, given, added):
    commands = []
    monkeypatch.setattr(os, 'execv', lambda program, command: commands.append((program, command)))
    cli.main(['train', 'a.py', '--gpus', '2', '--resume', *given])
    (program, command), = commands
    assert program == sys.executable and command[1:5] == ['-m', 'torch.distributed.run', '--standalone',
                                                          '--nproc_per_node=2']
    assert command[5].endswith('train.py') and command[6:] == ['a.py', '--resume', *given, *added]


def test_tools_of_one_process_refuse_several(capsys):
    assert cli.main(['benchmark', '--gpus', '2']) == 2
    assert '--gpus: benchmark runs in one process' in capsys.readouterr().err
