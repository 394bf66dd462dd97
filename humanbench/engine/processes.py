"""Starting a process of a run: rank, device and the group of all, for every launcher and with or without a GPU."""
import os
import subprocess
from collections.abc import Mapping
from datetime import timedelta

import torch
import torch.distributed as dist

from ..errors import UserError, unknown_name

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
_MPI = dict(RANK='OMPI_COMM_WORLD_RANK', WORLD_SIZE='OMPI_COMM_WORLD_SIZE', LOCAL_RANK='OMPI_COMM_WORLD_LOCAL_RANK')
_SLURM = dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_NTASKS', LOCAL_RANK='SLURM_LOCALID')


TIMEOUT = 600.0


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
    if launcher == 'none' or dist.is_initialized():
        return
    if launcher in ('slurm', 'mpi'):
        _translate(launcher, _SLURM if launcher == 'slurm' else _MPI)
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        if name not in os.environ:
            raise UserError(f"launcher '{launcher}': the environment has no {name}. Start the processes with "
                            + {'pytorch': 'torchrun, or `humanbench train CONFIG --gpus N`.',
                               'slurm': '`srun`, one task for each GPU.', 'mpi': '`mpirun`.'}[launcher])
    if torch.cuda.is_available():
        local = int(os.environ['LOCAL_RANK'])
        if local >= torch.cuda.device_count():
            raise UserError(f'Process {local} of this machine has no GPU of its own: there are '
                            f'{torch.cuda.device_count()}. Start one process for each GPU.')
        torch.cuda.set_device(local)
        dist.init_process_group('nccl', device_id=torch.device('cuda', local), timeout=timeout)
    else:
        dist.init_process_group('gloo', timeout=timeout)


def _translate(launcher: str, names: dict[str, str]) -> None:
    """Torch's environment variables from the launcher's own."""
    for ours, theirs in names.items():
        if theirs in os.environ:
            os.environ[ours] = os.environ[theirs]
    if launcher == 'slurm' and 'SLURM_JOB_NODELIST' in os.environ and 'MASTER_ADDR' not in os.environ:
        nodes = subprocess.run(['scontrol', 'show', 'hostnames', os.environ['SLURM_JOB_NODELIST']], check=True,
                               capture_output=True, text=True)
        os.environ['MASTER_ADDR'] = nodes.stdout.split()[0]
    if launcher == 'slurm' and 'SLURM_JOB_ID' in os.environ:  # the same on all nodes, another one for another job
        os.environ.setdefault('MASTER_PORT', str(20_000 + int(os.environ['SLURM_JOB_ID']) % 20_000))
