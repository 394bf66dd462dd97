"""How fast MiniHuman is written: images per second on one core, dataset by dataset.

    python tools/speed/minihuman.py [--seconds 2] [--datasets market1501 coco_pose]

Rendering, encoding and writing count; compiling does not (one image is made before the clock starts).
"""
import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--seconds', type=float, default=2.0, help='time for each dataset; default: 2')
    p.add_argument('--size', default='small', help='edition whose image sizes are used; default: small')
    p.add_argument('--datasets', nargs='+', metavar='ID', help='dataset ids; default: all')
    return p


def measure(dataset: str, size: str, seconds: float, folder: Path) -> tuple[float, int]:
    """Images per second of processor time (so that other work on the machine does not count), and images in all."""
    from humanbench.minihuman.edition import SIZES
    from humanbench.minihuman.writers import WRITERS
    writer = WRITERS[dataset](dataset, SIZES[size][dataset], 0, folder)
    jobs = writer.jobs()
    writer.write(jobs[0])
    images, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        writer.write(jobs[images % len(jobs)])
        images += 1
    return images / (time.process_time() - start), len(jobs)


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    import cv2

    from humanbench.errors import unknown_name
    from humanbench.minihuman.edition import SIZES
    cv2.setNumThreads(1)
    if args.size not in SIZES:
        raise SystemExit(str(unknown_name('MiniHuman size', args.size, SIZES)))
    datasets = args.datasets or list(SIZES[args.size])
    for dataset in datasets:
        if dataset not in SIZES[args.size]:
            raise SystemExit(str(unknown_name('MiniHuman dataset', dataset, SIZES[args.size])))
    total = 0.0
    print(f'{"dataset":<16}{"images/s/core":>14}{"images in " + args.size:>18}{"core-seconds":>14}')
    for dataset in datasets:
        with tempfile.TemporaryDirectory() as folder:
            rate, images = measure(dataset, args.size, args.seconds, Path(folder))
        total += images / rate
        print(f'{dataset:<16}{rate:>14.1f}{images:>18}{images / rate:>14.1f}', flush=True)
    print(f'{"all":<16}{"":>14}{"":>18}{total:>14.1f}')


if __name__ == '__main__':
    sys.exit(main())
