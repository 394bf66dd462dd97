"""Evaluate a checkpoint: every evaluation of a config, or one of them, as a table.

    mim test humanbench configs/path/path_debug.py --checkpoint work_dirs/path_debug/iter_750.pth
    humanbench test benchmark/reid/market1501.py --checkpoint FILE --evaluation market1501 --sheet predictions.png
"""
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from _arguments import parse, recipe_parser


def parser() -> argparse.ArgumentParser:
    p = recipe_parser(__doc__)
    p.add_argument('checkpoint_file', nargs='?', metavar='CHECKPOINT', help='the same as --checkpoint')
    p.add_argument('--checkpoint', help='the trained model: a .pth file, a checkpoint folder (iter_N), or the work '
                                      'folder of a run (its newest)')
    p.add_argument('--evaluation', help='one of the evaluations of the config (default: all)')
    p.add_argument('--json', metavar='FILE', help='write the metrics to this file')
    p.add_argument('--sheet', metavar='FILE.png',
                   help='draw labels and predictions of some images of every evaluation')
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(parser(), argv)
    from humanbench.engine.command import configure, evaluate_all, user_errors
    from humanbench.errors import UserError
    from humanbench.weights.folder import resolve
    with user_errors():
        if args.checkpoint and args.checkpoint_file:
            raise UserError(f"two checkpoints: '{args.checkpoint_file}' and '{args.checkpoint}'. Give one of them.")
        checkpoint = args.checkpoint or args.checkpoint_file
        if checkpoint and Path(checkpoint).expanduser().is_dir():
            checkpoint = str(resolve(checkpoint))
        args.checkpoint = checkpoint
        config = configure(args)
        if args.sheet:
            from humanbench.apis.showcase import evaluate_with_sheet
            print(evaluate_with_sheet(config, checkpoint, args.evaluation, args.json, args.sheet))
        else:
            evaluate_all(config, checkpoint, args.evaluation, args.json)


if __name__ == '__main__':
    sys.exit(main())
