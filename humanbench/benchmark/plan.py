"""Which cells there are, which are done, which cannot be run or mean nothing, and what the rest will cost."""
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from humanbench import catalog, protocols
from humanbench.errors import UserError

from .files import digest, read_json, record_files
from .recipe import Recipe, benchmark_datasets, recipe
from .results import read_failure

if TYPE_CHECKING:
    from humanbench.engine.backbone import Backbone

STATUSES = ('cached', 'run', 'failed', 'missing data', 'not applicable')
SEED = '{seed}'  # in a weight string: the seed of the cell

GPU_HOURS = {  # full finetuning at published size on V100-class GPUs, from released logs or their seconds per step
    'coco_pose': 45, 'aic': 45, 'h36m_pose': 45, 'mpii': 6.5, 'h36m_parsing': 24, 'lip': 23, 'cihp': 21, 'atr': 13,
    'pa100k': 12, 'rapv2': 10, 'peta': 4, 'crowdhuman': 146, 'caltech': 58, 'market1501': 5, 'msmt17': 8, 'cuhk03': 5,
    'sensereid': 6, 'shanghaitech_a': 3, 'shanghaitech_b': 4,
}
PUBLISHED_SIZES = (None, 'released')  # flavours to which the hours apply
PROTOCOL_SHARE = {'full': 1.0, 'partial': 0.5, 'head': 0.4, 'direct': 0.02}  # without a backward pass it is cheap


@dataclass(frozen=True, order=True)
class Weights:
    """A leaderboard row: a name for people, the string that says where the weights are, the network that takes them.

    A ``{seed}`` in the string stands for the seed of the cell: the row is then one pretraining for each seed, and its
    spread is that of pretraining and finetuning together.

    Attributes:
        per_seed: whether these are the weights of one seed out of such a row.
        backbone: what ``--backbone`` says; empty where the weights, or else the recipes, say it.
    """
    name: str
    spec: str
    per_seed: bool = False
    backbone: str = ''

    @classmethod
    def parse(cls, text: str, backbone: str | None = None) -> 'Weights':
        """Read ``NAME=SPEC`` or ``SPEC``; without a name the row is named like the weights and the network asked for.

        Raises:
            UserError: no such scheme, file, timm model or network.
        """
        name, equals, spec = text.partition('=')
        if not equals or re.search(r'[:@/\\]', name) or Path(text).exists():
            name, spec = text + f' ({backbone})' * bool(backbone), text
        if not name.strip() or not spec.strip():
            raise UserError(
                f"'{text}' names no weights: expected NAME=SPEC or SPEC, such as mine=path:latest.pth or scratch.")
        if SEED not in spec:  # else it is checked when the seeds are known
            _check(spec)
        return cls(name, spec, backbone=backbone or '')

    def of_seed(self, seed: int) -> 'Weights':
        """The weights of the cells of one seed: these, unless ``{seed}`` stands in the string.

        Raises:
            UserError: there are none for this seed.
        """
        if SEED not in self.spec:
            return self
        spec = self.spec.replace(SEED, str(seed))
        _check(spec)
        return Weights(self.name, spec, per_seed=True, backbone=self.backbone)

    @cached_property
    def hash(self) -> str:
        """Hash of the file's bytes, or of the string where a library holds the weights (a plan downloads nothing)."""
        from humanbench import weights
        parsed = weights.parse(self.spec)
        if parsed.scheme == 'timm':
            return digest(str(parsed))
        # one file at another lambda is another row's weights, also where --backbone says the network
        turned = [] if parsed.semantic is None else [parsed.semantic]
        return digest([parsed.scheme, weights.sha256(self.spec), *turned])

    @cached_property
    def network(self) -> 'Backbone | None':
        """The network that the row asks for, by name or by its weights; None where the recipes' own will do."""
        from humanbench.engine import backbone
        return backbone.choose(self.backbone or None, self.spec)


@dataclass(frozen=True, order=True)
class Cell:
    """One benchmark run: a dataset under a protocol from one set of weights with one seed."""
    dataset: str
    protocol: str
    weights: Weights
    seed: int
    flavor: str | None = None

    @property
    def slug(self) -> str:
        """File name of the cell's record: the same on every machine, different for different cells."""
        name = re.sub(r'[^A-Za-z0-9.-]', '-', self.weights.name)[:60]
        if name != self.weights.name:
            name += '-' + sha256(self.weights.name.encode()).hexdigest()[:6]
        return '__'.join(
            [name, self.dataset, self.protocol, f'seed{self.seed}', *([self.flavor] if self.flavor else [])])

    def __str__(self) -> str:
        flavor = f' ({self.flavor})' if self.flavor else ''
        return f'{self.weights.name} on {self.dataset}, {self.protocol}, seed {self.seed}{flavor}'


@dataclass(frozen=True)
class PlannedCell:
    """A cell and what will happen to it.

    Attributes:
        status: one of :data:`STATUSES`; ``run`` is the only one that runs.
        reason: why it has that status, for people.
        seconds: estimated time on one device; None when nothing is known. 0 for cells that do not run.
        key: what a record must agree with to count as this cell's result.
        backbone: name of its network.
        attempts: how often it has failed before with this key.
    """
    cell: Cell
    recipe: Recipe
    status: str
    reason: str
    seconds: float | None
    key: Mapping[str, str]
    backbone: str
    attempts: int = 0
    overrides: Mapping[str, Any] | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        cell = self.cell
        return dict(dataset=cell.dataset,
                    protocol=cell.protocol,
                    weights=cell.weights.name,
                    weights_spec=cell.weights.spec,
                    seed=cell.seed,
                    flavor=cell.flavor,
                    backbone=self.backbone,
                    task=self.recipe.task,
                    group=self.recipe.group,
                    status=self.status,
                    reason=self.reason,
                    estimated_seconds=self.seconds,
                    key=dict(self.key))


def plan(datasets: Sequence[str] | None, protocol_names: Sequence[str], rows: Sequence[Weights], seeds: Sequence[int],
         flavor: str | None = None, out: str | Path | None = None, retries: int = 1,
         overrides: Mapping[str, Any] | None = None) -> list[PlannedCell]:
    """Lay out all cells, one seed of everything before the next, so that an interrupted run is already a leaderboard.

    Args:
        datasets: dataset ids, task names or benchmark configs of yours; None for all that have a shipped config.
        protocol_names: of ``full``, ``partial``, ``head``, ``direct``.
        rows: one set of weights each, or one for each seed (:class:`Weights`).
        flavor: a size the configs offer, such as ``debug``; None for the real one.
        out: folder of finished cells, or None to ignore them.
        retries: how many times a cell that failed is tried again.
        overrides: further config values of every cell, on top of protocol and flavour.

    Raises:
        UserError: an unknown name, a flavour that a config lacks, two rows of one name.
    """
    recipes = _select_recipes(datasets)
    for name in protocol_names:
        protocols.get(name)
    _refuse_duplicates('weights', [x.name for x in rows])
    _refuse_duplicates('seed', [str(x) for x in seeds])
    lacking = [x.dataset for x in recipes if flavor is not None and flavor not in x.flavors]
    if lacking:
        offered = ', '.join(sorted(set.intersection(*(set(x.flavors) for x in recipes)))) or 'none'
        raise UserError(f"No flavour '{flavor}' for {', '.join(lacking)}. All chosen datasets have: {offered}.")
    if not (recipes and protocol_names and rows and seeds):
        raise UserError('The plan is empty: give at least one dataset, protocol, set of weights and seed.')
    folder = Path(out) / 'cells' if out is not None else None
    measured = measured_seconds(folder)
    return [_plan_cell(Cell(r.dataset, p, w, s, flavor), r, folder, retries, overrides, measured)
            for s in seeds
            for r, p, w in product(recipes, protocol_names, [row.of_seed(s) for row in rows])]


def not_applicable(recipe: Recipe, protocol: str, spec: str) -> str | None:
    """Why a cell cannot mean anything, or None if it can."""
    if recipe.task == 'reid' and protocol == 'head':
        return 'the tested feature lies before the head: training the head alone cannot change it'
    if protocol == 'direct':
        if recipe.group == 'unseen':
            return 'no pretraining head: the task is never pretrained'
        if recipe.group == 'out' and recipe.task != 'reid':
            return 'no pretraining head: the dataset is not pretrained on'
        from humanbench.weights import parse
        if parse(spec).scheme not in ('path', 'file'):
            return f"'{spec}' has no pretraining head"
    if protocol not in recipe.protocols:
        return f'the config has no {protocol} protocol'
    return None


def measured_seconds(folder: Path | None) -> dict[tuple, list[float]]:
    """What finished cells took of one device, or of several together, by (dataset, protocol, flavour, network)."""
    times: dict[tuple, list[float]] = {}
    for path in record_files(folder) if folder is not None else ():
        record = read_json(path)
        if isinstance(record.get('seconds'), (int, float)):
            kind = tuple(record.get(name) for name in ('dataset', 'protocol', 'flavor', 'backbone'))
            times.setdefault(kind, []).append(record['seconds'] * record.get('processes', 1))
    return times


def _plan_cell(cell: Cell, recipe: Recipe, folder: Path | None, retries: int, overrides: Mapping[str, Any] | None,
               measured: Mapping[tuple, list[float]]) -> PlannedCell:
    network = recipe.other_network(cell.weights.network, cell.flavor)
    key = dict(metric_version=recipe.metric_version, protocol_version=protocols.VERSION, weights_hash=cell.weights.hash,
               config_hash=recipe.config_hash(cell.protocol, cell.flavor, overrides, network))
    status, reason, attempts = _status(cell, recipe, key, folder, retries, overrides)
    backbone = network.name if network else recipe.network_name(cell.flavor)
    seconds = 0.0
    if status == 'run':
        cost = recipe.relative_cost(network) if cell.flavor in PUBLISHED_SIZES else 1.0
        seconds = estimate(cell, backbone, measured, cost)
    return PlannedCell(cell, recipe, status, reason, seconds, key, backbone, attempts, overrides)


def _status(cell: Cell, recipe: Recipe, key: Mapping[str, str], folder: Path | None, retries: int,
            overrides: Mapping[str, Any] | None = None) -> tuple[str, str, int]:
    why_not = not_applicable(recipe, cell.protocol, cell.weights.spec)
    if why_not:
        return 'not applicable', why_not, 0
    reason, attempts = '', 0
    if folder is not None:
        done, failed = folder / f'{cell.slug}.json', folder / f'{cell.slug}.failed.json'
        if done.is_file():
            changed = changed_keys(read_json(done), key)
            if not changed:
                return 'cached', '', 0
            reason = f'the record is of another {" and ".join(changed)}'
        if failed.is_file() and not changed_keys(record := read_failure(failed), key):
            attempts = record['attempts']
            if attempts > retries:
                return 'failed', f'failed {attempts} times: {record["error"]}', attempts
            reason = f'failed {attempts} times before'
    missing = missing_data(recipe, cell.flavor, overrides)
    return ('missing data', missing, attempts) if missing else ('run', reason, attempts)


def looked_at_again(planned: PlannedCell, out: str | Path, retries: int) -> PlannedCell:
    """The same cell as the folder has it now, where other runs may have written since it was planned."""
    status, reason, attempts = _status(planned.cell, planned.recipe, planned.key, Path(out) / 'cells', retries,
                                       planned.overrides)
    return replace(planned, status=status, reason=reason, attempts=attempts)


def changed_keys(record: Mapping[str, Any], key: Mapping[str, str]) -> list[str]:
    """Names of the key's parts in which a record differs: it is then another experiment's result."""
    recorded = record.get('key') or {}
    words = dict(metric_version='metric version', protocol_version='protocol version', config_hash='recipe',
                 weights_hash='set of weights')
    return [words[name] for name, value in key.items() if recorded.get(name) != value]


def missing_data(recipe: Recipe, flavor: str | None, overrides: Mapping[str, Any] | None = None) -> str | None:
    """Where a dataset was expected, if it is not there. MiniHuman is made on first use and never missing."""
    from humanbench.datasets.roots import MINIHUMAN, dataset_root
    root = recipe.data_root(flavor, overrides)
    if root is not None and root.startswith(MINIHUMAN):
        return None
    for dataset, own_root in {recipe.dataset: root, **recipe.trained_on()}.items():
        try:
            folder = dataset_root(own_root, catalog.card(dataset))
        except UserError as error:  # a URL at which there is nothing
            return str(error)
        if not folder.is_dir():
            return f"there is no folder '{folder}': put {dataset} there, or set HUMANBENCH_DATA"
    return None


def estimate(cell: Cell, backbone: str, measured: Mapping[tuple, list[float]], cost: float = 1.0) -> float | None:
    """Seconds of one cell on one device: as finished cells of its kind took, else the published size's GPU hours.

    Args:
        cell: to be run.
        backbone: name of its network.
        measured: of :func:`measured_seconds`.
        cost: of its network, relative to the one that the GPU hours are of.
    """
    times = measured.get((cell.dataset, cell.protocol, cell.flavor, backbone))
    if times:
        return median(times)
    if cell.flavor in PUBLISHED_SIZES and cell.dataset in GPU_HOURS:
        return 3600 * GPU_HOURS[cell.dataset] * PROTOCOL_SHARE[cell.protocol] * cost
    same_flavor = [x for (_, _, flavor, _), found in measured.items() if flavor == cell.flavor for x in found]
    return median(same_flavor) if same_flavor else None


def _select_recipes(names: Sequence[str] | None) -> list[Recipe]:
    known = benchmark_datasets()
    chosen = []
    for name in known if names is None else names:
        chosen += [recipe(x) for x in known if name in catalog.card(x).tasks] if name in catalog.TASKS else [
            recipe(name)]
    return list({x.dataset: x for x in chosen}.values())


def _refuse_duplicates(kind: str, names: Sequence[str]) -> None:
    twice = sorted({x for x in names if list(names).count(x) > 1})
    if twice:
        raise UserError(f"Two of one {kind}: {', '.join(twice)}. Give each once; name a row by NAME=SPEC.")


def _check(spec: str) -> None:
    """Refuse a weight string of no known scheme, file or timm model."""
    from humanbench import weights  # here, because it brings all models with it
    from humanbench.weights.files import existing
    parsed = weights.parse(spec)
    if parsed.scheme == 'timm':
        weights.timm_network(parsed.name)
    elif parsed.scheme != 'scratch':
        existing(parsed.name)
