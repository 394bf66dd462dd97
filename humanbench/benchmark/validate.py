"""Whether the rows of a benchmark folder can be shown: records whole and in place, all comparable, none absent."""
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from humanbench.errors import UserError

from .files import record_files
from .leaderboard import Leaderboard, leaderboard
from .metrics import metric_info
from .plan import Cell, Weights
from .recipe import benchmark_datasets, recipe
from .results import ANY_FLAVOR, Record, incomparable, load_records


@dataclass(frozen=True)
class Validation:
    """What was found.

    Attributes:
        records: how many are whole.
        wrong: what nothing can be shown with: damaged, changed, misplaced or incomparable records.
        absent: cells without a result that could have one.
        uneven: cells with fewer seeds than others.
        notes: what a reader has to know.
    """
    records: int
    wrong: tuple[str, ...]
    absent: tuple[str, ...]
    uneven: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not (self.wrong or self.absent or self.uneven)

    def __str__(self) -> str:
        lines = [*(f'WRONG: {x}' for x in self.wrong), *self.absent, *self.uneven, *(f'note: {x}' for x in self.notes)]
        if self.wrong:
            end = f'{len(self.wrong)} faults: this folder proves nothing until they are put right.'
        else:
            end = (f'{self.records} records are whole and comparable; {len(self.absent)} cells absent, '
                   f'{len(self.uneven)} with fewer seeds.')
        return '\n'.join([*lines, end])


def check_folder(out: str | Path, flavor: str | None = ANY_FLAVOR) -> Validation:
    """Look at every record of a benchmark folder and name everything that is wrong with it.

    Args:
        out: the folder that ``benchmark run`` wrote.
        flavor: which flavour to look at (None is the real size); by default the only one there is.

    Raises:
        UserError: there is nothing to look at, or there are several flavours and none was chosen.
    """
    wrong, records = [], []
    for path in record_files(Path(out) / 'cells'):
        try:
            record = Record.read(path)
        except UserError as error:
            wrong.append(str(error))
            continue
        if flavor in (ANY_FLAVOR, record.flavor):
            records.append(record)
            wrong += _misplaced(record)
    wrong += incomparable(records)
    if wrong:
        return Validation(len(records), tuple(dict.fromkeys(wrong)), (), (), ())
    records = load_records(out, flavor)  # says if there is no choice, or a cell twice
    board = leaderboard(out, flavor)
    notes = (*board.notes, *_copies(records), *_outdated(records))
    if board.outside:
        notes += (f'Of {len(benchmark_datasets())} datasets without any cell: {", ".join(board.outside)}.',)
    return Validation(len(records), (), tuple(_absent(board)), tuple(_uneven(board)), notes)


def _misplaced(record: Record) -> Iterator[str]:
    """A record under another cell's name, or with a value that its metric cannot have."""
    cell = Cell(record.dataset, record.protocol, Weights(record.weights, record.values['weights_spec']), record.seed,
                record.flavor)
    if record.path.stem != cell.slug:
        yield (f"'{record.path}' is the record of another cell ({cell}), whose file is '{cell.slug}.json'. Put it "
               'back, or delete it; `benchmark run` makes it again.')
    top = 1.0 if metric_info(record.metric).unit == '%' else float('inf')
    if not 0 <= record.value <= top:
        yield f"'{record.path}' has {record.metric} = {record.value:g}, which it cannot be (0 to {top:g})."


def _absent(board: Leaderboard) -> Iterator[str]:
    for x in board.absent:
        if x.status != 'not applicable':
            yield f'{x.status}: {x.weights} on {x.dataset}, {x.protocol}' + (f' ({x.reason})' if x.reason else '')


def _uneven(board: Leaderboard) -> Iterator[str]:
    most = max(x.n_seeds for x in board.summaries)
    for x in board.summaries:
        if x.n_seeds < most:
            yield f'fewer seeds: {x.weights} on {x.dataset}, {x.protocol}: {x.n_seeds} of {most}'


def _copies(records: Sequence[Record]) -> Iterator[str]:
    """Seeds of one cell that agree in everything they measured: rather one training twice than two."""
    cells: dict[tuple, list[Record]] = {}
    for record in records:
        if record.protocol != 'direct':  # trains nothing, so that its seeds may agree
            cells.setdefault(record.row_key, []).append(record)
    for (weights, dataset, protocol), members in cells.items():
        for one, other in combinations(members, 2):
            if one.values['metrics'] == other.values['metrics']:
                yield (f'{weights} on {dataset}, {protocol}: seeds {one.seed} and {other.seed} have equal metrics to '
                       'the last digit. Is one a copy of the other?')


def _outdated(records: Sequence[Record]) -> Iterator[str]:
    """Metrics that this version of HumanBench computes in another way."""
    known = set(benchmark_datasets())
    versions = Counter((x.dataset, x.key['metric_version']) for x in records if x.dataset in known)
    for (dataset, version), count in versions.items():
        if version != (today := recipe(dataset).metric_version):
            yield (f'{count} records of {dataset} are of metric version {version}, this HumanBench has {today}: '
                   '`benchmark run` runs them again.')
