"""The whole chain on one laptop: synthetic people, PATH pretraining, finetuning on six tasks, leaderboard, pictures.

    make demo          or        humanbench demo --out work_dirs/demo

Everything that is finished is kept: killed at any point, the same command goes on where it stopped.
"""
import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

DATASETS = ['market1501', 'coco_pose', 'lip', 'pa100k', 'crowdhuman', 'shanghaitech_a']
PROTOCOLS = ['full', 'partial', 'head', 'direct']
RECIPE = 'path/path_debug.py'
MOST_PROCESSES = 4  # of pretraining: its seven units keep no more busy


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--out', default='work_dirs/demo', help='where everything goes (default: work_dirs/demo)')
    p.add_argument('--seeds', type=int, nargs='+', default=[0, 1], help='of the finetuning runs (default: 0 1)')
    p.add_argument('--workers', type=int, default=len(os.sched_getaffinity(0)), help='processes (default: cores)')
    return p


def announce(title: str, start: float) -> None:
    print(f'\n== {title}   [{time.monotonic() - start:.0f} s since the start]', flush=True)


def make_data(recipe: str, datasets: Sequence[str], size: str = 'small') -> None:
    """Generate all editions at once, on all cores, before several processes would each wait for one."""
    from humanbench.datasets.roots import data_folder
    from humanbench.engine.launch import load_config
    from humanbench.minihuman import ensure
    ensure(data_folder() / 'minihuman' / size, size, 0, sorted({*load_config(recipe).sources, *datasets}))


def pretrain(out: Path, processes: int) -> Path:
    """The pretrained checkpoint; a run that was interrupted is resumed, in any number of processes."""
    from humanbench.engine.launch import load_config
    from humanbench.errors import UserError
    folder = out / 'pretrain'
    done = folder / f'iter_{load_config(RECIPE).train_cfg.max_steps}.pth'
    if not done.exists():
        resume = ['--resume'] if (folder / 'last_checkpoint').exists() else []
        spread = ['--gpus', str(processes)] if processes > 1 else []
        status = subprocess.run([sys.executable, '-m', 'humanbench.cli', 'train', RECIPE, '--work-dir', str(folder),
                                 *spread, *resume]).returncode
        if status or not done.exists():
            raise UserError(f"Pretraining ended early (status {status}); what it said stands above. The same command "
                            f"goes on from its last checkpoint; to begin anew, remove '{folder}'.")
    return done


def show(out: Path, checkpoint: Path) -> Path:
    """A sheet of predictions by the pretraining heads, and of counting, which PATH never saw, after finetuning."""
    from humanbench.apis.showcase import examples, write_sheet
    from humanbench.engine.launch import load_config
    recipe = load_config(RECIPE)
    recipe.work_dir = str(out / 'predictions')
    found = {f'{recipe.sources[name].task} ({name})': examples(recipe, str(checkpoint), name)
             for name in recipe.evaluations}
    counting = load_config('benchmark/counting/shanghaitech_a.py', 'debug', 'full')
    counting.work_dir = str(out / 'predictions')
    last = next(out.glob('work/path__shanghaitech_a__full__seed0__debug__*/last_checkpoint'))
    found['counting (shanghaitech_a), finetuned'] = examples(counting, last.read_text().strip(), 'shanghaitech_a')
    return write_sheet(found, out / 'predictions.png')


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    start, out = time.monotonic(), Path(args.out)
    from humanbench.benchmark import commands
    from humanbench.benchmark.compare import compare_rows, leads_text
    from humanbench.benchmark.results import load_records
    from humanbench.engine.command import user_errors
    sys.path.insert(0, str(Path(__file__).parent))
    from benchmark import make_parser
    with user_errors():
        announce('1/4  MiniHuman: synthetic people in the native formats', start)
        make_data(RECIPE, DATASETS)
        announce('2/4  PATH: one network learns from seven datasets and five tasks', start)
        checkpoint = pretrain(out, min(args.workers, MOST_PROCESSES))
        announce('3/4  Benchmark: six tasks, three protocols and none, from PATH and from scratch', start)
        options = make_parser().parse_args([
            'all', '--weights', f'path=path:{checkpoint}', 'scratch=scratch', '--datasets', *DATASETS, '--protocols',
            *PROTOCOLS, '--seeds', *map(str, args.seeds), '--flavor', 'debug', '--out', str(out), '--workers',
            str(args.workers)])
        status = commands.all_command(options)
        announce('4/4  Predictions, as pictures', start)
        print(show(out, checkpoint))
        records = load_records(out)
        print(f'\n{compare_rows(records, "path", "scratch")}\n\n{leads_text(records, "path", "scratch")}')
    print(f'\nDone in {(time.monotonic() - start) / 60:.1f} minutes: {out}/leaderboard.html, {out}/predictions.png')
    return status


if __name__ == '__main__':
    sys.exit(main())
