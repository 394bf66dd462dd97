"""What ``train`` and ``test`` both take on their command line."""
import argparse
import os
from collections.abc import Sequence

from mmengine.config import DictAction


def recipe_parser(description: str) -> argparse.ArgumentParser:
    """A command line that names a config, its size and protocol, and how processes were launched."""
    p = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('config', help='a config file, or its name below configs/')
    p.add_argument('--work-dir', help='where everything that is written goes (default: work_dirs/CONFIG)')
    p.add_argument('--protocol', help='full, partial, head or direct (benchmark configs)')
    p.add_argument('--flavor', help="a size of the recipe, e.g. 'debug' (configs that have flavours)")
    p.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override config values')
    p.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    p.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)  # torch's old launcher
    return p


def parse(p: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; a rank that came as one of them goes where MMEngine looks for it."""
    args = p.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args
