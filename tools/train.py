"""Train: pretrain on a mixture of sources, or finetune on one dataset under a protocol.

    mim train humanbench configs/path/path_debug.py
    humanbench train benchmark/pose/coco_pose.py --protocol head --weights path:path.pth --flavor debug
"""
import argparse
import os
import sys
from collections.abc import Sequence

from mmengine.config import DictAction


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('config', help='a config file, or its name below configs/')
    p.add_argument('--work-dir', help='where logs and checkpoints go (default: work_dirs/CONFIG)')
    p.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                   help='continue the run in the work folder, or from this checkpoint')
    p.add_argument('--protocol', help='full, partial, head or direct (benchmark configs)')
    p.add_argument('--flavor', help="a size of the recipe, e.g. 'debug' (configs that have flavours)")
    p.add_argument('--weights', help='what to start from: scratch, timm:NAME, mae:FILE, path:FILE, FILE ...')
    p.add_argument('--seed', type=int, help='another seed than the recipe says')
    p.add_argument('--test', action='store_true', help='evaluate when training is done')
    p.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override config values')
    p.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    p.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)  # torch's launcher
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parser().parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    from humanbench.engine.command import configure, user_errors
    from humanbench.engine.launch import build_runner
    with user_errors():
        config = configure(args)
        runner = build_runner(config)
        runner.train()
        if args.test:
            runner.test()


if __name__ == '__main__':
    sys.exit(main())
