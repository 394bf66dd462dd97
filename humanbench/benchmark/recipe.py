"""What the benchmark knows of one dataset before anything runs: its config, its metric, and the hash of its recipe."""
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmengine.config import Config

from humanbench import catalog
from humanbench.errors import UserError, unknown_name

from .files import digest
from .metrics import metric_info

GROUPS = {'in_dataset': 'in', 'out_of_dataset': 'out', 'unseen_task': 'unseen'}
"""Role on a dataset's card -> group of the leaderboard: was it pretrained on, was its task pretrained on."""


@dataclass(frozen=True)
class Recipe:
    """One benchmark config, ``configs/benchmark/<task>/<dataset>.py``, as far as planning needs it.

    Attributes:
        group: ``in``, ``out`` or ``unseen``.
        metric: key of the ranked metric.
        metric_version: version of the code behind it.
        values: the config without its overrides, as plain values.
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

    def config_hash(self, protocol: str, flavor: str | None = None, overrides: Mapping[str, Any] | None = None) -> str:
        """Hash of everything that shapes a cell's training: equal hashes, equal recipe. Other protocols do not count."""
        return digest([self.values, self.protocols.get(protocol), self.flavors.get(flavor), overrides])

    def data_root(self, flavor: str | None = None) -> str | None:
        """The dataset root the recipe sets (``minihuman:small``, a folder), or None for the default place."""
        roots = [*_find_roots(self.flavors.get(flavor)), *_find_roots(self.values)]
        return roots[0] if roots else None


def benchmark_datasets() -> list[str]:
    """Ids of all datasets that have a benchmark config, task by task."""
    return sorted(_configs(), key=lambda x: (catalog.TASKS.index(_configs()[x].parent.name), x))


def recipe(dataset: str) -> Recipe:
    """The recipe of one dataset.

    Raises:
        UserError: no such dataset or no benchmark config for it, or the config lacks what the benchmark needs.
    """
    configs = _configs()
    if dataset not in configs:
        raise unknown_name('benchmark dataset', dataset, configs)
    return read_recipe(configs[dataset])


@lru_cache
def read_recipe(path: Path) -> Recipe:
    """Read a benchmark config file; its name is the dataset's id."""
    config = Config.fromfile(path)
    values = config.to_dict()
    missing = [x for x in ('protocols', 'flavors', 'test_evaluator') if x not in values]
    if missing:
        raise UserError(f"'{path}' is no benchmark config: it lacks {', '.join(missing)}. See configs/benchmark/ for others.")
    protocols, flavors = values.pop('protocols'), values.pop('flavors')
    card = catalog.card(path.stem)
    metric = card.metric[0]
    groups = [GROUPS[x] for x in card.role if x in GROUPS]
    return Recipe(dataset=card.id, task=card.tasks[0], group=groups[0] if groups else 'out', config=path, metric=metric,
                  higher_is_better=metric_info(metric).higher_is_better, metric_version=_metric_version(config, path),
                  values=values, protocols=protocols, flavors=flavors)


def configs_folder() -> Path:
    """The folder of the benchmark configs, beside that of the dataset cards in a checkout as in a wheel."""
    return catalog.meta_folder().parent / 'configs' / 'benchmark'


def _configs() -> dict[str, Path]:
    return {x.stem: x for x in sorted(configs_folder().glob('*/*.py')) if x.stem in catalog.ids()}


def _metric_version(config: Config, path: Path) -> str:
    evaluator = config.test_evaluator
    metric = (evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator)['type']
    if isinstance(metric, str):
        import humanbench.evaluation  # noqa: F401  (registers the metrics)
        from humanbench.registry import METRICS
        metric = METRICS.get(metric)
    version = getattr(metric, 'version', None)
    if not isinstance(version, str):
        raise UserError(f"The evaluator of '{path}' is {metric!r}, which states no version. Use one of humanbench.evaluation's "
                        "metrics, or give yours a class attribute version = '1'.")
    return version


def _find_roots(value: Any) -> Iterator[str]:
    """Every dataset root in a nest of dicts and lists, outermost first."""
    if isinstance(value, Mapping):
        yield from (v for k, v in value.items() if isinstance(v, str) and (k == 'root' or k.endswith(('.root', '_root'))))
        for item in value.values():
            yield from _find_roots(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _find_roots(item)
