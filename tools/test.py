"""Evaluate a checkpoint: every evaluation of a config, or one of them, as a table.

    mim test humanbench configs/path/path_debug.py --checkpoint work_dirs/path_debug/iter_600.pth
    humanbench test benchmark/reid/market1501.py --checkpoint FILE --evaluation market1501
"""
import argparse
import os
import sys
from collections.abc import Sequence

from mmengine.config import DictAction


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('config', help='a config file, or its name below configs/')
    p.add_argument('checkpoint_file', nargs='?', metavar='CHECKPOINT', help='the same as --checkpoint')
    p.add_argument('--checkpoint', help='the trained model')
    p.add_argument('--evaluation', help='one of the evaluations of the config (default: all)')
    p.add_argument('--protocol', help='full, partial, head or direct (benchmark configs)')
    p.add_argument('--flavor', help="a size of the recipe, e.g. 'debug' (configs that have flavours)")
    p.add_argument('--work-dir', help='where logs go (default: work_dirs/CONFIG)')
    p.add_argument('--json', metavar='FILE', help='write the metrics to this file')
    p.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override config values')
    p.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    p.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)  # torch's launcher
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    from humanbench.engine.command import configure, evaluate_all, user_errors
    with user_errors():
        checkpoint = args.checkpoint or args.checkpoint_file
        evaluate_all(configure(args), checkpoint, args.evaluation, args.json)


if __name__ == '__main__':
    sys.exit(main())
