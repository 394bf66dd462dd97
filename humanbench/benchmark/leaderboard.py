"""The leaderboard as data: rows, ranks, averages, and what is absent. The report writes it in four formats."""
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from humanbench import catalog, protocols
from humanbench.errors import UserError

from .audit import audit_notes
from .plan import PlannedCell, not_applicable
from .published import Published, published_results
from .recipe import benchmark_datasets, recipe
from .results import ANY_FLAVOR, Record, Summary, load_failures, load_records, ranks, summarise

GROUP_NAMES = {'in': 'in-dataset', 'out': 'out-of-dataset', 'unseen': 'unseen task'}
GROUP_MEANINGS = {'in': 'pretraining saw its training images', 'out': 'pretraining saw its task, not its images',
                  'unseen': 'pretraining saw neither its images nor its task'}


@dataclass(frozen=True)
class Absent:
    """A cell without a value. ``status`` is ``not run``, ``failed``, ``missing data`` or ``not applicable``."""
    weights: str
    dataset: str
    protocol: str
    status: str
    reason: str


@dataclass(frozen=True)
class GroupRank:
    """Mean rank of one row over a group's cells; None while cells are absent that could be run."""
    weights: str
    group: str
    mean_rank: float | None
    cells: int
    of: int


@dataclass(frozen=True)
class Average:
    """Mean of one row over the datasets of one task that share a metric; None where one of them has no value."""
    weights: str
    task: str
    protocol: str
    metric: str
    datasets: tuple[str, ...]
    value: float | None


@dataclass(frozen=True)
class Leaderboard:
    """Everything a report shows. ``rows``, ``datasets`` and ``protocols`` are in the order of the page."""
    flavor: str | None
    rows: tuple[str, ...]
    datasets: tuple[str, ...]
    protocols: tuple[str, ...]
    groups: Mapping[str, str]
    tasks: Mapping[str, str]
    summaries: tuple[Summary, ...]
    ranks: Mapping[tuple[str, str, str], tuple[int, int]]
    absent: tuple[Absent, ...]
    group_ranks: tuple[GroupRank, ...]
    averages: tuple[Average, ...]
    published: tuple[Published, ...]
    outside: tuple[str, ...]
    notes: tuple[str, ...]

    def find(self, weights: str, dataset: str, protocol: str) -> Summary | Absent:
        """The value of a cell, or why there is none."""
        return self._cells[weights, dataset, protocol]

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str], Summary | Absent]:
        return {(x.weights, x.dataset, x.protocol): x for x in (*self.absent, *self.summaries)}


def leaderboard(out: str | Path, flavor: str | None = ANY_FLAVOR, planned: Sequence[PlannedCell] = ()) -> Leaderboard:
    """Build the leaderboard of a benchmark folder.

    Args:
        out: the folder that ``benchmark run`` wrote.
        flavor: which flavour to show (None is the real size); by default the only one there is.
        planned: cells that belong to it, whether they have run or not; what is absent among them is said to be.

    Raises:
        UserError: no finished cell, or cells that do not compare.
    """
    records = load_records(out, flavor)
    if not records:
        raise UserError(f"'{out}' holds no finished cell of this flavour. Run some: benchmark run --out '{out}' ...")
    flavor = records[0].flavor
    planned = [x for x in planned if x.cell.flavor == flavor]
    specs = {x.cell.weights.name: x.cell.weights.spec for x in planned}  # first those just asked for, in that order
    specs |= {x.weights: x.values['weights_spec'] for x in records}
    datasets = _in_order(benchmark_datasets(), [*(x.dataset for x in records), *(x.cell.dataset for x in planned)])
    names = _in_order(protocols.PROTOCOLS, [*(x.protocol for x in records), *(x.cell.protocol for x in planned)])
    groups = {x.dataset: x.group for x in records} | {x.recipe.dataset: x.recipe.group for x in planned}
    tasks = {x.dataset: x.task for x in records} | {x.recipe.dataset: x.recipe.task for x in planned}
    summaries = sorted(summarise(records), key=lambda x: (datasets.index(x.dataset), names.index(x.protocol)))
    have = {(x.weights, x.dataset, x.protocol) for x in summaries}
    reasons, shipped = _reasons(planned, load_failures(out, flavor)), frozenset(benchmark_datasets())
    absent = tuple(
        _absent(cell, specs[cell[0]], reasons, shipped) for cell in product(specs, datasets, names) if cell not in have)
    return Leaderboard(flavor=flavor,
                       rows=tuple(specs),
                       datasets=tuple(datasets),
                       protocols=tuple(names),
                       groups=groups,
                       tasks=tasks,
                       summaries=tuple(summaries),
                       ranks=ranks(summaries),
                       absent=absent,
                       group_ranks=tuple(_group_ranks(specs, summaries, absent, groups)),
                       averages=tuple(_averages(specs, names, summaries, absent)),
                       published=tuple(x for x in published_results() if x.dataset in datasets),
                       outside=tuple(x for x in benchmark_datasets() if x not in datasets),
                       notes=tuple(_notes(records)))


def _in_order(order: Iterable[str], names: Iterable[str]) -> list[str]:
    names = set(names)
    known = [x for x in order if x in names]
    return known + sorted(names - set(known))


def _reasons(planned: Sequence[PlannedCell], failures: Sequence[Mapping[str, Any]]) -> dict[tuple, tuple[str, str]]:
    reasons = {(x.cell.weights.name, x.cell.dataset, x.cell.protocol): (x.status, x.reason)
               for x in planned if x.status in ('missing data', 'not applicable')}
    return reasons | {(x['weights'], x['dataset'], x['protocol']): ('failed', x['error']) for x in failures}


def _absent(cell: tuple[str, str, str], spec: str, reasons: Mapping[tuple, tuple[str, str]],
            shipped: frozenset[str]) -> Absent:
    status, reason = reasons.get(cell, ('not run', ''))
    if status == 'not run' and cell[1] in shipped:
        reason = not_applicable(recipe(cell[1]), cell[2], spec) or ''
        status = 'not applicable' if reason else status
    return Absent(*cell, status, reason)


def _group_ranks(rows: Iterable[str], summaries: Sequence[Summary], absent: Sequence[Absent],
                 groups: Mapping[str, str]) -> Iterable[GroupRank]:
    places = ranks(summaries)
    for weights, group in product(rows, GROUP_NAMES):
        own = [
            place for (name, dataset, _), (place, _) in places.items() if name == weights and groups[dataset] == group
        ]
        open_cells = [
            x for x in absent if x.weights == weights and groups[x.dataset] == group and x.status != 'not applicable'
        ]
        if own or open_cells:
            yield GroupRank(weights, group, None if open_cells else mean(own), len(own), len(own) + len(open_cells))


def _averages(rows: Iterable[str], names: Sequence[str], summaries: Sequence[Summary],
              absent: Sequence[Absent]) -> Iterable[Average]:
    together: dict[tuple[str, str], list[str]] = {}
    for x in summaries:
        if x.info.unit == '%' and x.dataset not in together.setdefault((x.task, x.metric), []):
            together[x.task, x.metric].append(x.dataset)  # counts and pixels depend on the images: no mean of them
    values = {(x.weights, x.dataset, x.protocol): x.value for x in summaries}
    hopeless = {(x.weights, x.dataset, x.protocol) for x in absent if x.status == 'not applicable'}
    for weights, protocol, ((task, metric), datasets) in product(rows, names, together.items()):
        cells = [(weights, x, protocol) for x in datasets]
        if len(datasets) > 1 and not hopeless.issuperset(cells):
            complete = all(x in values for x in cells)
            yield Average(weights, task, protocol, metric, tuple(datasets),
                          mean(values[x] for x in cells) if complete else None)


def _notes(records: Sequence[Record]) -> Iterable[str]:
    """What a reader must know before comparing rows: they were made under other conditions."""
    for what, read in (('code (git commit)', lambda x: x.values.get('git_hash')),
                       ('device', lambda x: x.values.get('device')), ('PyTorch', lambda x: x.values.get('torch'))):
        seen = sorted({str(read(x)) for x in records})
        if len(seen) > 1:
            yield f'Cells were run with more than one {what}: {", ".join(seen)}.'
    if any(x.values.get('git_dirty') for x in records):
        yield 'Some cells were run from a checkout with uncommitted changes.'
    recipes: dict[tuple, set[str]] = {}
    for x in records:
        recipes.setdefault((x.dataset, x.protocol), set()).add(x.key['config_hash'])
    for (dataset, protocol), hashes in recipes.items():
        if len(hashes) > 1:
            yield f'Rows of {dataset} under {protocol} were trained with {len(hashes)} different recipes.'
    for name in dict.fromkeys(x.weights for x in records if x.weights_per_seed):
        yield f'Each seed of {name} is a pretraining of its own: its spread is that of pretraining and finetuning.'
    yield from audit_notes(records)


def dataset_name(dataset: str) -> str:
    """A dataset's name for people; its id where it has no card."""
    return catalog.card(dataset).name if dataset in catalog.ids() else dataset
