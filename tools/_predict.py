"""What ``predict`` does: a model over inputs, with a bar, and at the end a word on what could not be read."""
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from humanbench.apis import HumanInferencer
from humanbench.apis.inferencer import WHOLE_IMAGE
from humanbench.apis.inputs import media_of, read_boxes
from humanbench.apis.output import check_folder
from humanbench.errors import DataError, UserError


class Step(Protocol):
    """Called after each picture with its name."""

    def __call__(self, name: str) -> None: ...


def predict(args: Namespace, out: TextIO) -> int:
    """Look at everything; 1 where something could not be read. Lines of JSON go to ``out``."""
    if not args.out and not args.json:
        raise UserError('Where to? Expected --out DIR (JSON and overlays), --json (lines on the standard output) or '
                        'both.')
    media = list(media_of(args.inputs))
    if args.out:
        check_folder(args.out, args.inputs)  # before the model is read
    boxes = args.boxes if args.boxes in (None, WHOLE_IMAGE) else read_boxes(args.boxes)
    inferencer = HumanInferencer(
        args.config or args.checkpoint, args.checkpoint if args.config else None, device=args.device, tasks=args.tasks,
        heads=_heads(args.heads), batch_size=args.batch_size, score_threshold=args.score_threshold)
    err = Console(stderr=True, highlight=False)
    asked = ', '.join(f'{task} ({head.source})' for task, head in inferencer.heads.items())
    err.print(escape(f'{asked}; on {inferencer.device}'))
    for note in inferencer.notes:
        err.print(escape(note))

    failed: list[tuple[str, DataError]] = []
    pictures = people = 0
    started = time.monotonic()
    with _bar(err, sum(len(x) for x in media)) as step:
        for result in inferencer(args.inputs, boxes, args.out, not args.no_overlay,
                                 on_error=lambda name, error: failed.append((name, error))):
            if args.json:
                print(result.to_json(), file=out, flush=True)
            pictures, people = pictures + 1, people + len(result.persons)
            step(result.name)
    where = f' in {args.out}' if args.out else ''
    err.print(escape(f'{pictures} pictures, {people} people, {time.monotonic() - started:.1f} s{where}'))
    for name, error in failed:
        err.print(escape(f'not read: {name}: {error}'), style='red')
    if failed:
        err.print(escape(f'{len(failed)} of {len(media)} inputs could not be read, or not to their end.'))
    return int(bool(failed))


def _heads(pairs: Sequence[str]) -> dict[str, str]:
    """Source by task, of TASK=SOURCE."""
    for pair in pairs:
        if pair.count('=') != 1:
            raise UserError(f"--heads '{pair}': expected TASK=SOURCE, as in --heads pose=coco_pose.")
    return dict(pair.split('=') for pair in pairs)


@contextmanager
def _bar(err: Console, total: int) -> Iterator[Step]:
    """A bar with the time that is left, where a person watches."""
    columns = (TextColumn('{task.description}', markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task('', total=total or None)
        yield lambda name: progress.update(task, advance=1, description=name)
