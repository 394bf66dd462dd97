"""The benchmark as a Slurm job array: its tasks share one folder, and each takes cells until none is left."""
import argparse
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from humanbench.errors import UserError

from .files import explained, write_text

MOST_TASKS = 1000  # of an array, where Slurm is set up as it comes
SCRIPT = '''#!/bin/sh
# One task of the array. It takes cells that no other task has, and ends when none is left.
export SRUN_CPUS_PER_TASK="${{SLURM_CPUS_PER_TASK:-1}}"  # srun does not take it from the job by itself
exec srun --ntasks=1 {command}
'''


@dataclass(frozen=True)
class Job:
    """A job array that was submitted."""
    number: str
    tasks: int
    folder: Path

    def __str__(self) -> str:
        return (f'Submitted job {self.number}: {self.tasks} tasks, each of which takes cells until none is left. Logs: '
                f'{self.folder}. `squeue -j {self.number}` shows it; `benchmark report` the results so far.')


def submit(argv: Sequence[str], options: str, out: str | Path, cells: int, tasks: int | None = None) -> Job:
    """Submit the command that was given, without what concerns Slurm, as an array.

    Args:
        argv: the command line of ``benchmark``, its verb first.
        options: of ``sbatch``, as one text; they win over ours.
        out: folder of the benchmark.
        cells: that are to run.
        tasks: of the array: cells, or machines full of them, at a time; default one for each cell.

    Raises:
        UserError: no Slurm here, or it refuses.
    """
    sbatch = shutil.which('sbatch')
    if sbatch is None:
        raise UserError('--slurm: there is no sbatch here. Log in to a machine that has it, or leave --slurm out.')
    try:
        wanted = shlex.split(options)
    except ValueError as error:
        raise UserError(f"--slurm '{options}': {error}. Expected options of sbatch, such as '--partition=gpu --gpus=1'."
                        ) from error
    folder = Path(out).resolve() / 'slurm'
    script = folder / 'task.sh'
    command = shlex.join([sys.executable, '-m', 'humanbench.cli', 'benchmark', *without_slurm(argv)])
    with explained(script):
        write_text(script, SCRIPT.format(command=command))
    tasks = min(tasks or cells, cells, MOST_TASKS)
    line = [sbatch, '--parsable', '--job-name=humanbench', f'--array=0-{tasks - 1}', f'--output={folder}/%A_%a.log',
            '--open-mode=append', '--signal=TERM@120', *wanted, str(script)]
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f'sbatch refuses ({done.stderr.strip()}). What it was given: {shlex.join(line[1:])}')
    return Job(done.stdout.strip().partition(';')[0], tasks, folder)


def without_slurm(argv: Sequence[str]) -> list[str]:
    """A command line without ``--slurm`` and ``--jobs``."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument('--slurm')
    parser.add_argument('--jobs')
    return parser.parse_known_args(list(argv))[1]
