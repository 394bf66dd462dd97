"""Records of a dataset of LUPerson-NL's size: our index against MMEngine's own way of holding them.

    python tools/speed/index.py                    # a million records, both
    python tools/speed/index.py --records 5178420 --only ours

*open*: until a fresh process has the first record. *worker*: memory a process has for itself (pages of a mapped file
are one copy for all and not counted) after it has drawn 10,000 records at random, above one that has opened ten.
MMEngine reads its own annotation file, the form in which the same records would be kept for it.
"""
import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset

import humanbench  # noqa: F401  (its compatibility layer comes first)
from humanbench.datasets.base import HumanDataset
from humanbench.datasets.reid import ReIDDataset

PER_IDENTITY = 34  # LUPerson-NL: 5,178,420 images of 151,595 identities


def names(records: int) -> Iterator[tuple[str, int]]:
    """Names like those of frames cut from street videos, and identities."""
    for i in range(records):
        video, identity = i // 250, i // PER_IDENTITY
        yield f'kr+seoul/{video:07d}/{identity % 1000:06d}_{i:07d}_{i % 9:02d}.jpg', identity


class Many(ReIDDataset):
    """Records that come from a loop instead of a disk."""
    datasets, splits = ('market1501',), ('train',)

    def split_records(self, split: str) -> Iterator[dict]:
        for name, identity in names(int(self._ann_file)):
            yield dict(img_path=f'{self.root}/{name}', pid=identity, camid=0)

    def _look_for_images(self) -> None:
        """There are none."""


def open_ours(root: str, records: int) -> HumanDataset:
    return Many(root, ann_file=str(records))


def open_theirs(root: str, records: int) -> BaseDataset:
    return BaseDataset(ann_file=os.path.join(root, 'records.json'), data_prefix=dict(img_path=root))


def write_theirs(root: Path, records: int) -> None:
    rows = [dict(img_path=name, pid=identity, camid=0, identity=identity) for name, identity in names(records)]
    (root / 'records.json').write_text(json.dumps(dict(metainfo={}, data_list=rows)))


def private_bytes() -> int:
    """Memory that this process has written and nobody shares."""
    rows = Path('/proc/self/smaps_rollup').read_text().splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith('Private_Dirty')) * 1024


def measure(opener, root: str, records: int, results) -> None:
    """Seconds to open and to draw, and private memory, of a process of its own."""
    len(open_ours(root, 10))  # whatever opening any dataset brings in
    before, started = private_bytes(), time.perf_counter()
    dataset = opener(root, records)
    dataset.get_data_info(records // 2)
    opened = time.perf_counter()
    for index in np.random.default_rng(0).integers(0, records, 10_000):
        dataset.get_data_info(int(index))
    drawn = time.perf_counter()
    peak = int(next(x for x in Path('/proc/self/status').read_text().splitlines() if x.startswith('VmHWM')).split()[1])
    results.put((opened - started, (drawn - opened) / 10_000, private_bytes() - before, peak * 1024))


def in_a_process(opener, root: str, records: int) -> tuple[float, float, int, int]:
    context = multiprocessing.get_context('spawn')
    results = context.Queue()
    process = context.Process(target=measure, args=(opener, root, records, results))
    process.start()
    found = results.get()
    process.join()
    return found


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--records', type=int, default=1_000_000)
    parser.add_argument('--only', choices=('ours', 'mmengine'), help='one of the two')
    args = parser.parse_args(argv)
    print(f'{args.records:,} records\n{"":<22} {"open s":>8} {"record us":>10} {"worker MB":>10} {"peak MB":>9}')
    with tempfile.TemporaryDirectory() as root:
        os.environ['HUMANBENCH_CACHE'] = os.path.join(root, 'cache')
        rows = [('ours, first time', open_ours), ('ours, indexed', open_ours)] if args.only != 'mmengine' else []
        if args.only != 'ours':
            write_theirs(Path(root), args.records)
            rows.append(('MMEngine BaseDataset', open_theirs))
        for label, opener in rows:
            opening, record, worker, peak = in_a_process(opener, root, args.records)
            print(f'{label:<22} {opening:>8.2f} {record * 1e6:>10.1f} {worker / 1e6:>10.1f} {peak / 1e6:>9.0f}',
                  flush=True)
        for path in Path(root).glob('cache/index/*/records.bin'):
            print(f'the index: {sum(x.stat().st_size for x in path.parent.iterdir()) / 1e6:.0f} MB')


if __name__ == '__main__':
    sys.exit(main())
