"""Loaders that hang, lose a worker, or are asked to stop by a launcher: what the training process says and does."""
import multiprocessing
import os
import signal
import subprocess
import time

import pytest

import humanbench.engine  # noqa: F401
import humanbench.models  # noqa: F401
from humanbench.engine.launch import build_runner
from humanbench.engine.loading import units_of
from humanbench.errors import DataError, UserError
from humanbench.registry import DATASETS

from .toy import ToyReader, toy_config

HUNG = 7


@DATASETS.register_module()
class TroubledReader(ToyReader):
    """In a worker, record :data:`HUNG` of red never comes: it hangs, or takes the worker with it."""

    def __init__(self, trouble: str, **options):
        super().__init__(**options)
        self.trouble, self.parent = trouble, os.getpid()

    def get_data_info(self, index: int) -> dict:
        return dict(img_path=f'red/{index}.jpg', seg_map_path=f'red/{index}.png', identity=1)

    def __getitem__(self, index: int) -> dict:
        if index == HUNG and os.getpid() != self.parent:
            if self.trouble == 'hang':
                time.sleep(1000)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


def troubled(tmp_path, trouble: str, **loader):
    config = toy_config(tmp_path, steps=30, loader=loader)
    config.sources.red.dataset = dict(type='TroubledReader', people=6, trouble=trouble)
    return build_runner(config)


def test_a_hung_loader_says_which_worker_hangs_at_which_file(tmp_path):
    runner, began = troubled(tmp_path, 'hang', num_workers=2, timeout=2), time.time()
    with pytest.raises(DataError, match=(
            rf"gave no unit for 2 s\. Worker \d has been reading sample {HUNG} of source 'red' \(img_path "
            rf"'red/{HUNG}.jpg', seg_map_path 'red/{HUNG}.png'\) for \d+ s.*loader.timeout")):
        runner.train()
    assert time.time() - began < 30


def test_a_worker_that_is_killed_says_what_it_was_reading(tmp_path):
    runner = troubled(tmp_path, 'kill', num_workers=1, timeout=20)
    with pytest.raises((DataError, RuntimeError), match='DataLoader worker') as caught:
        runner.train()
    if caught.type is DataError:  # else the news of its death came elsewhere than from the loader
        assert f"reading sample {HUNG} of source 'red' (img_path 'red/{HUNG}.jpg'" in str(caught.value)


def test_a_time_out_needs_workers(tmp_path):
    with pytest.raises(UserError, match=r'loader.timeout = 5.*num_workers=0'):
        build_runner(toy_config(tmp_path, loader=dict(timeout=5))).train()
    assert build_runner(toy_config(tmp_path / 'with', loader=dict(num_workers=1))).train_dataloader.timeout == 300


def asked_to_stop(tmp_path, number: int) -> list[dict]:
    """Units of a loader whose workers get a signal from some other process after the first."""
    runner = build_runner(toy_config(tmp_path, steps=20, loader=dict(num_workers=2, timeout=20)))
    batches = units_of(runner.train_dataloader)
    found = [next(batches)]
    workers = ' '.join(str(process.pid) for process in multiprocessing.active_children())
    subprocess.run(['sh', '-c', f'kill -{int(number)} {workers}'], check=True)
    return found + list(batches)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGUSR1])
def test_workers_leave_a_request_to_stop_to_the_training_process(tmp_path, number):
    assert len(asked_to_stop(tmp_path, number)) == 40


def nothing(worker: int) -> None:
    """A worker that begins like any other process."""


def test_control_other_workers_would_end(tmp_path):
    # one worker and no other process: PyTorch raises anew whenever any child ends, wherever this process then is
    runner = build_runner(toy_config(tmp_path, steps=20, loader=dict(num_workers=1, timeout=20,
                                                                    worker_init_fn=nothing)))
    batches = units_of(runner.train_dataloader)
    next(batches)
    with pytest.raises((DataError, RuntimeError), match='DataLoader worker'):
        os.kill(multiprocessing.active_children()[0].pid, signal.SIGTERM)
        list(batches)
