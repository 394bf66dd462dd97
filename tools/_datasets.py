"""What ``datasets`` does for each of its verbs."""
import os
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from humanbench import catalog
from humanbench.datasets import doctor, guide, places, shelf, storage
from humanbench.engine.command import write_json
from humanbench.errors import UserError, unknown_name
from humanbench.pool import default_workers


def console() -> Console:
    """Where tables go: as wide as the terminal, and wide enough for a table in a file."""
    out = Console()
    return out if out.is_terminal else Console(width=max(160, out.width))


# ------------------------------------------------------------------------------------------------------------- list
def list_command(args: Namespace) -> int:
    """Print what there is and where it is."""
    rows = shelf.entries(args.root, args.task)
    table = Table('id', 'task', 'role', 'where', 'records', title=f'Datasets in {places.shown(args.root)}')
    for row in rows:
        where = escape(str(row['folder'])) if row['found'] else f'[dim]not found: {escape(str(row["folder"]))}[/]'
        if not row['reader']:
            where = '[dim]not read (withdrawn)[/]' if 'withdrawn' in row['licence'] else '[dim]no reader[/]'
        records = ', '.join(f'{split} {n:,}' for split, n in row['records'].items())
        table.add_row(row['id'], ', '.join(row['tasks']), ', '.join(row['role']), where, records)
    console().print(table)
    print(f'{sum(x["found"] for x in rows)} of {len(rows)} found. `datasets show ID` says what an id is and how to '
          'unpack it; `datasets check` whether what is here is whole.')
    if args.json:
        write_json(args.json, rows)
    return 0


# ------------------------------------------------------------------------------------------------------------- show
def show_command(args: Namespace) -> int:
    """Print the card."""
    out = console()
    for title, lines in guide.description(catalog.card(args.dataset), args.root):
        out.print(f'[bold]{escape(title)}[/]')
        for line in lines:
            out.print(f'  {escape(line)}', highlight=False)
    return 0


# ------------------------------------------------------------------------------------------------------------ check
def check_command(args: Namespace) -> int:
    """Examine datasets; 1 where anything is wrong."""
    for kind in args.ignore:
        if kind not in doctor.KINDS:
            raise unknown_name('kind of problem', kind, doctor.KINDS)
    workers = _workers(args)
    ids, results = places.chosen(args.datasets, args.root), []
    with _bar() as bar:
        for id in ids:
            places.make(id, args.root)
            root = places.place(id, args.root, alone=len(ids) == 1)
            results.append(doctor.check(id, root, args.quick, workers, bar(id)))
    problems = doctor.without([x for result in results for x in result.problems], args.ignore)
    _print_results(console(), results, problems)
    if args.json:
        write_json(args.json, [vars(x) for x in problems])
    return int(any(x.is_wrong for x in problems))


def _workers(args: Namespace) -> int:
    if args.workers is not None and args.workers < 1:
        raise UserError(f'--workers {args.workers}: expected 1 or more.')
    return args.workers or default_workers()


@contextmanager
def _bar() -> Iterator[Callable[[str], doctor.Watch]]:
    """A bar with the time that is left, on a terminal; one for each dataset."""
    err = Console(stderr=True)
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        def begin(id: str) -> doctor.Watch:
            def start(total: int) -> Callable[[], None]:
                task = progress.add_task(id, total=total)
                return lambda: progress.advance(task)
            return start
        yield begin


def _print_results(out: Console, results: Sequence[doctor.Checked], problems: Sequence[doctor.Problem]) -> None:
    homepages = {x.dataset: catalog.card(x.dataset).homepage for x in results}
    found = doctor.cases(problems, homepages)
    if found:
        table = Table('dataset', 'kind', 'how many', 'first of them', 'next step', show_lines=True)
        for case in found:
            file = '' if f"'{case.first.file}'" in case.first.what else case.first.file
            first = ': '.join(x for x in (case.first.split, file, case.first.what) if x)
            kind = f'[red]{case.kind}[/]' if case.first.is_wrong else f'{case.kind} (note)'
            table.add_row(case.dataset, kind, f'{case.count:,}', escape(first), escape(case.next_step))
        out.print(table)
    table = Table('dataset', 'result', 'records', 'files', 'read now', 'seconds', 'folder')
    for x in results:
        wrong = [p for p in problems if p.dataset == x.dataset and p.is_wrong]
        verdict = f'[red]{sum(p.count for p in wrong):,} wrong[/]' if wrong else '[green]sound[/]'
        table.add_row(x.dataset, verdict + (' (synthetic)' if x.synthetic else ''), f'{x.records:,}', f'{x.files:,}',
                      f'{x.read:,}', f'{x.seconds:.1f}', escape(storage.described(x.root)))
    out.print(table)


# ------------------------------------------------------------------------------------------------------------ index
def index_command(args: Namespace) -> int:
    """Read all annotations; those of large datasets leave an index."""
    ids = places.chosen(args.datasets, args.root)
    table = Table('dataset', 'split', 'records', 'seconds', 'index')
    for id in ids:
        places.make(id, args.root)
        for row in shelf.index(id, places.place(id, args.root, alone=len(ids) == 1), args.root is None):
            table.add_row(id, row.split, f'{row.records:,}', f'{row.seconds:.1f}', escape(row.what))
    console().print(table)
    return 0


# ----------------------------------------------------------------------------------------------------------- browse
def browse_command(args: Namespace) -> int:
    """Write a contact sheet or a page."""
    from humanbench.visualization import save_image
    from humanbench.visualization.browse import dataset_page, dataset_sheet
    places.reader_of(args.dataset)
    places.make(args.dataset, args.root)
    root = os.fspath(places.place(args.dataset, args.root, alone=True))
    what = (args.dataset, root, args.split, args.num)
    if args.html:
        print(dataset_page(*what, args.seed, args.transforms, Path(args.html)))
        return 0
    sheet, split = dataset_sheet(*what, args.columns, args.seed, args.transforms)
    print(save_image(sheet, args.out or f'{args.dataset}_{split}.png'))
    return 0


# ------------------------------------------------------------------------------------------------------------ audit
def audit_command(args: Namespace) -> int:
    """Look for leaks, and write the report."""
    from humanbench.datasets.audit import audit
    found = [] if args.pretrain and args.evaluate else places.chosen(None, args.root)
    pretrain = args.pretrain or [x for x in found if set(catalog.card(x).role) & set(catalog.TRAINING_ROLES)]
    evaluate = args.evaluate or [x for x in found if set(catalog.card(x).role) - set(catalog.TRAINING_ROLES)]
    workers = _workers(args)
    with _bar() as bar:
        report = audit(pretrain, evaluate, args.root, workers, lambda dataset, total: bar(dataset)(total))
    write_json(args.out, report)
    table = Table('tested dataset', 'images', 'in pretraining data', 'same bytes', 'same looks', 'mirrored', 'in',
                  'people or photographs by name')
    for id, x in report['datasets'].items():
        names = '; '.join(f'{y["shared"]:,} of {y["tested"]:,} {y["what"]} in {y["dataset"]}' for y in x['names'])
        table.add_row(id, f'{x["test_images"]:,}', f'{x["leaked"]:,}', f'{x["same_bytes"]:,}', f'{x["same_looks"]:,}',
                      f'{x["mirrored"]:,}', ', '.join(x['by_dataset']), names)
    console().print(table)
    print(f'{args.out}: {len(report["pretrain"])} pretraining datasets. Give it to `benchmark --audit {args.out}`.')
    return 0


# ------------------------------------------------------------------------------------------------------- pack, docs
def pack_command(args: Namespace) -> int:
    """Write tar shards."""
    from humanbench.datasets.storage import pack
    places.reader_of(args.dataset)
    places.make(args.dataset, args.root)
    out = Path(args.out) / catalog.card(args.dataset).layout.root
    done = pack(places.place(args.dataset, args.root, alone=True), out, round(args.shard_size * 2**20))
    print(f'{done.folder}: {done.files:,} files, {done.size / 2**20:,.1f} MB in {done.shards} shards. Read it with '
          f"--root '{args.out}', root= or $HUMANBENCH_DATA like any folder.")
    return 0


def docs_command(args: Namespace) -> int:
    """Write the page that is made of the cards."""
    print(guide.write_page(Path(__file__).resolve().parents[1] / 'docs'))
    return 0


VERBS = {'list': list_command, 'show': show_command, 'check': check_command, 'index': index_command,
         'browse': browse_command, 'audit': audit_command, 'pack': pack_command, 'docs': docs_command}
