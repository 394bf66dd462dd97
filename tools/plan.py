"""Plan a training run before any GPU is used: who computes what, how long it takes, what it needs.

    mim run humanbench plan configs/path/path_vit-b_37sets.py --world-size 8 --device h100
    humanbench plan path/path_vit-b_37sets.py --world-size 4 --speeds 1 1 0.5 0.5 --json plan.json
    humanbench plan path/path_vit-b_37sets.py --sweep 1 8 64 1024 --cut

Needs neither a GPU nor the datasets: sizes of those that are not on disk are from their cards. Times are estimates from
FLOPs and a device's assumed speed until --costs gives what a run has measured. Data loading and the optimiser's step
are not counted.
"""
import argparse
import json
import os
import sys
from collections.abc import Sequence

from mmengine.config import DictAction


def make_parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('config', help='a training config, or its name below configs/')
    p.add_argument('--world-size', type=int, metavar='N',
                   help='ranks to plan in detail; default one for each of --speeds, or 1')
    p.add_argument('--device', default='h100', metavar='NAME', help='v100, a100, h100, h200 or cpu; default h100')
    p.add_argument('--speeds', type=float, nargs='+', metavar='X',
                   help='speed of each rank as a multiple of the device, where they are not alike')
    p.add_argument('--costs', metavar='FOLDER',
                   help='a checkpoint folder (iter_N) or work folder: units cost what they did there; or a JSON file')
    p.add_argument('--sweep', type=int, nargs='+', metavar='N', help='compare these world sizes')
    p.add_argument('--grow-from', type=int, metavar='N',
                   help='above N ranks let the batch grow with them, as PATH does above 64 (another recipe)')
    p.add_argument('--cut', action='store_true',
                   help='cut units so that all ranks share the work evenly (another recipe), and say how')
    p.add_argument('--steps', type=int, metavar='N', help="length of the run; default the config's")
    p.add_argument('--epochs-of', metavar='SOURCE=N', help='length of the run: so many epochs of that source')
    p.add_argument('--cards', action='store_true', help='do not open datasets, even those on disk')
    p.add_argument('--json', metavar='FILE', help='write everything to this file as well')
    p.add_argument('--protocol', help='full, partial, head or direct (benchmark configs)')
    p.add_argument('--flavor', help="a size of the recipe, e.g. 'debug' (configs that have flavours)")
    p.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override config values')
    return p


def main(argv: Sequence[str] | None = None) -> None:
    """Print the plan; a user's mistake is one message and exit status 2."""
    args = make_parser().parse_args(argv)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # not there when another program calls main
    from _plan_report import Recipe, show_run, show_sweep
    from rich.console import Console

    from humanbench.engine.command import user_errors, write_json
    console = Console()
    with user_errors():
        recipe = Recipe.from_arguments(args)
        content = dict(config=args.config, device=recipe.estimate.device.name)
        if args.world_size is not None or not args.sweep:
            alone = len(args.speeds) if args.speeds else 1
            run = recipe.at(alone if args.world_size is None else args.world_size)
            content |= recipe.content(run)
            show_run(console, recipe, run, args.config)
        if args.sweep:
            runs = [recipe.at(world_size) for world_size in args.sweep]
            content['sweep'] = [recipe.summary(run) for run in runs]
            show_sweep(console, recipe, runs)
        if args.json:
            write_json(args.json, json.loads(json.dumps(content)))


if __name__ == '__main__':
    sys.exit(main())
