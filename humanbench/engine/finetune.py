"""One benchmark cell from start to end: finetune under a protocol, test, and say what was done."""
import hashlib
import json
import signal
import time
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config

from .. import protocols
from .. import weights as weight_files
from ..schema import check_config
from ..weights.folder import newest
from .command import load_trained
from .launch import build_runner, load_config
from .runner import HumanRunner


def run_cell(config_path: str, protocol: str, weights: str, seed: int, flavor: str | None, work_dir: str,
             overrides: Mapping[str, Any] | None = None, backbone: str | None = None,
             launcher: str = 'none') -> dict[str, Any] | None:
    """Finetune and test one dataset.

    Args:
        config_path: a benchmark config, by path or by name below ``configs``.
        protocol: ``full``, ``partial``, ``head`` or ``direct``.
        weights: what to start from.
        seed: of the run.
        flavor: a size of the recipe, or None for the paper's.
        work_dir: for logs and the last checkpoint. A run that was interrupted in it is continued.
        overrides: dotted config keys to values.
        backbone: another network than the recipe's; None for the one that the weights are of.
        launcher: of the processes that train it together; ``none`` for one.

    Returns:
        ``metrics`` and everything that a record needs to be comparable; None from all processes but the first.
    """
    config = load_config(config_path, flavor, protocol, overrides, backbone, weights)
    config.seed, config.weights, config.work_dir = seed, weights, work_dir
    config.launcher, trains = launcher, protocol != 'direct'
    config.resume = trains and newest(work_dir) is not None
    check_config(_as_it_runs(config))
    weights_hash = weight_files.sha256(weights)  # of what is read now, not of what lies there at the end
    runner = build_runner(config)
    start = time.perf_counter()
    if trains:
        runner.train()
        end_if_stopped(runner)
    trained = time.perf_counter()
    tester = _tester(config) if trains and runner.world_size > 1 else runner
    metrics = {key: float(value) for key, value in tester.test().items()}
    counts = protocols.count(tester.model, protocol)
    if runner.rank:
        return None
    earlier = runner.train_loop.earlier_seconds if trains else 0.0
    return dict(
        metrics=metrics, trainable_parameters=counts.trained, total_parameters=counts.total,
        weights_hash=weights_hash, input_size=_input_size(runner),
        split_hash=_split_hash(runner), num_steps=runner.iter if trains else 0, train_seconds=earlier + trained - start,
        earlier_seconds=earlier, test_seconds=time.perf_counter() - trained, config_hash=_digest(_plain(config)),
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu')


def _tester(config: Config) -> HumanRunner:
    """A runner with the whole trained model, of which several processes have each had a part."""
    config = config.copy()
    for key in ('optim_wrapper', 'weights', 'resume'):  # nothing is trained, and the weights come from the run
        config.pop(key, None)
    runner = build_runner(config)
    load_trained(runner.model, str(newest(config.work_dir)), config.sources)
    return runner


def _as_it_runs(config: Config) -> Config:
    """A config without its other protocols and flavours, which options of this cell need not go with."""
    config = config.copy()
    config.protocols, config.flavors = {}, {}
    return config


def end_if_stopped(runner) -> None:
    """End this process as the system wants it, without a result, if training was asked to stop: its step is saved."""
    if runner.train_loop.stopped:  # by a signal to this process, or to another of the run
        signal.raise_signal(signal.Signals.__members__.get(runner.train_loop.stopped, signal.SIGTERM))


def _input_size(runner) -> list[int]:
    """(H, W) of the first test image as the network sees it, before padding."""
    item = runner.test_dataloader.dataset[0]
    return list(item['inputs'].shape[-2:])


def _split_hash(runner) -> dict[str, str]:
    """Hash of the file names and labels of the split that is tested, and of those that are trained on."""
    hashes = {'test': runner.test_dataloader.dataset.dataset.fingerprint()}
    loop = runner._train_loop
    if loop is not None and hasattr(loop, 'mixture'):
        hashes |= {f'train/{name}': dataset.dataset.fingerprint() for name, dataset in loop.mixture.datasets.items()}
    return hashes


def _plain(config) -> str:
    ignored = ('work_dir', 'weights', 'seed', 'resume', 'load_from', 'flavors', 'protocols', 'launcher')
    return json.dumps({key: value for key, value in config.to_dict().items() if key not in ignored}, sort_keys=True,
                      default=str)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
