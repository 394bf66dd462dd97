"""Write MiniHuman, the synthetic edition of every dataset, in the datasets' native formats.

    mim run humanbench minihuman --root data/minihuman/small --size small
    humanbench minihuman --root DIR --size tiny --datasets market1501 coco_pose --seed 7

What is there already is left alone. Recipes that name 'minihuman:SIZE' as their data root do the same on first use.
"""
import argparse
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--root', required=True, metavar='DIR', help='folder to write to; each dataset gets its own in it')
    p.add_argument('--size', default='small', help='tiny (for tests), small (for the demo) or medium; default: small')
    p.add_argument('--seed', type=int, default=0, help='another seed gives other people and pictures; default: 0')
    p.add_argument('--datasets', nargs='+', metavar='ID', help='dataset ids; default: all')
    p.add_argument('--workers', type=int, help='processes; the result does not depend on it; default: one per core')
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    from humanbench.errors import UserError
    from humanbench.minihuman import ensure
    try:
        ensure(args.root, args.size, args.seed, args.datasets, args.workers)
    except UserError as error:
        print(f'{type(error).__name__}: {error}', file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == '__main__':
    sys.exit(main())
