"""Datasets on this machine: list, show, check, index, browse and pack them, and audit them for leaks.

    humanbench datasets list                                # what there is, what each is for, what is found here
    humanbench datasets show cihp                           # terms, layout to unpack, splits, traps, citation
    humanbench datasets check [ID ...]                      # what is wrong on disk, and what to do about it
    humanbench datasets index                               # read large annotations once, ahead of training
    humanbench datasets browse lip --html lip.html          # look at samples with their labels drawn
    humanbench datasets pack lip --out DIR                  # a folder as a few tar shards with an index
    humanbench datasets audit --out audit.json              # test images that occur in pretraining data

The same by `mim run humanbench datasets ...`. Datasets lie in the folder `data` or in $HUMANBENCH_DATA, each in its own
folder there; --root names another one, or `minihuman:tiny`.
"""
import argparse
import os
import sys
from collections.abc import Sequence

ROOT_HELP = "folder in which each dataset has its own, or 'minihuman:SIZE'; default: $HUMANBENCH_DATA, or data"
ONE_ROOT_HELP = ROOT_HELP + '; also the folder of the dataset itself'


def parser() -> argparse.ArgumentParser:
    """The command line. Nothing heavy is imported for it, so that -h answers at once."""
    p = argparse.ArgumentParser(prog='datasets', description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = p.add_subparsers(dest='verb', required=True, metavar='VERB')

    one = verbs.add_parser('list', help='a table of all datasets: task, role, where they are, records')
    one.add_argument('--root', metavar='DIR', help=ROOT_HELP)
    one.add_argument('--task', help='only those of this task')
    one.add_argument('--json', metavar='FILE', help='write the table to this file as well')

    one = verbs.add_parser('show', help='everything that is known of a dataset')
    one.add_argument('dataset', metavar='ID')
    one.add_argument('--root', metavar='DIR', help=ROOT_HELP)

    one = verbs.add_parser('check', help='find what is wrong on disk; exit status 1 where anything is')
    one.add_argument('datasets', nargs='*', metavar='ID', help='ids or task names; default: all that are found')
    one.add_argument('--root', metavar='DIR', help=ONE_ROOT_HELP)
    one.add_argument('--quick', action='store_true', help='read only headers and ends of images')
    one.add_argument('--ignore', nargs='+', default=[], metavar='KIND', help='kinds of problems to leave out')
    one.add_argument('--workers', type=int, metavar='N', help='processes; default: one per core')
    one.add_argument('--json', metavar='FILE', help='write every problem to this file as well')

    one = verbs.add_parser('index', help='read annotations once and keep those of large datasets as an index')
    one.add_argument('datasets', nargs='*', metavar='ID', help='ids or task names; default: all that are found')
    one.add_argument('--root', metavar='DIR', help=ONE_ROOT_HELP)

    one = verbs.add_parser('browse', help='samples with their labels drawn: a contact sheet, or a page')
    one.add_argument('dataset', metavar='ID')
    one.add_argument('--root', metavar='DIR', help=ONE_ROOT_HELP)
    one.add_argument('--split', help='default: the first one of the dataset')
    one.add_argument('--num', type=int, default=24, help='how many samples; default: 24')
    one.add_argument('--columns', type=int, default=6, help='pictures in a row of the sheet; default: 6')
    one.add_argument('--seed', type=int, help='draw samples at random; by default they are evenly spaced')
    one.add_argument('--transforms', action='store_true', help='as training sees them, after its transforms')
    one.add_argument('--out', metavar='FILE', help='picture to write; default: DATASET_SPLIT.png')
    one.add_argument('--html', metavar='FILE', help='write a page with one picture per sample instead')

    one = verbs.add_parser('audit', help='look for test images and people that occur in pretraining data')
    one.add_argument('--root', metavar='DIR', help=ROOT_HELP)
    one.add_argument('--pretrain', nargs='+', metavar='ID', help='pretraining datasets; default: all that are found')
    one.add_argument('--evaluate', nargs='+', metavar='ID', help='tested datasets; default: all that are found')
    one.add_argument('--workers', type=int, metavar='N', help='processes; default: one per core')
    one.add_argument('--out', required=True, metavar='FILE', help='report to write (JSON), for `benchmark --audit`')

    one = verbs.add_parser('pack', help='write a dataset as tar shards with an index')
    one.add_argument('dataset', metavar='ID')
    one.add_argument('--root', metavar='DIR', help=ONE_ROOT_HELP)
    one.add_argument('--out', required=True, metavar='DIR',
                     help='data folder to write to: the dataset gets its own folder in it')
    one.add_argument('--shard-size', type=float, default=1024, metavar='MB', help='size of a shard; default: 1024')

    verbs.add_parser('docs', help='write docs/bring_a_dataset.md of this checkout from the cards')
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb. Gives its exit status: 0, 1 where a check found something, 2 for a mistake of the user."""
    args = parser().parse_args(argv)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # not there when another program calls main
    from humanbench.engine.command import user_errors
    with user_errors():
        from _datasets import VERBS  # imports modules of the user's, too
        return VERBS[args.verb](args)


if __name__ == '__main__':
    sys.exit(main())
