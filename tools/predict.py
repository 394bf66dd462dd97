"""Boxes, pose, parsing, attributes, identity feature and count of the people in images and videos, from one model.

    humanbench predict photos/ --checkpoint work_dirs/path_debug/iter_750.pth --out found
    humanbench predict street.mp4 --checkpoint FILE --out found --tasks detection pose --device cuda
    humanbench predict 'crops/*.jpg' --checkpoint FILE --boxes whole_image --tasks attribute reid --json > found.jsonl
    mim run humanbench predict a.jpg --checkpoint FILE --config configs/path/path_debug.py --heads pose=aic --out found

What is written and how to use it from Python: docs/predict.md. Exit status: 0; 1 where an input could not be read (the
others are done); 2 for a mistake in the command.
"""
import argparse
import contextlib
import os
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command line. Nothing heavy is imported for it, so that -h answers at once."""
    p = argparse.ArgumentParser(prog='predict', description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('inputs', nargs='+', metavar='INPUT', help="images, videos, folders, or patterns such as 'a/*.jpg'")
    p.add_argument('--checkpoint', required=True, metavar='FILE',
                   help='the trained model: a .pth file, a checkpoint folder (iter_N) or a work folder')
    p.add_argument('--config', metavar='FILE',
                   help='the config that it was trained by, where the checkpoint does not say')
    p.add_argument('--out', metavar='DIR', help='folder for JSON and overlays')
    p.add_argument('--json', action='store_true', help='print a line of JSON for each picture, as soon as it is known')
    p.add_argument('--no-overlay', action='store_true', help='write JSON alone')
    p.add_argument('--tasks', nargs='+', metavar='TASK', help='what to ask for; default: all that the model can do')
    p.add_argument('--heads', nargs='+', default=[], metavar='TASK=SOURCE',
                   help='which head answers, where there are several, e.g. pose=aic')
    p.add_argument('--boxes', metavar='FILE',
                   help="where the people are, in place of the detection head: a JSON file of picture's name to a list "
                        "of [x1, y1, x2, y2], or 'whole_image' for crops")
    p.add_argument('--score-threshold', type=float, default=0.3, metavar='S',
                   help='people are the boxes with a score above it; default: 0.3')
    p.add_argument('--batch-size', type=int, default=16, metavar='N',
                   help='most pictures, or people, in one pass; default: 16')
    p.add_argument('--device', default='auto', help='auto (a GPU where there is one), cpu, cuda, cuda:1 ...')
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Gives its exit status."""
    args = parser().parse_args(argv)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # not there when another program calls main
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # some libraries announce themselves; only results go to the output
        from humanbench.engine.command import user_errors
        with user_errors():
            from _predict import predict
            return predict(args, out)


if __name__ == '__main__':
    sys.exit(main())
