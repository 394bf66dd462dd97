"""A study run: its pretrainings, and the benchmark cells that they are measured by."""
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..files import read_json, write_json
from ..plan import PlannedCell, Weights, plan
from ..pretraining import RECORD, Pretraining, run_pretrainings
from ..recipe import recipe
from ..results import Record
from ..run import Outcome, run_cells
from .dial import Distances, measure_dial
from .studies import Row, Study

FLAVOR = 'debug'


@dataclass(frozen=True)
class Experiment:
    """What is pretrained and measured.

    Every seed is one repetition of everything: a pretraining of each variant with that seed, and cells with the same
    seed that start from it. Rows of one seed share the first values of all parts that they have in common, the order
    of the data and its augmentation.

    Attributes:
        out: folder of the benchmark; the pretrainings lie in ``pretrain``.
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
        """The variants with one seed."""
        common = {'train_cfg.max_steps': self.steps or self.study.steps} | {
            f'sources.{x}.dataset.root': self._root for x in self._sources}
        return [Pretraining(name, self.study.config, common | dict(variant.options), seed, self.out / 'pretrain',
                            variant.flavor) for name, variant in self.study.variants.items()]

    def plan(self, seed: int) -> list[PlannedCell]:
        """The cells of one seed that mean something.

        Raises:
            UserError: its pretrainings are not finished.
        """
        rows, planned = self._rows(seed), []
        for dataset in self.study.datasets:
            places = {f'{kind}.{dataset}.dataset.root': self._root for kind in ('sources', 'evaluations')}
            changes = places | dict(self.study.finetuning) | {'train_cfg.max_steps': self._length(dataset)}
            if dataset in self.study.labels:
                changes[f'sources.{dataset}.dataset.indices'] = self.study.labels[dataset]
            for protocol in self.study.protocols:
                own = [weights for weights, row in rows if dataset in (row.datasets or self.study.datasets)
                       and protocol in (row.protocols or self.study.protocols)]
                planned += plan([dataset], [protocol], own, [seed], FLAVOR, self.out, overrides=changes)
            if dataset in self._sources:
                planned += self._direct(dataset, rows, seed, places)
        return [x for x in planned if x.status != 'not applicable']

    def _rows(self, seed: int) -> list[tuple[Weights, Row]]:
        """The rows of the tables; the last is ``scratch``."""
        files = {x.name: x.template for x in self.pretrainings(seed)}
        return [*((Weights(name, row.weights.format(files[variant])), row)
                  for name, (variant, row) in self.study.rows().items()),
                (Weights('scratch', 'scratch', backbone=self.study.backbone), Row())]

    def _length(self, dataset: str) -> int:
        return self.finetune_steps or self.study.finetune_steps or longest(dataset, self.study.protocols)

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
            run_pretrainings(self.pretrainings(seed), workers)
            found = run_cells(self.plan(seed), self.out, workers)
            outcome.done += found.done
            outcome.failed += found.failed
            outcome.skipped += found.skipped
        return outcome

    def records(self, seeds: Sequence[int]) -> list[Record]:
        """Those of the seeds that are finished; a seed that lacks a cell is left out, for all rows alike."""
        found = []
        for seed in seeds:
            if all((x.checkpoint.parent / RECORD).is_file() for x in self.pretrainings(seed)):
                planned = self.plan(seed)
                if all(x.status == 'cached' for x in planned):
                    found += [Record.read(self.out / 'cells' / f'{x.cell.slug}.json') for x in planned]
        return found

    def dials(self, seeds: Iterable[int]) -> dict[int, list[Distances]]:
        """What the dial does to the features of the finished pretrainings of these seeds; measured once."""
        found = {}
        for one in (x for seed in seeds for x in self.pretrainings(seed) if x.name == self.study.dial):
            kept = one.checkpoint.with_name('dial.json')
            if not kept.is_file():
                write_json(kept, [asdict(x) for x in measure_dial(one.checkpoint, self._root)])
            found[one.seed] = [Distances(**x) for x in read_json(kept)]
        return found

    def pretrained(self, seeds: Iterable[int]) -> list[dict[str, Any]]:
        """How the finished pretrainings of these seeds were made."""
        return [read_json(x.checkpoint.parent / RECORD) for seed in seeds for x in self.pretrainings(seed)]

    @property
    def _root(self) -> str:
        return f'minihuman:{self.size}'

    @cached_property
    def _sources(self) -> list[str]:
        from humanbench.engine.launch import load_config
        return list(load_config(self.study.config).sources)


def longest(dataset: str, protocols: Sequence[str]) -> int:
    """The most steps that the debug size takes on a dataset under any of these protocols that it has."""
    from humanbench.engine.launch import load_config
    one = recipe(dataset)
    return max(load_config(str(one.config), FLAVOR, protocol).train_cfg.max_steps
               for protocol in protocols if protocol in one.protocols)
