"""A study run: its pretrainings, and the benchmark cells that they are measured by."""
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from humanbench.datasets.roots import MINIHUMAN

from ..files import read_json, write_json
from ..plan import PlannedCell, Weights, plan
from ..pretraining import RECORD, Pretraining, run_pretrainings
from ..recipe import recipe
from ..results import Record
from ..run import Outcome, run_cells
from .dial import Distances, measure_dial
from .own import own_records
from .study import Row, Study

FLAVOR = 'debug'


@dataclass(frozen=True)
class Experiment:
    """What is pretrained and measured.

    Every seed is one repetition of everything: a pretraining of each variant with that seed, and cells with the same
    seed that start from it. Rows of one seed share the first values of all parts that they have in common, the order
    of the data and its augmentation.

    Attributes:
        out: folder of the benchmark; the pretrainings lie in ``pretrain``. Where a study has several levels of labels,
            each has a folder in it, for what was trained on other data does not compare.
        study: what is pretrained and measured.
        steps: of every pretraining; None for the study's.
        size: of MiniHuman.
        finetune_steps: of every cell; None for the study's, or the longest of the protocols' own lengths on each
            dataset, so that protocols differ in what they train and not in how long.
    """
    out: Path
    study: Study
    steps: int | None = None
    size: str = 'small'
    finetune_steps: int | None = None

    def pretrainings(self, seed: int) -> list[Pretraining]:
        """The variants with one seed, each after those that it goes on from."""
        found: dict[str, Pretraining] = {}
        for name in (x for wave in self.study.waves() for x in wave):
            one = self.study.variants[name]
            config = one.config or self.study.config
            options = {'train_cfg.max_steps': self.steps or one.steps or self.study.steps}
            options |= self._roots_of(config, one.flavor) | dict(one.options)
            found[name] = Pretraining(name, config, options, seed, self.out / 'pretrain', one.flavor,
                                      found[one.after].template if one.after else '', bool(self.study.own_metrics()))
        return list(found.values())

    def plan(self, seed: int, level: str) -> list[PlannedCell]:
        """The cells of one seed at one level of labels that mean something.

        Raises:
            UserError: its pretrainings are not finished.
        """
        labels, planned = self.study.labels[level], []
        for name in self.study.datasets:
            one = recipe(name)
            if labels and one.dataset not in labels:
                continue
            places = self._roots_of(str(one.config), FLAVOR)
            changes = places | dict(self.study.finetuning) | {'train_cfg.max_steps': self._length(name)}
            if labels:
                changes[f'sources.{one.dataset}.dataset.indices'] = labels[one.dataset]
            rows = self._rows(seed, one.dataset)
            for protocol in self.study.protocols:
                own = [weights for weights, row in rows if row.covers(one.dataset, protocol)]
                planned += plan([name], [protocol], own, [seed], FLAVOR, self.folder(level),
                                overrides=changes) if own else []
            if one.dataset in self._sources:
                planned += self._direct(one.dataset, rows, seed, places)
        return [x for x in planned if x.status != 'not applicable']

    def folder(self, level: str) -> Path:
        """Where the cells of one level of labels are."""
        return self.out / f'labels_{re.sub("[^0-9a-z]", "", level.lower())}' if level else self.out

    def _rows(self, seed: int, dataset: str) -> list[tuple[Weights, Row]]:
        """The rows of the tables; the last is ``scratch``."""
        files = {x.name: x.template for x in self.pretrainings(seed)}
        return [*((Weights(name, row.weights_of.get(dataset, row.weights).format(files[variant])), row)
                  for name, (variant, row) in self.study.rows().items()),
                (Weights('scratch', 'scratch', backbone=self.study.backbone), self.study.scratch())]

    def _length(self, name: str) -> int:
        wanted = self.study.finetune_steps
        return (self.finetune_steps or (wanted[recipe(name).dataset] if isinstance(wanted, Mapping) else wanted)
                or longest(name, self.study.protocols))

    def _direct(self, dataset: str, rows: Sequence[tuple[Weights, Row]], seed: int,
                places: dict[str, str]) -> list[PlannedCell]:
        """The cells of the pretraining's own heads, which read what they read there."""
        planned = []
        for weights, _ in rows[:-1]:
            options = self.study.variants[self.study.rows()[weights.name][0]].options
            own = {key: x for key, x in options.items() if key.startswith(('model.', f'sources.{dataset}.'))}
            planned += plan([dataset], ['direct'], [weights], [seed], FLAVOR, self.out, overrides=places | own)
        return planned

    def run(self, seeds: Sequence[int], workers: int) -> Outcome:
        """Pretrain and measure what is not finished, a whole seed before the next.

        Raises:
            UserError: a pretraining failed, or another command runs in the same folder.
        """
        outcome = Outcome()
        for seed in seeds:
            wanted = {x.name: x for x in self.pretrainings(seed)}
            for wave in self.study.waves():
                run_pretrainings([wanted[x] for x in wave], workers)
            for level in self.study.labels:
                found = run_cells(self.plan(seed, level), self.folder(level), workers)
                outcome.done += found.done
                outcome.failed += found.failed
                outcome.skipped += found.skipped
        return outcome

    def finished(self, seeds: Iterable[int]) -> list[int]:
        """The seeds of which everything is measured: another is left out, for all rows alike."""
        return [seed for seed in seeds if all(x.finished for x in self.pretrainings(seed))
                and all(x.status == 'cached' for level in self.study.labels for x in self.plan(seed, level))]

    def records(self, seeds: Iterable[int]) -> dict[str, list[Record]]:
        """The cells of finished seeds, by level of labels."""
        return {level: [Record.read(self.folder(level) / 'cells' / f'{x.cell.slug}.json')
                        for seed in seeds for x in self.plan(seed, level)] for level in self.study.labels}

    def own_records(self, seeds: Iterable[int]) -> dict[str, list[Record]]:
        """What the pretrainings of finished seeds say of themselves, by metric."""
        made = [x.checkpoint.parent / RECORD for seed in seeds for x in self.pretrainings(seed)]
        return {metric: own_records(made, metric) for metric in self.study.own_metrics()}

    def dials(self, seeds: Iterable[int]) -> dict[int, list[Distances]]:
        """What the dial does to the features of the finished pretrainings of these seeds; measured once."""
        found = {}
        for one in (x for seed in seeds for x in self.pretrainings(seed) if x.name == self.study.dial):
            kept = one.checkpoint.with_name('dial.json')
            if not kept.is_file():
                write_json(kept, dict(distances=[asdict(x) for x in measure_dial(one.checkpoint, self._root)]))
            found[one.seed] = [Distances(**x) for x in read_json(kept)['distances']]
        return found

    def pretrained(self, seeds: Iterable[int]) -> list[dict[str, Any]]:
        """How the finished pretrainings of these seeds were made."""
        return [read_json(x.checkpoint.parent / RECORD) for seed in seeds for x in self.pretrainings(seed)]

    @property
    def _root(self) -> str:
        return f'{MINIHUMAN}{self.size}'

    def _roots_of(self, config: str, flavor: str | None) -> dict[str, str]:
        """Options that let everything that is read from MiniHuman be read from the edition of this size."""
        from humanbench.engine.launch import load_config
        found = dict(_minihuman(load_config(config, flavor).to_dict()))
        return {key: self._root + ''.join(root.partition('@')[1:]) for key, root in found.items()
                if key.startswith(('sources.', 'evaluations.'))}

    @cached_property
    def _sources(self) -> list[str]:
        from humanbench.engine.launch import load_config
        return list(load_config(self.study.config).sources)


def _minihuman(value: Any, path: str = '') -> Iterator[tuple[str, str]]:
    """The roots that are editions of MiniHuman, by dotted key."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key == 'root' and isinstance(item, str) and item.startswith(MINIHUMAN):
            yield path + key, item
        else:
            yield from _minihuman(item, f'{path}{key}.')


def longest(dataset: str, protocols: Sequence[str]) -> int:
    """The most steps that the debug size takes on a dataset under any of these protocols that it has."""
    from humanbench.engine.launch import load_config
    one = recipe(dataset)
    return max(load_config(str(one.config), FLAVOR, protocol).train_cfg.max_steps
               for protocol in protocols if protocol in one.protocols)
