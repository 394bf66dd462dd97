"""What the benchmark knows of one dataset before anything runs: its config, its metric, and the hash of its recipe."""
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.config import Config

from humanbench import catalog, resources
from humanbench.errors import UserError, unknown_name

from .files import digest
from .metrics import metric_info

if TYPE_CHECKING:
    from humanbench.engine.backbone import Backbone

_NO_RECIPE = ('work_dir', 'seed', 'weights', 'protocol', 'resume', 'load_from', 'launcher', 'env_cfg', 'log_level',
              'log_processor', 'visualizer', 'default_hooks')
"""Config keys that belong to one run, or to what it prints, and do not shape its numbers."""

GROUPS = {'in_dataset': 'in', 'out_of_dataset': 'out', 'unseen_task': 'unseen'}
"""Role on a dataset's card -> group of the leaderboard: was it pretrained on, was its task pretrained on."""


@dataclass(frozen=True)
class Recipe:
    """One benchmark config, ``configs/benchmark/<task>/<dataset>.py``, as far as planning needs it.

    Attributes:
        group: ``in``, ``out`` or ``unseen``.
        metric: key of the metric that ranks.
        metric_version: version of the code behind it.
        values: what of the config shapes a number, without its overrides, as plain values.
        protocols: protocol -> its overrides; a protocol that is absent does not apply to this dataset.
        flavors: flavour -> its overrides.
    """
    dataset: str
    task: str
    group: str
    config: Path
    metric: str
    higher_is_better: bool
    metric_version: str
    values: Mapping[str, Any]
    protocols: Mapping[str, Any]
    flavors: Mapping[str, Any]

    def config_hash(self, protocol: str, flavor: str | None = None, overrides: Mapping[str, Any] | None = None,
                    network: 'Backbone | None' = None) -> str:
        """Hash of everything that shapes a cell's training, and of nothing else: equal hashes, equal recipe."""
        other = [] if network is None else [network.plain(), network.overrides(self.task, self.dataset)]
        return digest([self.values, self.protocols.get(protocol), self.flavors.get(flavor), overrides, *other])

    def network(self, flavor: str | None = None) -> Mapping[str, Any] | None:
        """Backbone config of the recipe, or None where it states none."""
        layers = [self.values, *([self.flavors[flavor]] if flavor in self.flavors else [])]
        stated = [layer['model']['backbone'] for layer in layers if 'backbone' in layer.get('model', {})]
        return {key: value for key, value in stated[-1].items() if key != '_delete_'} if stated else None

    def other_network(self, wanted: 'Backbone | None', flavor: str | None = None) -> 'Backbone | None':
        """The wanted network where it is not the recipe's own."""
        from humanbench.engine.backbone import other_than
        return other_than(wanted, self.network(flavor))

    def relative_cost(self, network: 'Backbone | None') -> float:
        """Operations of another network over those of the recipe's own at real size."""
        own = self.network()
        if network is None or own is None:
            return 1.0
        from humanbench.engine.backbone import operations
        return operations(network.network_for(self.task, self.dataset)) / operations(own)

    def network_name(self, flavor: str | None = None) -> str:
        """Name of the recipe's own network."""
        from humanbench.engine.backbone import name_of
        own = self.network(flavor)
        return name_of(own) if own else 'none'

    def data_root(self, flavor: str | None = None, overrides: Mapping[str, Any] | None = None) -> str | None:
        """The dataset root that is set (``minihuman:small``, a folder), or None for the default place."""
        roots = [*_find_roots(overrides), *_find_roots(self.flavors.get(flavor)), *_find_roots(self.values)]
        return roots[0] if roots else None

    def trained_on(self) -> dict[str, str | None]:
        """The datasets that are merged for training, where it is not the tested one, and the root each entry sets."""
        from humanbench.registry import DATASETS
        merged = [entry for source in self.values.get('sources', {}).values()
                  for entry in source['dataset'].get('datasets', ())]
        return {entry.get('dataset') or DATASETS.get(entry['type'].rpartition('.')[2]).datasets[0]: entry.get('root')
                for entry in merged}


def benchmark_datasets() -> list[str]:
    """Ids of all datasets that have a benchmark config, task by task."""
    return sorted(_configs(), key=lambda x: (catalog.TASKS.index(_configs()[x].parent.name), x))


def recipe(dataset: str) -> Recipe:
    """The recipe of one dataset.

    Args:
        dataset: its id; or the path of a benchmark config of yours.

    Raises:
        UserError: no such dataset or no benchmark config for it, or the config lacks what the benchmark needs.
    """
    configs = _configs()
    if dataset not in configs and Path(dataset).suffix == '.py':
        return read_recipe(resources.find_config(dataset).resolve())
    if dataset not in configs:
        raise unknown_name('benchmark dataset', dataset, configs)
    return read_recipe(configs[dataset])


@lru_cache
def read_recipe(path: Path) -> Recipe:
    """Read a benchmark config file."""
    config = Config.fromfile(path)
    missing = [x for x in ('protocols', 'flavors', 'evaluations') if x not in config]
    if missing:
        raise UserError(
            f"'{path}' is no benchmark config: it lacks {', '.join(missing)}. See the others in '{path.parent}'.")
    values = config.to_dict()
    metric, version = _ranked_metric(config, path)
    card = catalog.card(path.stem if path.stem in catalog.ids() else _dataset_of(config))
    groups = [GROUPS[x] for x in card.role if x in GROUPS]
    return Recipe(
        dataset=card.id, task=card.tasks[0], group=groups[0] if groups else 'out', config=path, metric=metric,
        higher_is_better=metric_info(metric).higher_is_better, metric_version=version, protocols=values['protocols'],
        flavors=values['flavors'], values=shaping(values))


def shaping(values: Mapping[str, Any]) -> dict[str, Any]:
    """What of a config shapes a number."""
    from humanbench.engine.launch import KEYS
    return {x: values[x] for x in KEYS if x in values and x not in _NO_RECIPE}


def configs_folder() -> Path:
    """The folder of the benchmark configs."""
    return resources.folder('configs') / 'benchmark'


def _configs() -> dict[str, Path]:
    return {x.stem: x for x in sorted(configs_folder().glob('*/*.py')) if x.stem in catalog.ids()}


def _dataset_of(config: Config) -> str:
    """The id of the dataset that a benchmark config, which has one evaluation, is about; a shipped one is called so."""
    evaluation, = config.evaluations.values()
    reader = evaluation['dataset']
    return reader.get('dataset') or reader['type'].datasets[0]


def _ranked_metric(config: Config, path: Path) -> tuple[str, str]:
    """Key of the metric that ranks, and the version of the code behind it."""
    if len(config.evaluations) != 1:
        raise UserError(
            f"'{path}' has {len(config.evaluations)} evaluations; a benchmark config has one, of its own dataset.")
    evaluation, = config.evaluations.values()
    evaluator = evaluation['evaluator']
    evaluator = evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator
    metric = evaluator['type']
    if not hasattr(metric, 'ranked') or not hasattr(metric, 'version'):
        raise UserError(
            f"The evaluator of '{path}' is {metric!r}, which states no version and no ranked key. Use a metric of "
            'humanbench.evaluation, or derive yours from its HumanMetric.')
    return evaluator.get('ranked') or metric.ranked[0], metric.version


def _find_roots(value: Any) -> Iterator[str]:
    """Every dataset root in a nest of dicts and lists, outermost first."""
    if isinstance(value, Mapping):
        yield from (v for k, v in value.items()
                    if isinstance(v, str) and (k == 'root' or k.endswith(('.root', '_root'))))
        for item in value.values():
            yield from _find_roots(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _find_roots(item)
