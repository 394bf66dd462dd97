"""Images per second and core of the training pipelines: from files on disk to augmented uint8.

    python tools/speed/data.py [pose parsing ...] [--images 300] [--repeats 5] [--skip storage memory]

Each task's shipped pipeline against bare decoding of the same files by the same decoder, and against the standard
pipelines of MMPose (up to heatmaps, packed), MMSegmentation and MMDetection. All sides work through the same 20 images
in turn, in one process with one thread, with the same random numbers in each repeat; of each image the fastest repeat
counts. (Ours decode an image as far down as its crop goes; bare decoding is of all of it.) Images per second are of
processor time, which other work on the machine changes little; ``wall`` is the same by the clock. The files are
synthetic: 640 x 480 JPEGs of 99 KB and PNG labels of 29 KB for pose, parsing and detection, 64 x 128 crops for reid,
80 x 200 for attribute, 1024 x 768 for counting.

Then the same from plain files, tar shards and over HTTP with a warm cache (:mod:`storage` has cold reads), and the
memory that a loader's worker holds.
"""
import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

TASKS = ('reid', 'attribute', 'pose', 'parsing', 'detection', 'counting')
GOALS = {'pose': (0.80, 1.8), 'parsing': (0.75, 1.4), 'detection': (0.55, 1.7)}  # share of bare decoding, x public
BLOCK = 20  # images that a side works through before the next side does
WORKER_SAMPLES = 200

Side = Callable[[int], Any]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('tasks', nargs='*', help=f'some of: {" ".join(TASKS)} (default: all)')
    p.add_argument('--images', type=int, default=300, help='how many; default: 300')
    p.add_argument('--repeats', type=int, default=5, help='the fastest counts; default: 5')
    p.add_argument('--skip', nargs='+', choices=['storage', 'memory'], default=[], help='tables to leave out')
    p.add_argument('--json', metavar='FILE', help='write the figures to this file')
    return p


def reader(task: str, root: str | os.PathLike) -> Any:
    """The dataset of a task with the shipped training pipeline."""
    from _data_files import DATASETS
    from mmengine.config import Config

    from humanbench import datasets
    from humanbench.engine.launch import find_config
    from humanbench.registry import DATASETS as REGISTRY
    steps = Config.fromfile(find_config(f'_base_/pipelines/{task}.py'))[f'{task}_train_pipeline']
    kind = {x: cls for cls in datasets.READERS for x in cls.datasets}[DATASETS[task]]
    return REGISTRY.build(dict(type=kind, root=str(root), split='train', pipeline=steps, dataset=DATASETS[task]))


def bare(records: Sequence[dict[str, Any]]) -> Side:
    """Reads and decodes the files of a record, and nothing else."""
    import cv2
    import numpy as np
    try:
        import simplejpeg
        decode = lambda data: simplejpeg.decode_jpeg(data, 'RGB')  # noqa: E731
    except ImportError:
        decode = lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # noqa: E731

    def side(i: int) -> None:
        with open(records[i]['img_path'], 'rb') as file:
            decode(file.read())
        if 'seg_map_path' in records[i]:
            with open(records[i]['seg_map_path'], 'rb') as file:
                cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    return side


def rates(sides: dict[str, Side], count: int, repeats: int) -> dict[str, tuple[float, float]]:
    """Images per second of processor time and of the clock."""
    import numpy as np
    best = {name: np.full((count, 2), np.inf) for name in sides}
    for _ in range(repeats):
        for first in range(0, count, BLOCK):
            for name, side in sides.items():
                np.random.seed(first)
                for i in range(first, min(first + BLOCK, count)):
                    start = time.process_time(), time.perf_counter()
                    side(i)
                    took = time.process_time() - start[0], time.perf_counter() - start[1]
                    best[name][i] = np.minimum(best[name][i], took)
    return {name: tuple(count / times.sum(0)) for name, times in best.items()}


def compare(task: str, root: Path, repeats: int) -> dict[str, Any]:
    """Figures of one task: ours, bare decoding, and the public pipeline where there is one."""
    from _data_public import LIBRARIES, pipeline
    dataset = reader(task, root)
    records = [dataset.get_data_info(i) for i in range(len(dataset))]
    sides = {'bare': bare(records), 'ours': dataset.__getitem__}
    library = None
    if task in LIBRARIES:
        library, sides['public'] = pipeline(task, records)
    found = rates(sides, len(dataset), repeats)
    row = dict(task=task, library=library, goals=GOALS.get(task), share=found['ours'][0] / found['bare'][0],
               ratio=found['ours'][0] / found['public'][0] if library else None)
    for name, (cpu, wall) in found.items():
        row |= {f'{name}_cpu': cpu, f'{name}_wall': wall}
    return row


def print_comparison(rows: Sequence[dict[str, Any]]) -> None:
    print(f'{"images/s and core (wall)":<26}{"ours":>14}{"bare decoding":>16}{"share":>8}{"goal":>7}'
          f'{"public":>23}{"ratio":>8}{"goal":>7}')
    for row in rows:
        goals = ('', '') if row['goals'] is None else (f'{row["goals"][0]:.0%}', f'{row["goals"][1]:.1f}x')
        public = ('-', '-') if row['library'] is None else (
            f'{row["library"]} {row["public_cpu"]:.0f} ({row["public_wall"]:.0f})', f'{row["ratio"]:.2f}x')
        cells = [f'{row[f"{side}_cpu"]:.0f} ({row[f"{side}_wall"]:.0f})' for side in ('ours', 'bare')]
        print(f'{row["task"]:<26}{cells[0]:>14}{cells[1]:>16}{row["share"]:>8.0%}{goals[0]:>7}'
              f'{public[0]:>23}{public[1]:>8}{goals[1]:>7}', flush=True)


def compare_storage(task: str, roots: dict[str, str], repeats: int) -> dict[str, Any]:
    """Images per second of processor time by where the files are; everything that is cached is cached."""
    sides = {name: reader(task, root).__getitem__ for name, root in roots.items()}
    count = len(reader(task, roots['plain']))
    for side in sides.values():
        for i in range(count):
            side(i)
    return dict(task=task, **{name: cpu for name, (cpu, _) in rates(sides, count, repeats).items()})


def worker_memory(dataset: Any) -> dict[str, float]:
    """MB of a loader's worker after some samples: what it alone holds, and its share of everything it maps."""
    from torch.utils.data import DataLoader
    loader = iter(DataLoader(dataset, batch_size=1, num_workers=1, collate_fn=list))
    for _ in range(min(WORKER_SAMPLES, len(dataset) - 4)):  # the worker is still there, with its next samples
        next(loader)
    lines = Path(f'/proc/{loader._workers[0].pid}/smaps_rollup').read_text().splitlines()[1:]
    sizes = {x.split()[0].rstrip(':'): int(x.split()[1]) / 1024 for x in lines}
    return dict(alone=sizes['Private_Dirty'] + sizes['Private_Clean'], share=sizes['Pss'])


def measure_storage(roots: dict[str, Path], folder: Path, tasks: Sequence[str], repeats: int, skip: Sequence[str],
                    ) -> tuple[list[dict], list[dict]]:
    """The tables of storage and of memory, which need the same shards and server."""
    from storage import served

    from humanbench.datasets import storage
    rates_found, memory = [], []
    for task in tasks:
        storage.pack(roots[task], folder / 'www' / task, 2**26, progress=False)
    with served(folder / 'www', latency=0.0) as url:
        for task in tasks:
            places = {'plain': str(roots[task]), 'tar': str(folder / 'www' / task), 'http': f'{url}/{task}'}
            if 'storage' not in skip:
                rates_found.append(compare_storage(task, places, repeats))
            if 'memory' not in skip:
                memory.append(dict(task=task, **{name: worker_memory(reader(task, x)) for name, x in places.items()}))
    return rates_found, memory


def print_storage(rates_found: Sequence[dict], memory: Sequence[dict]) -> None:
    if rates_found:
        print(f'\n{"images/s and core":<26}{"plain files":>14}{"tar shards":>14}{"HTTP, cached":>14}')
        for row in rates_found:
            print(f'{row["task"]:<26}' + ''.join(f'{row[x]:>14.0f}' for x in ('plain', 'tar', 'http')))
    if memory:
        print(f'\n{"MB of a worker alone (share of what is shared included)":<60}'
              f'{"plain files":>14}{"tar shards":>14}{"HTTP, cached":>14}')
        for row in memory:
            cells = (f'{row[x]["alone"]:.0f} ({row[x]["share"]:.0f})' for x in ('plain', 'tar', 'http'))
            print(f'{row["task"]:<60}' + ''.join(f'{x:>14}' for x in cells))


def main(argv: Sequence[str] | None = None) -> None:
    p = parser()
    args = p.parse_args(argv)
    tasks = args.tasks or list(TASKS)
    if not set(tasks) <= set(TASKS):
        p.error(f'unknown task in {tasks}. Known: {", ".join(TASKS)}')
    sys.path.insert(0, str(Path(__file__).parent))  # not there when another program calls main
    import cv2
    import torch
    from _data_files import write

    import humanbench.datasets  # noqa: F401
    from humanbench.engine.processes import keep_memory
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    keep_memory()  # as in training
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ['HUMANBENCH_CACHE'] = str(folder / 'cache')
        roots = write(folder / 'plain', args.images)
        rows = [compare(task, roots[task], args.repeats) for task in tasks]
        print_comparison(rows)
        found, memory = [], []
        if set(args.skip) != {'storage', 'memory'}:
            found, memory = measure_storage(roots, folder, tasks, args.repeats, args.skip)
            print_storage(found, memory)
    if args.json:
        with open(args.json, 'w', encoding='utf-8') as file:
            json.dump(dict(pipelines=rows, storage=found, memory=memory), file, indent=1)


if __name__ == '__main__':
    main()
