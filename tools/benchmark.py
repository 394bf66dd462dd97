"""Measure weights on the HumanBench datasets and lay the results side by side.

    benchmark --weights timm:vit_base_patch14_dinov2 --protocol head partial
    benchmark plan|run|report|validate|compare ...

Without a verb it prints the plan and its cost, runs what is not cached and writes the leaderboard. Killed at any
point, the same command goes on where it stopped.
"""
import argparse
import sys

VERBS = ('plan', 'run', 'report', 'validate', 'compare')


def make_parser() -> argparse.ArgumentParser:
    """The command line. Nothing heavy is imported for it, so that -h answers at once."""
    parser = argparse.ArgumentParser(prog='benchmark',
                                     description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    cells = argparse.ArgumentParser(add_help=False)
    cells.add_argument('--weights', nargs='+', required=True, metavar='[NAME=]SPEC',
                       help='leaderboard rows: scratch, timm:NAME, mae:FILE, path:FILE, FILE ...; NAME= names the row; '
                       '{seed} in FILE is that of the cell, for one pretraining per seed')
    cells.add_argument('--backbone', metavar='NAME',
                       help='another network than the weights or the recipes say: vit_b, vit_l, swin_b, timm:NAME or a '
                            'config file')
    cells.add_argument('--datasets',
                       '--dataset',
                       nargs='+',
                       metavar='ID',
                       help='dataset ids, task names, or benchmark configs of yours; default all shipped')
    cells.add_argument('--protocols', '--protocol', nargs='+', default=['full', 'partial', 'head'], metavar='NAME',
                       help='full, partial, head, direct; default full partial head')
    cells.add_argument('--seeds', '--seed', nargs='+', type=int, default=[0], metavar='N', help='default 0')
    cells.add_argument('--retries', type=int, default=1, metavar='N',
                       help='how often a failed cell is tried again, counted over all runs; default 1')
    cells.add_argument('--cfg-options', nargs='+', metavar='KEY=VALUE', help='config values for every cell')
    # each with an action of its own: set_defaults on a verb would change the action that all share
    folder, finished = (argparse.ArgumentParser(add_help=False) for _ in range(2))
    for parent in (folder, finished):
        parent.add_argument('--out', default='work_dirs/benchmark', metavar='DIR', help='default work_dirs/benchmark')
    folder.add_argument('--flavor', metavar='NAME', help='size of the recipes, such as debug; default the real one')
    finished.add_argument('--flavor', metavar='NAME', default='any',
                          help='size of the recipes, such as debug; none is the real one; default the only one there')
    workers = argparse.ArgumentParser(add_help=False)
    workers.add_argument('--workers', type=int, metavar='N', help='cells at a time; default one per GPU, or one')
    workers.add_argument('--gpus-per-cell', type=int, default=1, metavar='N',
                         help='processes that train one cell together, a GPU each; default 1')
    workers.add_argument('--slurm', metavar='OPTIONS',
                         help='submit a job array instead; options of sbatch, as in --slurm="--partition=gpu --gpus=1"')
    workers.add_argument('--jobs', type=int, metavar='N', help='tasks of that array; default one for each cell')
    workers.add_argument('--audit', metavar='FILE',
                         help='report of `datasets audit` on the pretraining data: into the record of every cell')

    plan = verbs.add_parser('plan',
                            parents=[cells, folder],
                            help='print cells, what is cached or missing, and the cost')
    plan.add_argument('--json', metavar='FILE', help='also write one record per cell; - for standard output alone')
    verbs.add_parser('run', parents=[cells, folder, workers], help='run what is not cached')
    verbs.add_parser('all', parents=[cells, folder, workers])  # what the command does without a verb
    verbs.add_parser('report', parents=[finished], help='write leaderboard.md, .csv, .json and .html')
    verbs.add_parser('validate', parents=[finished],
                     help='check that records are whole and rows complete and comparable')
    compare = verbs.add_parser('compare', parents=[finished],
                               help='two rows, cell by cell, with spread and significance')
    compare.add_argument('rows', nargs=2, metavar='ROW')
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command. Returns its exit status: 0, 1 where a cell or a check failed, 2 for a mistake of the user."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] not in (*VERBS, '-h', '--help'):
        argv = ['all', *argv]
    arguments = make_parser().parse_args(argv or ['--help'])
    arguments.argv = argv[argv[0] == 'all':]  # what a job array runs
    from humanbench.benchmark import commands
    from humanbench.errors import UserError
    try:
        return commands.COMMANDS[arguments.verb](arguments)
    except UserError as error:
        print(f'benchmark: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\nStopped. Finished cells are kept; the same command goes on from here.', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
