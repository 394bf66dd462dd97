"""Train: pretrain on a mixture of sources, or finetune on one dataset under a protocol.

    mim train humanbench configs/path/path_debug.py
    humanbench train benchmark/pose/coco_pose.py --protocol head --weights path:path.pth --flavor debug
"""
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from _arguments import parse, recipe_parser


def parser() -> argparse.ArgumentParser:
    p = recipe_parser(__doc__)
    p.add_argument('--resume', nargs='?', const='auto', metavar='CHECKPOINT',
                   help='continue the run in the work folder, or from this checkpoint, at any number of processes')
    p.add_argument('--weights', help='what to start from: scratch, timm:NAME, mae:FILE, path:FILE, FILE ...')
    p.add_argument('--backbone', metavar='NAME',
                   help='another network than the recipe has: vit_b, vit_l, swin_b, timm:NAME, a config file; '
                        'default of a benchmark config: the one that the weights are of')
    p.add_argument('--seed', type=int, help='another seed than the recipe says')
    p.add_argument('--test', action='store_true', help='evaluate when training is done')
    return p


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(parser(), argv)
    from humanbench.engine.command import configure, evaluate_all, evaluations_of, user_errors
    from humanbench.engine.launch import build_runner
    with user_errors():
        config = configure(args)
        if args.test:
            evaluations_of(config)  # a config without any is refused before it is trained
        runner = build_runner(config)
        runner.train()
        if stopped := runner.train_loop.stopped:
            if runner.rank == 0:
                print(f'Stopped ({stopped}) and saved: step {runner.iter} of {runner.max_iters}, in {runner.work_dir}. '
                      'The same command with --resume goes on from there.')
        elif args.test and runner.world_size == 1:
            evaluate_all(config, None, model=runner.model)
        elif args.test:  # this process holds a part of the model; the file of the whole has just been written
            evaluate_all(config, str(Path(runner.work_dir) / f'iter_{runner.iter}.pth'))


if __name__ == '__main__':
    sys.exit(main())
