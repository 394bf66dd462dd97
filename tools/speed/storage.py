"""How fast images are read from plain files, from tar shards, and over HTTP: cold, with read-ahead, and cached.

    python tools/speed/storage.py [--images 600] [--latency 0.05]

One process reads every image once, in random order, bytes alone and decoded. The HTTP server is another process on this
machine, which waits before every answer. Then: what the size of blocks does, and what an index of millions costs.
"""
import argparse
import contextlib
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

WORKERS_LOOK_AHEAD = 64


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--images', type=int, default=600, help='how many; default: 600')
    p.add_argument('--latency', type=float, default=0.05, help='seconds before every answer; default: 0.05')
    p.add_argument('--names', type=int, default=5_000_000, help='files in the large index; default: 5 million')
    return p


def make_images(folder: Path, count: int) -> None:
    """JPEG photographs of 640 x 480, some 100 KB each: a smooth picture with noise."""
    import cv2
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for i in range(count):
        colours = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
        smooth = cv2.resize(colours, (640, 480), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(smooth + rng.normal(0, 9, smooth.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f'{i:06d}.jpg'), noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])


def _serve(folder: Path, latency: float, address: 'multiprocessing.Queue') -> None:
    from _store import Store
    store = Store(folder)
    store.delay = latency
    address.put(store.url)
    store.serve_forever()


@contextlib.contextmanager
def served(folder: Path, latency: float) -> Iterator[str]:
    """The URL of a server process."""
    context = multiprocessing.get_context('spawn')
    address = context.Queue()
    process = context.Process(target=_serve, args=(folder, latency, address), daemon=True)
    process.start()
    try:
        yield address.get(timeout=60)
    finally:
        process.kill()
        process.join()


def rate(paths: Sequence[str], use: Callable[[str], object], ahead: int = 0) -> float:
    """Images per second, in random order, with so many fetched ahead."""
    from humanbench.datasets import storage
    paths = random.Random(0).sample(paths, len(paths))
    prefetcher = storage.Prefetcher() if ahead else None
    start = time.perf_counter()
    for i, path in enumerate(paths):
        if prefetcher is not None:
            prefetcher.want(paths[i + ahead:i + ahead + 1] if i else paths[:ahead + 1])
        use(path)
    return len(paths) / (time.perf_counter() - start)


def forget_blocks() -> None:
    from humanbench.datasets import storage
    from humanbench.datasets.storage import files
    shutil.rmtree(storage.cache_folder() / 'blocks', ignore_errors=True)
    files.forget()


def compare(plain: Path, packed: Path, url: str, latency: float) -> None:
    """The table of images per second."""
    from humanbench.datasets import storage
    from humanbench.datasets.transforms.loading import read_image
    names = sorted(os.listdir(plain))
    remote = storage.folder_of(url)
    cases = [('plain files', plain, 0, False), ('tar shards', packed, 0, False),
             (f'HTTP, {1000 * latency:.0f} ms, cold', remote, 0, True),
             (f'HTTP, {1000 * latency:.0f} ms, cold, read ahead', remote, WORKERS_LOOK_AHEAD, True),
             ('HTTP, cached', remote, 0, False)]
    print(f'{"images/s of one process":<32}{"bytes only":>12}{"decoded":>12}')
    for label, folder, ahead, cold in cases:
        paths, found = [str(folder / name) for name in names], []
        for use in (storage.read, read_image):
            if cold:
                forget_blocks()
            found.append(rate(paths, use, ahead))
        print(f'{label:<32}{found[0]:>12.0f}{found[1]:>12.0f}', flush=True)


def compare_blocks(plain: Path, url: str) -> None:
    """What blocks of other sizes cost and save, without read-ahead and with it."""
    from humanbench.datasets import storage
    from humanbench.datasets.storage import packed
    names, size = sorted(os.listdir(plain)), sum(x.stat().st_size for x in plain.iterdir())
    paths, usual = [str(storage.folder_of(url) / name) for name in names], packed.BLOCK
    print(f'\n{"size of a block":<20}{"images/s":>12}{"read ahead":>12}{"bytes for the first 10 %":>28}')
    for block in (2**14, 2**16, 2**18, 2**20, 2**22):
        packed.BLOCK, found = block, []
        for ahead in (0, WORKERS_LOOK_AHEAD):
            forget_blocks()
            found.append(rate(paths, storage.read, ahead))
        forget_blocks()
        rate(random.Random(1).sample(paths, len(paths) // 10), storage.read, WORKERS_LOOK_AHEAD)
        blocks = storage.cache_folder() / 'blocks'
        fetched = sum(x.stat().st_size for x in blocks.glob('??/*'))
        print(f'{block // 1024:>10,} KB{"":<7}{found[0]:>12.0f}{found[1]:>12.0f}{fetched / size:>27.0%}', flush=True)
    packed.BLOCK = usual


def private_memory() -> float:
    """MB that no other process can share, and that are no file's."""
    lines = Path('/proc/self/smaps_rollup').read_text().splitlines()
    return sum(int(x.split()[1]) for x in lines if x.startswith('Private_Dirty')) / 1024


def measure_large_index(folder: Path, count: int) -> None:
    """Seconds to open an index of millions of names, and what a worker that uses it holds."""
    from humanbench.datasets.storage.index import INDEX, Entries, PackIndex, Shard, write_index
    names = [b'%04d/%07d_c%02d.jpg' % (i // 5000, i, i % 20) for i in range(count)]
    numbers = np.arange(count)
    folder.mkdir()
    write_index(folder / INDEX, [Shard('shard-00000.tar', 10_000 * count, '')],
                Entries(names, np.full(count, 9000), 10_000 * numbers, 0 * numbers, numbers % 2**32))
    wanted = [os.fsdecode(x) for x in random.Random(0).sample(names, 20_000)]
    del names
    sys.stdout.flush()
    process = os.fork()
    if process:
        os.waitpid(process, 0)
        return
    before, start = private_memory(), time.perf_counter()
    index = PackIndex(folder / INDEX)
    opened = time.perf_counter() - start
    assert all(index.find(name) for name in wanted)
    took = (time.perf_counter() - start - opened) / len(wanted)
    print(f'\nan index of {count:,} files ({(folder / INDEX).stat().st_size / 2**20:.0f} MB): opened in '
          f'{1000 * opened:.1f} ms, {1e6 * took:.0f} us a look-up, {private_memory() - before:.1f} MB in each process '
          'that reads, beside the pages of the file that all share', flush=True)
    os._exit(0)


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    sys.path.insert(0, str(Path(__file__).parent))  # for the server's process, too
    import cv2

    from humanbench.datasets import storage
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ['HUMANBENCH_CACHE'] = str(folder / 'cache')
        make_images(folder / 'plain', args.images)
        start = time.perf_counter()
        packed = storage.pack(folder / 'plain', folder / 'www' / 'data', 2**26, progress=False)
        took = time.perf_counter() - start
        print(f'{packed.files} images of {packed.size / packed.files / 1024:.0f} KB, packed at '
              f'{packed.size / took / 2**20:.0f} MB/s into {packed.shards} shards\n')
        with served(folder / 'www', args.latency) as url:
            compare(folder / 'plain', packed.folder, f'{url}/data', args.latency)
            compare_blocks(folder / 'plain', f'{url}/data')
        measure_large_index(folder / 'large', args.names)


if __name__ == '__main__':
    main()
