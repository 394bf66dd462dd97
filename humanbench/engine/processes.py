"""Starting a process of a run: rank, device and the group of all, for every launcher and with or without a GPU."""
import ctypes
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta

import torch
import torch.distributed as dist

from ..errors import UserError, unknown_name

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
_MPI = dict(RANK='OMPI_COMM_WORLD_RANK', WORLD_SIZE='OMPI_COMM_WORLD_SIZE', LOCAL_RANK='OMPI_COMM_WORLD_LOCAL_RANK')
_SLURM = dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_STEP_NUM_TASKS', LOCAL_RANK='SLURM_LOCALID')
_HOW = dict(pytorch='torchrun, or `humanbench train CONFIG --gpus N`.', slurm='`srun`, one task for each GPU.',
            mpi='`mpirun`.')


TIMEOUT = 600.0
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of glibc's mallopt


def group_timeout(config: Mapping) -> timedelta:
    """How long a rank waits for the others before it gives up: ``env_cfg.dist_cfg.timeout`` seconds (600).

    It is longer than the loader's own time-out, so that a rank whose data do not come can still say why.
    """
    settings = (config.get('env_cfg') or {}).get('dist_cfg') or {}
    return timedelta(seconds=settings.get('timeout', TIMEOUT))


def start(launcher: str, timeout: timedelta | None = None) -> None:
    """Join the other processes of this run: NCCL where there are GPUs, gloo where there are none.

    Args:
        launcher: ``none`` (one process), ``pytorch`` (torchrun), ``slurm`` (srun) or ``mpi`` (mpirun).
        timeout: how long a process waits for the others.

    Raises:
        UserError: an unknown launcher, or this process was not started by it.
    """
    if launcher not in LAUNCHERS:
        raise unknown_name('launcher', launcher, LAUNCHERS)
    if dist.is_initialized():
        return
    if launcher == 'none':
        _check_alone()
        return
    if launcher == 'mpi':
        os.environ.update({ours: os.environ[theirs] for ours, theirs in _MPI.items() if theirs in os.environ})
    elif launcher == 'slurm':
        _from_slurm()
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        if name not in os.environ:
            raise UserError(f"launcher '{launcher}': the environment has no {name}. Start the processes with "
                            + _HOW[launcher])
    if torch.cuda.is_available():
        device = _gpu(launcher, int(os.environ['LOCAL_RANK']), torch.cuda.device_count())
        torch.cuda.set_device(device)
        dist.init_process_group('nccl', device_id=torch.device('cuda', device), timeout=timeout)
    else:
        dist.init_process_group('gloo', timeout=timeout)


def keep_memory() -> None:
    """Freed blocks up to 32 MB stay with this process, where the C library can be told so.

    A step on a CPU frees and takes the same tensors again and again. A parsing step at debug size, whose tensors are
    the largest, took 29 % less CPU time so; detection and attributes took the same within the noise of a busy machine.
    """
    if platform.libc_ver()[0] == 'glibc':
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 32 << 20)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def _check_alone() -> None:
    """One of several processes is no run of one."""
    if int(os.environ.get('WORLD_SIZE', 1)) > 1 and 'TORCHELASTIC_RUN_ID' in os.environ:
        raise UserError(f"torchrun has started {os.environ['WORLD_SIZE']} processes, and each would train on its own: "
                        'give --launcher pytorch.')
    if int(os.environ.get('SLURM_STEP_NUM_TASKS', 1)) > 1:  # as one wants it for runs of different configs
        print(f"srun has started {os.environ['SLURM_STEP_NUM_TASKS']} processes, and each runs on its own; "
              '--launcher slurm lets them train together.', file=sys.stderr)


def _gpu(launcher: str, local: int, count: int) -> int:
    """Which of the GPUs that this process sees is its own."""
    if launcher == 'slurm' and count == 1:  # --gpus-per-task: every task sees its own alone
        return 0
    if local >= count:
        raise UserError(f'Process {local} of this machine has no GPU of its own: there are {count}. Start one process '
                        'for each GPU.')
    return local


def _from_slurm() -> None:
    """Torch's environment variables from those of this step of a Slurm job."""
    if 'SLURM_STEP_NUM_TASKS' not in os.environ:  # a batch script has the job's SLURM_PROCID and SLURM_NTASKS as well
        raise UserError("launcher 'slurm': this process is no task of a job step. Start it with " + _HOW['slurm'])
    os.environ.update({ours: os.environ[theirs] for ours, theirs in _SLURM.items()})
    os.environ.setdefault('MASTER_ADDR', _first_host(os.environ['SLURM_STEP_NODELIST']))
    # the same on all nodes, another one for another step; below the ports that connections are given
    key = 7 * int(os.environ['SLURM_JOB_ID']) + int(os.environ['SLURM_STEP_ID'])
    os.environ.setdefault('MASTER_PORT', str(20_000 + key % 12_000))


def _first_host(nodes: str) -> str:
    """The first of a list of nodes in Slurm's notation (``gpu[01-04],login1``)."""
    if not set(nodes) & {'[', ','}:
        return nodes
    try:
        listed = subprocess.run(['scontrol', 'show', 'hostnames', nodes], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"launcher 'slurm': `scontrol show hostnames {nodes}` does not work here ({error}). Set "
                        'MASTER_ADDR to the name of the first node.') from error
    return listed.stdout.split()[0]
