"""Evaluate a checkpoint: every evaluation of a config, or one of them, as a table.

    mim test humanbench configs/path/path_debug.py --checkpoint work_dirs/path_debug/iter_600.pth
    humanbench test benchmark/reid/market1501.py --checkpoint FILE --evaluation market1501
"""
import argparse
import sys
from collections.abc import Sequence

from _arguments import parse, recipe_parser


def parser() -> argparse.ArgumentParser:
    p = recipe_parser(__doc__)
    p.add_argument('checkpoint_file', nargs='?', metavar='CHECKPOINT', help='the same as --checkpoint')
    p.add_argument('--checkpoint', help='the trained model')
    p.add_argument('--evaluation', help='one of the evaluations of the config (default: all)')
    p.add_argument('--json', metavar='FILE', help='write the metrics to this file')
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(parser(), argv)
    from humanbench.engine.command import configure, evaluate_all, user_errors
    with user_errors():
        checkpoint = args.checkpoint or args.checkpoint_file
        evaluate_all(configure(args), checkpoint, args.evaluation, args.json)


if __name__ == '__main__':
    sys.exit(main())
