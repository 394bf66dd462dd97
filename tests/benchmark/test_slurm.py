"""The benchmark as a Slurm job array, with an sbatch and an srun that run everything here."""
import os
import shlex
import subprocess
import sys

import pytest

from humanbench.benchmark.slurm import submit, without_slurm
from humanbench.errors import UserError

SBATCH = '''#!/bin/sh
printf '%s\\n' "$@" > "$RECORD/sbatch.given"
[ -z "$REFUSE" ] || { echo "sbatch: error: invalid partition specified: $REFUSE" >&2; exit 1; }
echo "4711;cluster"
'''
SRUN = '''#!/bin/sh
printf '%s\\n' "cpus=$SRUN_CPUS_PER_TASK" "$@" > "$RECORD/srun.given"
'''
COMMAND = ['run', '--weights', 'mine=path:my file.pth', '--slurm', '--partition=gpu --gpus=1', '--out', 'o', '--seeds',
           '0', '1', '--jobs', '3', '--cfg-options', 'a.b=-1']
PLAIN = ['run', '--weights', 'mine=path:my file.pth', '--out', 'o', '--seeds', '0', '1', '--cfg-options', 'a.b=-1']


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder in which sbatch and srun leave what they were given."""
    for name, text in (('sbatch', SBATCH), ('srun', SRUN)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')
    monkeypatch.setenv('RECORD', str(tmp_path))
    return tmp_path


def given(folder, name):
    return (folder / f'{name}.given').read_text().splitlines()


@pytest.mark.parametrize('argv', [COMMAND, ['run', '--slurm=--partition=gpu', *PLAIN[1:], '--jobs=2']])
def test_a_task_runs_the_command_without_what_concerns_slurm(argv):
    assert without_slurm(argv) == PLAIN


def test_an_array_is_submitted_whose_tasks_run_the_command(slurm, tmp_path):
    job = submit(COMMAND, '--partition=gpu --gpus=1', tmp_path / 'my out', 8, 3)
    assert (job.number, job.tasks) == ('4711', 3) and 'squeue -j 4711' in str(job)
    line = given(slurm, 'sbatch')
    folder = tmp_path / 'my out' / 'slurm'
    assert '--array=0-2' in line and f'--output={folder}/%A_%a.log' in line and line[-1] == str(folder / 'task.sh')
    assert line.index('--partition=gpu') > line.index('--array=0-2')  # the user's word comes last, and wins
    environment = os.environ | {'SLURM_CPUS_PER_TASK': '12'}
    subprocess.run(['sh', line[-1]], check=True, env=environment)
    cpus, tasks, *command = given(slurm, 'srun')
    assert (cpus, tasks) == ('cpus=12', '--ntasks=1')
    assert command == [sys.executable, '-m', 'humanbench.cli', 'benchmark', *PLAIN]
    assert shlex.quote('mine=path:my file.pth') in (folder / 'task.sh').read_text()


@pytest.mark.parametrize('cells, tasks, array', [(8, None, '0-7'), (2, 5, '0-1'), (5000, None, '0-999')])
def test_no_more_tasks_than_cells_and_than_slurm_takes(slurm, tmp_path, cells, tasks, array):
    submit(COMMAND, '', tmp_path, cells, tasks)
    assert f'--array={array}' in given(slurm, 'sbatch')


def test_what_slurm_says_is_passed_on(slurm, tmp_path, monkeypatch):
    monkeypatch.setenv('REFUSE', 'gpuu')
    with pytest.raises(UserError, match='sbatch refuses .*invalid partition specified: gpuu'):
        submit(COMMAND, '--partition=gpuu', tmp_path, 8)


@pytest.mark.parametrize('options, path, message', [('--comment="a', None, 'No closing quotation'),
                                                    ('', '', 'there is no sbatch here')])
def test_mistakes_are_named(slurm, tmp_path, monkeypatch, options, path, message):
    if path is not None:
        monkeypatch.setenv('PATH', path)
    with pytest.raises(UserError, match=message):
        submit(COMMAND, options, tmp_path, 8)


def test_the_command_line_submits_and_runs_nothing_itself(slurm, tmp_path, capsys):
    from .test_command import load_main
    status = load_main()(['--weights', 'scratch', '--datasets', 'lip', '--protocol', 'head', 'full', '--flavor',
                          'debug', '--out', str(tmp_path / 'out'), '--slurm=--partition=gpu'])
    said = capsys.readouterr().out
    assert status == 0 and '2 cells: 2 to run' in said and 'Submitted job 4711: 2 tasks' in said
    subprocess.run(['sh', given(slurm, 'sbatch')[-1]], check=True)
    assert given(slurm, 'srun')[5:] == ['benchmark', '--weights', 'scratch', '--datasets', 'lip', '--protocol', 'head',
                                        'full', '--flavor', 'debug', '--out', str(tmp_path / 'out')]
    assert not list((tmp_path / 'out').glob('cells/*'))
