"""What ``warp_rgb`` does."""
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

from _progress import progress
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from humanbench.apis import colour_warping as warping
from humanbench.errors import UserError
from humanbench.pool import default_workers

SAID = 10  # clips without all frames, of which the reason is printed


def run(args: Namespace) -> int:
    """Fit, and write frames; 1 where some are missing."""
    if args.frames_per_clip < 1 or (args.workers is not None and args.workers < 1) or args.seed < 0:
        raise UserError(f'--frames-per-clip {args.frames_per_clip}, --workers {args.workers}, --seed {args.seed}: '
                        'expected 1 or more, 1 or more, and 0 or more.')
    root, err = Path(args.root), Console(stderr=True, highlight=False)
    warping.check_root(root)
    tags = warping.clips(root)
    workers = default_workers() if args.workers is None else args.workers
    with progress(err, 'joints', len(tags), 'clips') as watch:
        known = warping.homographies(root, tags, args.seed, workers, watch)
    _print(known)
    if args.only_homographies:
        return 0
    written = there = 0
    problems: list[str] = []
    with progress(err, 'frames', len(tags), 'clips') as watch:
        for done in warping.warp(root, tags, known, None if args.all_frames else args.frames_per_clip, args.seed,
                                 workers):
            written, there = written + done.written, there + done.there
            problems += [f'{done.tag}: {done.problem}'] if done.problem else []
            watch(1)
    for text in problems[:SAID]:
        err.print(escape(text), style='red')
    if problems:
        err.print(f'{len(problems):,} of {len(tags):,} clips lack frames.')
    print(f'{root / warping.COLOUR}: {written:,} frames written, {there:,} were there')
    return int(bool(problems))


def _print(known: Mapping[str, warping.Homography]) -> None:
    table = Table('camera', 'pairs of joints', f'within {warping.WITHIN:g} px', 'median px')
    for camera, found in known.items():
        table.add_row(camera, f'{found.pairs:,}', f'{found.inside:.1%}', f'{found.error:.2f}')
    Console().print(table)
