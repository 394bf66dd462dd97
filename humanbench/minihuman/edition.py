"""The MiniHuman edition: how many images of each dataset, and how they come to disk, whole or not at all."""
import fcntl
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import catalog
from ..errors import UserError, unknown_name
from ..pool import default_workers, process_pool
from .writers import WRITERS
from .writers.base import Job, Size, Writer
from .writers.files import write_json

VERSION = 3  # of what the generator draws and writes: raise it with every change that alters a byte
REVISIONS = {'citypersons': 1}  # added to it where only one dataset has changed
STAMP = '.minihuman.json'  # lies in every finished dataset folder and states what is in it
LARGEST_SEED = 2 ** 32 - 1

# Counts of 'small': images per split; for ReID, of text too, identities (3 to 8 crops each) and single crops.
SMALL: dict[str, dict[str, int]] = {
    'market1501': {'train': 64, 'test': 32, 'distractor': 40, 'junk': 12},
    'msmt17': {'train': 64, 'test': 32},
    'cuhk03': {'train': 40, 'test': 28},
    'coco_pose': {'train': 320, 'val': 160},
    'aic': {'train': 280, 'val': 70},
    'mpii': {'train': 440, 'val': 100},
    'h36m_pose': {'train': 480, 'test': 120},
    'posetrack': {'train': 200, 'val': 50},
    'jrdb': {'train': 80},
    'mhp': {'train': 150, 'val': 40},
    'penn_action': {'train': 240, 'test': 60},
    'halpe': {'train': 180, 'val': 40},
    'threedpw': {'train': 180, 'val': 30, 'test': 60},
    'mpi_inf_3dhp': {'train': 256},  # eight cameras
    'aist': {'train': 216, 'val': 36, 'test': 36},  # nine cameras
    'h36m_parsing': {'train': 320, 'test': 80},
    'lip': {'train': 400, 'val': 100},
    'cihp': {'train': 300, 'val': 80},
    'atr': {'train': 320, 'val': 80},
    'vip': {'train': 90, 'val': 24},
    'paper_doll': {'train': 120},
    'deepfashion2': {'train': 120, 'val': 30},
    'modanet': {'train': 120, 'val': 6},
    'pa100k': {'train': 1200, 'val': 150, 'test': 300},
    'rapv2': {'train': 1000, 'val': 250, 'test': 300},
    'peta': {'train': 900, 'val': 150, 'test': 400},
    'last': {'train': 40, 'val': 6, 'test': 16},
    'prcc': {'train': 40, 'val': 4, 'test': 12},
    'dgmarket': {'train': 40},
    'luperson_nl': {'train': 64},
    'luperson': {'train': 500},
    'sensereid': {'test': 60, 'distractor': 60},
    'hardhc': {'train': 120, 'val': 20, 'test': 30},
    'uav_human_attr': {'train': 300, 'test': 80},
    'parse27k': {'train': 90, 'val': 30, 'test': 30},
    'market1501_attribute': {'train': 64, 'test': 32, 'distractor': 8, 'junk': 4},
    'crowdhuman': {'train': 300, 'val': 200},
    'caltech': {'train': 240, 'test': 100},
    'widerperson': {'train': 80, 'val': 20, 'test': 4},
    'coco_person_det': {'train': 80, 'val': 20},
    'ecp': {'train': 60, 'val': 20},
    'citypersons': {'train': 240, 'val': 100},
    'wider_pedestrian': {'train': 80, 'val': 20},
    'shanghaitech_a': {'train': 140, 'test': 60},
    'shanghaitech_b': {'train': 140, 'test': 60},
    'rap_v1': {'train': 1000, 'test': 300},
    'cuhk_pedes': {'train': 160, 'val': 10, 'test': 40},
    'icfg_pedes': {'train': 64, 'test': 24},
    'rstpreid': {'train': 96, 'val': 8, 'test': 32},
    'cuhk_sysu': {'train': 300, 'test': 120},
    'prw': {'train': 300, 'test': 120},
    'ntu_rgbd': {'train': 480},
    'nturgbd_parsing': {'train': 240, 'val': 80},
    'itop_side': {'train': 400, 'test': 120},
}
# Least counts of 'tiny': enough for every split, every kind of annotation and one small batch.
TINY: dict[str, dict[str, int]] = {
    'market1501': {'train': 4, 'test': 3, 'distractor': 2, 'junk': 2},
    'msmt17': {'train': 4, 'test': 3},
    'cuhk03': {'train': 4, 'test': 3},
    'pa100k': {'train': 12, 'val': 4, 'test': 8},
    'rapv2': {'train': 12, 'val': 4, 'test': 8},
    'rap_v1': {'train': 12, 'test': 8},
    'peta': {'train': 12, 'val': 4, 'test': 8},
    'last': {'train': 4, 'val': 2, 'test': 3},
    'prcc': {'train': 4, 'val': 2, 'test': 3},
    'dgmarket': {'train': 4},
    'luperson_nl': {'train': 6},
    'luperson': {'train': 8},
    'sensereid': {'test': 4, 'distractor': 3},
    'uav_human_attr': {'train': 12, 'test': 8},
    'market1501_attribute': {'train': 4, 'test': 3, 'distractor': 1, 'junk': 1},
    'cuhk_pedes': {'train': 6, 'val': 2, 'test': 4},
    'icfg_pedes': {'train': 4, 'test': 3},
    'rstpreid': {'train': 4, 'val': 2, 'test': 3},
    'coco_pose': {'train': 12, 'val': 6},
    'posetrack': {'train': 10, 'val': 5},
    'jrdb': {'train': 6},
    'penn_action': {'train': 8, 'test': 4},
    'threedpw': {'train': 12, 'val': 6, 'test': 6},
    'mpi_inf_3dhp': {'train': 16},
    'aist': {'train': 36, 'val': 9, 'test': 9},
    'ntu_rgbd': {'train': 24},  # with a clip of every kind
    'caltech': {'train': 8, 'test': 16},  # the subset that is ranked, heavily occluded people, is rare
}


def _sizes() -> dict[str, dict[str, Size]]:
    tiny = {x: TINY.get(x, {split: 8 if split == 'train' else 4 for split in SMALL[x]}) for x in SMALL}
    medium = {x: {split: 10 * n for split, n in counts.items()} for x, counts in SMALL.items()}
    return {'tiny': {x: Size(counts, 0.75) for x, counts in tiny.items()},
            'small': {x: Size(counts) for x, counts in SMALL.items()},
            'medium': {x: Size(counts, 1.5) for x, counts in medium.items()}}


SIZES: Mapping[str, Mapping[str, Size]] = _sizes()


def ensure(base: str | os.PathLike, size: str, seed: int = 0, datasets: Sequence[str] | None = None,
           workers: int | None = None) -> None:
    """Makes what is missing of an edition. Returns at once when everything is there.

    Any number of processes may call this at the same time: one makes a dataset, the others wait for it. What is made
    depends on ``size`` and ``seed`` alone, not on ``workers`` nor on which datasets are made together.

    Args:
        base: folder of this edition; each dataset comes to ``base / card.layout.root``.
        size: name in :data:`SIZES`.
        seed: another seed gives other people, places and pictures.
        datasets: dataset ids; None for all.
        workers: processes; None for as many as this process may use cores, 1 for none beside this one.

    Raises:
        UserError: unknown size or dataset, a bad seed, or a folder in the way that is not of MiniHuman.
    """
    if size not in SIZES:
        raise unknown_name('MiniHuman size', size, SIZES)
    if not 0 <= seed <= LARGEST_SEED:
        raise UserError(f'MiniHuman seed {seed}: expected a whole number from 0 to {LARGEST_SEED}')
    if workers is not None and workers < 1:
        raise UserError(f'MiniHuman workers {workers}: expected 1 or more')
    datasets = list(SIZES[size] if datasets is None else datasets)
    for dataset in datasets:
        if dataset not in WRITERS:
            raise unknown_name('MiniHuman dataset', dataset, WRITERS)
    base = Path(base)
    for dataset in datasets:
        stamp = {'dataset': dataset, 'version': VERSION + REVISIONS.get(dataset, 0), 'size': size, 'seed': seed}
        target = base / catalog.card(dataset).layout.root
        if _read_stamp(target) == stamp:
            continue
        with _lock(base / '.minihuman' / f'{dataset}.lock', dataset):
            if _read_stamp(target) != stamp:
                _make(base, target, stamp, default_workers() if workers is None else workers)


def _read_stamp(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / STAMP).read_text())
    except FileNotFoundError:
        return None


_threads = threading.Lock()  # the file lock is the process's, so threads of one process need their own


@contextmanager
def _lock(path: Path, dataset: str) -> Iterator[None]:
    """Holds a file lock; the system lets go of it however this process ends, and its workers do not inherit it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _threads, open(path, 'w') as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # which of the two is the system's choice
            print(f'MiniHuman: another process is making {dataset}, waiting for it', file=sys.stderr, flush=True)
            fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def _make(base: Path, target: Path, stamp: Mapping[str, Any], workers: int) -> None:
    """Makes one dataset beside its place and moves it there in one step. The caller holds the dataset's lock."""
    dataset, size = stamp['dataset'], SIZES[stamp['size']][stamp['dataset']]
    if target.exists() and _read_stamp(target) is None:
        raise UserError(f"'{target}' exists and was not made by MiniHuman (it holds no {STAMP}). Nothing was changed. "
                        'Choose another folder for MiniHuman, or move that one away.')
    beside = base / '.minihuman'
    for leftover in beside.glob(f'{dataset}.*.tmp'):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    fresh, old = (beside / f'{dataset}.{x}-{os.getpid()}.tmp' for x in ('new', 'old'))
    fresh.mkdir()
    started = time.perf_counter()
    try:
        writer = WRITERS[dataset](dataset, size, stamp['seed'], fresh)
        jobs = writer.jobs()
        records: dict[str, list[Any]] = {job.split: [] for job in jobs}
        label = f'MiniHuman {stamp["size"]}: {dataset}'
        for record, job in zip(_progress(label, _run(writer, jobs, workers), len(jobs)), jobs):
            records[job.split].append(record)
        writer.finish(records)
        write_json(fresh / STAMP, stamp)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            os.rename(target, old)
        os.rename(fresh, target)
    finally:
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
    print(f'{label}, {len(jobs)} images in {time.perf_counter() - started:.1f} s', file=sys.stderr, flush=True)


def _run(writer: Writer, jobs: Sequence[Job], workers: int) -> Iterator[Any]:
    """Annotations of all jobs, in order."""
    # The first image is made here: what it compiles is inherited, and a broken installation fails with a plain trace.
    yield writer.write(jobs[0])
    rest = jobs[1:]
    if workers == 1 or len(rest) < 2 * workers:
        yield from map(writer.write, rest)
        return
    with process_pool(workers) as pool:
        yield from pool.map(writer.write, rest, chunksize=4)


def _progress(label: str, items: Iterable[Any], total: int) -> Iterator[Any]:
    """Passes ``items`` on, with a line on a terminal that says how long it will take."""
    from rich.console import Console
    from rich.progress import track
    console = Console(stderr=True)
    yield from track(items, label, total, console=console, transient=True, disable=not console.is_terminal)
