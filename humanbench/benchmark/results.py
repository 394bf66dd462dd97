"""Records of finished cells: read, checked, summarised over seeds. What does not compare is refused, not averaged."""
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from types import NoneType
from typing import Any

from humanbench import catalog, protocols
from humanbench.errors import UserError

from .files import digest, read_json, record_files
from .metrics import MetricInfo, metric_info
from .recipe import GROUPS

RECORD_VERSION = 2
ANY_FLAVOR = 'any'
_TYPES = {
    'record_version': int,
    'dataset': str,
    'task': str,
    'group': str,
    'protocol': str,
    'weights': str,
    'weights_spec': str,
    'backbone': str,
    'seed': int,
    'flavor': (str, NoneType),
    'metric': str,
    'higher_is_better': bool,
    'value': (int, float),
    'metrics': dict,
    'key': dict,
    'input_size': list,
    'split_hash': dict,
    'seconds': (int, float),
    'trainable_parameters': int,
    'total_parameters': int,
    'digest': str,
}
_CHOICES = {'task': catalog.ALL_TASKS, 'group': tuple(GROUPS.values()), 'protocol': tuple(protocols.PROTOCOLS)}
_FAILURE = {'dataset': str, 'protocol': str, 'weights': str, 'attempts': int, 'error': str, 'key': dict}
_KEY = ('metric_version', 'protocol_version', 'config_hash', 'weights_hash')


@dataclass(frozen=True)
class Record:
    """One finished cell, as far as reports compute with it. ``values`` is the whole record as it lies in its file."""
    path: Path
    dataset: str
    task: str
    group: str
    protocol: str
    weights: str
    seed: int
    flavor: str | None
    metric: str
    higher_is_better: bool
    value: float
    input_size: tuple[int, ...]
    key: Mapping[str, str]
    values: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> 'Record':
        """Read and check one record file; see :func:`validate_record` for what it refuses."""
        values = read_json(path)
        validate_record(values, str(path))
        names = ('dataset', 'task', 'group', 'protocol', 'weights', 'seed', 'flavor', 'metric', 'higher_is_better',
                 'key')
        return cls(path,
                   **{x: values[x]
                      for x in names},
                   value=float(values['value']),
                   input_size=tuple(values['input_size']),
                   values=values)

    @property
    def row_key(self) -> tuple[str, str, str]:
        """What repetitions of one cell share; a report holds one flavour."""
        return self.weights, self.dataset, self.protocol

    @property
    def weights_per_seed(self) -> bool:
        """Whether the row has weights of its own for every seed; no record of before there were such rows says so."""
        return self.values.get('weights_per_seed', False)

    @property
    def pretrainings(self) -> str:
        """How many pretrainings the seeds of the row start from, for people."""
        return 'one for each seed' if self.weights_per_seed else 'one for all seeds'


@dataclass(frozen=True)
class Summary:
    """All seeds of one (weights, dataset, protocol), in the unit of the metric (fractions, pixels, people).

    Attributes:
        std: sample standard deviation over seeds (n - 1); None for a single seed, whose spread nobody knows.
        records: one for each seed.
    """
    weights: str
    dataset: str
    task: str
    group: str
    protocol: str
    metric: str
    higher_is_better: bool
    value: float
    std: float | None
    records: tuple[Record, ...]

    @property
    def row_key(self) -> tuple[str, str, str]:
        return self.weights, self.dataset, self.protocol

    @property
    def n_seeds(self) -> int:
        return len(self.records)

    @property
    def info(self) -> MetricInfo:
        return metric_info(self.metric)


def validate_record(values: Mapping[str, Any], where: str) -> None:
    """Check one record's fields, types and digest.

    Raises:
        UserError: something is missing, of the wrong type, not a finite number, or was changed after it was written.
    """
    version = values.get('record_version')
    if isinstance(version, int) and version != RECORD_VERSION:
        raise UserError(f"'{where}' is a record of version {version}; this HumanBench reads version "
                        f'{RECORD_VERSION}. Use the HumanBench that wrote it, or delete it: it is then made again.')
    wrong = [f'{name} is missing' for name in _TYPES if name not in values]
    wrong += [
        f'{name} is {values[name]!r}' for name, kind in _TYPES.items()
        if name in values and (not isinstance(values[name], kind) or isinstance(values[name], bool) != (kind is bool))
    ]
    if not wrong:
        wrong += [f'{name} is {values[name]!r}' for name, known in _CHOICES.items() if values[name] not in known]
        wrong += [f'key.{name} is missing' for name in _KEY if not isinstance(values['key'].get(name), str)]
        if not math.isfinite(values['value']) or values['metrics'].get(values['metric']) != values['value']:
            wrong.append(f"value {values['value']} is not metrics.{values['metric']}")
        if values['digest'] != record_digest(values):
            wrong.append('its digest does not fit: the record was changed after it was written')
    if wrong:
        raise UserError(
            f"'{where}' is not a record of a finished cell: {'; '.join(wrong)}. Delete it; `benchmark run` makes "
            'it again.')


def record_digest(values: Mapping[str, Any]) -> str:
    """Hash of a record without its own digest."""
    return digest({k: v for k, v in values.items() if k != 'digest'})


def load_records(out: str | Path, flavor: str | None = ANY_FLAVOR) -> list[Record]:
    """Read the finished cells of a benchmark folder.

    Args:
        out: the folder that ``benchmark run`` wrote.
        flavor: which flavour to keep (None is the real size); by default the only one there is.

    Raises:
        UserError: a damaged record, a cell twice, or several flavours and none chosen.
    """
    records = [Record.read(x) for x in record_files(Path(out) / 'cells')]
    flavors = sorted({x.flavor or 'full size' for x in records})
    if flavor == ANY_FLAVOR and len(flavors) > 1:
        raise UserError(
            f"'{out}' holds cells of several flavours ({', '.join(flavors)}), which do not compare. Choose one: "
            "--flavor debug, or --flavor none for full size.")
    records = [x for x in records if flavor == ANY_FLAVOR or x.flavor == flavor]
    seen: dict[tuple, Record] = {}
    for record in records:
        cell = (*record.row_key, record.seed)
        if cell in seen:
            raise UserError(f"One cell twice: '{seen[cell].path}' and '{record.path}'. Delete one of them.")
        seen[cell] = record
    return records


def read_failure(path: Path) -> dict[str, Any]:
    """The note of a failed cell.

    Raises:
        UserError: the file is none.
    """
    values = read_json(path)
    wrong = [name for name, kind in _FAILURE.items() if not isinstance(values.get(name), kind)]
    if wrong:
        raise UserError(f"'{path}' is not the note of a failed cell: {', '.join(wrong)} is missing or of the "
                        'wrong kind. Delete it; the cell is then tried again.')
    return values


def load_failures(out: str | Path, flavor: str | None) -> list[dict[str, Any]]:
    """Records of failed cells of one flavour that have not succeeded since."""
    folder = Path(out) / 'cells'
    failures = [read_failure(x) for x in sorted(folder.glob('*.failed.json'))
                if not x.with_name(x.name.replace('.failed.json', '.json')).is_file()]
    return [x for x in failures if x.get('flavor') == flavor]


def check_comparable(records: Iterable[Record]) -> None:
    """Refuse records that look alike and are not (:func:`incomparable`).

    Raises:
        UserError: names the first two files and what differs.
    """
    for reason in incomparable(records):
        raise UserError(reason)


def incomparable(records: Iterable[Record]) -> Iterator[str]:
    """Why records of one dataset do not compare: they are of another metric, protocol, input size or data.

    The seeds of a row start from one set of weights, or the row says that each has its own (:class:`Weights`): then all
    that was measured with one seed starts from one set. Each reason names two files and what differs.
    """
    first: dict[tuple, Record] = {}
    for record in records:
        other = first.setdefault((record.dataset,), record)
        yield from _differences(record, other, {
            'metric': lambda x: x.metric, 'metric version': lambda x: x.key['metric_version'],
            'protocol version': lambda x: x.key['protocol_version'], 'input size': lambda x: x.input_size,
            'test split': lambda x: x.values['split_hash'].get('test')})
        other = first.setdefault((record.dataset, record.protocol), record)
        yield from _differences(record, other, {'training split': lambda x: x.values['split_hash']})
        other = first.setdefault(('row', record.weights), record)
        yield from _differences(record, other, {'backbone': lambda x: x.values['backbone']})
        other = first.setdefault(record.row_key, record)
        yield from _differences(record, other, {
            'recipe': lambda x: x.key['config_hash'], 'number of pretrainings': lambda x: x.pretrainings})
        group = (record.weights, record.seed) if record.weights_per_seed else record.row_key
        other = first.setdefault(('weights', group), record)
        yield from _differences(record, other, {'set of weights': lambda x: x.key['weights_hash']})


def _differences(record: Record, other: Record, aspects: Mapping[str, Any]) -> Iterator[str]:
    for name, read in aspects.items():
        if read(record) != read(other):
            yield (f"'{record.path.name}' and '{other.path.name}' do not compare: their {name} differs "
                   f'({read(record)} and {read(other)}). Run the older one again, or report them apart.')


def summarise(records: Sequence[Record]) -> list[Summary]:
    """Mean and sample deviation over seeds for every (weights, dataset, protocol), in the order of the records.

    Raises:
        UserError: the records do not compare.
    """
    check_comparable(records)
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        groups.setdefault(record.row_key, []).append(record)
    summaries = []
    for members in groups.values():
        members.sort(key=lambda x: x.seed)
        values = [float(x.value) for x in members]
        one = members[0]
        summaries.append(Summary(
            one.weights, one.dataset, one.task, one.group, one.protocol, one.metric, one.higher_is_better, mean(values),
            stdev(values) if len(values) > 1 else None, tuple(members)))
    return summaries


def ranks(summaries: Sequence[Summary]) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Place of every row among those of its own dataset and protocol: (rank, of how many). Equals share a rank."""
    fields: dict[tuple[str, str], list[Summary]] = {}
    for one in summaries:
        fields.setdefault((one.dataset, one.protocol), []).append(one)
    result = {}
    for rivals in fields.values():
        rivals = sorted(rivals, key=lambda x: -x.value if x.higher_is_better else x.value)
        for place, one in enumerate(rivals, 1):
            before = rivals[place - 2]
            rank = result[before.row_key][0] if place > 1 and before.value == one.value else place
            result[one.row_key] = (rank, len(rivals))
    return result
