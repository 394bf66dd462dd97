"""Cell functions that stand in for training. Workers import this file, so it imports little."""
import math
import os
import signal
import time
from pathlib import Path

from humanbench import catalog
from humanbench.errors import UserError


def result(metrics: dict[str, float], **changes) -> dict:
    """What a cell function returns."""
    return dict(metrics=metrics, trainable_parameters=1_200_000, total_parameters=5_700_000, weights_hash='w' * 16,
                input_size=[256, 192], split_hash={'test': 's' * 16}, num_steps=120, train_seconds=30.0,
                test_seconds=2.0, config_hash='c' * 16) | changes


def metric_key(config_path: str) -> str:
    return catalog.card(Path(config_path).stem).metric[0]


def quick_cell(config_path, protocol, weights, seed, flavor, work_dir, overrides, backbone) -> dict:
    """A cell that takes no time; its value tells which cell it was."""
    print(f'training {Path(config_path).stem} from {weights}')
    return result({metric_key(config_path): 0.5 + seed / 100, 'process': float(os.getpid())})


def slow_cell(config_path, protocol, weights, seed, flavor, work_dir, overrides, backbone) -> dict:
    """A cell that takes a while, leaving word that it started."""
    Path(work_dir, 'started').touch()
    time.sleep(0.4)
    return result({metric_key(config_path): 0.5})


def troubled_cell(config_path, protocol, weights, seed, flavor, work_dir, overrides, backbone) -> dict:
    """Every way in which a cell can go wrong, chosen by the dataset; counts how often it was tried."""
    with open(Path(work_dir) / 'tries', 'a') as file:
        file.write('x')
    dataset = Path(config_path).stem
    if dataset == 'market1501':
        raise UserError('there is no such folder; put the data there')
    if dataset == 'pa100k':
        raise RuntimeError('out of ideas')
    if dataset == 'coco_pose':
        os._exit(9)
    if dataset == 'lip':
        return result({metric_key(config_path): math.nan})
    if dataset == 'cihp':
        return result({'accuracy': 1.0})
    return result({metric_key(config_path): 0.5})


def endless_cell(config_path, protocol, weights, seed, flavor, work_dir, overrides, backbone) -> dict:
    """A cell that never ends, leaving word which process it is in."""
    Path(work_dir, 'process').write_text(str(os.getpid()))
    while True:
        time.sleep(1)


def counted_cell(config_path, protocol, weights, seed, flavor, work_dir, overrides, backbone) -> dict:
    """A cell that leaves one letter each time it is started."""
    with open(Path(work_dir) / 'starts', 'a') as file:
        file.write('x')
    time.sleep(0.3)
    return result({metric_key(config_path): 0.5, 'parent': float(os.getppid())})


def saving_cell(config_path, protocol, weights, seed, flavor, work_dir, overrides, backbone) -> dict:
    """A cell that, as training does, saves and then ends by the signal it was asked to stop by."""
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    Path(work_dir, 'started').touch()
    while not received:
        time.sleep(0.02)
    Path(work_dir, 'saved').touch()
    signal.signal(signal.SIGTERM, before)
    signal.raise_signal(signal.SIGTERM)


def common_cell(config_path, protocol, weights, seed, flavor, work_dir, overrides, backbone, launcher='none') -> dict:
    """A cell whose processes meet: its value tells how many they are. Trouble is chosen by the dataset."""
    import torch
    import torch.distributed as dist

    from humanbench.engine import processes
    processes.start(launcher)
    total = torch.ones(1)
    if launcher != 'none':
        dist.all_reduce(total)
    dataset, rank = Path(config_path).stem, int(os.environ.get('RANK', 0))
    if dataset == 'cihp' and rank == 1:
        raise UserError('there is no such folder; put the data there')
    if dataset == 'atr' and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if dataset != 'lip':
        time.sleep(60)
    return result({metric_key(config_path): 0.5, 'world': float(total)}) if rank == 0 else None
