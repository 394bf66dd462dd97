"""Variants of a pretraining recipe, and the benchmark cells that they are measured by."""
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import read_json
from ..plan import PlannedCell, Weights, plan
from ..pretraining import RECORD, Pretraining, run_pretrainings
from ..recipe import recipe
from ..results import Record
from ..run import Outcome, run_cells

FLAVOR = 'debug'
FINETUNING = ('full', 'partial', 'head')


def variants(sources: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Each variant's differences from the recipe, which has a projector for each task: dotted config keys to values."""
    return {
        'path': {},
        'no_projector': {'model.projector': None},
        'one_projector': {f'sources.{x}.head.projector': 'shared' for x in sources},
        'projector_per_dataset': {f'sources.{x}.head.projector': x for x in sources},
    }


@dataclass(frozen=True)
class Experiment:
    """What is pretrained and measured.

    Every seed is one repetition of everything: a pretraining of each variant with that seed, and cells with the same
    seed that start from it. Rows of one seed share the first values of all parts that they have in common, the order
    of the data and its augmentation.

    Attributes:
        out: folder of the benchmark; the pretrainings lie in ``pretrain``.
        config: the pretraining recipe.
        datasets: that are measured.
        steps: of every pretraining.
        size: of MiniHuman.
        finetune_steps: of every cell; None for the longest of the protocols' own lengths on each dataset, so that
            protocols differ in what they train and not in how long.
    """
    out: Path
    config: str
    datasets: tuple[str, ...]
    steps: int = 500
    size: str = 'small'
    finetune_steps: int | None = None

    def variants(self) -> dict[str, dict[str, Any]]:
        """The differences of every variant."""
        return variants(self._sources())

    def pretrainings(self, seed: int) -> list[Pretraining]:
        """The variants with one seed."""
        common = {'train_cfg.max_steps': self.steps} | {f'sources.{x}.dataset.root': self._root
                                                        for x in self._sources()}
        return [Pretraining(name, self.config, common | changes, seed, self.out / 'pretrain')
                for name, changes in self.variants().items()]

    def plan(self, seed: int) -> list[PlannedCell]:
        """The cells of one seed that mean something.

        Raises:
            UserError: its pretrainings are not finished.
        """
        rows = [Weights(x.name, f'path:{x.template}') for x in self.pretrainings(seed)]
        planned = []
        for dataset in self.datasets:
            places = {f'{kind}.{dataset}.dataset.root': self._root for kind in ('sources', 'evaluations')}
            length = {'train_cfg.max_steps': self.finetune_steps or longest(dataset)}
            planned += plan([dataset], FINETUNING, [*rows, Weights('scratch', 'scratch')], [seed], FLAVOR, self.out,
                            overrides=places | length)
            for row, changes in zip(rows, self.variants().values()):  # the head reads what it read in pretraining
                own = {key: x for key, x in changes.items() if key.startswith(('model.', f'sources.{dataset}.'))}
                planned += plan([dataset], ['direct'], [row], [seed], FLAVOR, self.out, overrides=places | own)
        return [x for x in planned if x.status != 'not applicable']

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

    def pretrained(self, seeds: Iterable[int]) -> list[dict[str, Any]]:
        """How the finished pretrainings of these seeds were made."""
        return [read_json(x.checkpoint.parent / RECORD) for seed in seeds for x in self.pretrainings(seed)]

    @property
    def _root(self) -> str:
        return f'minihuman:{self.size}'

    def _sources(self) -> list[str]:
        from humanbench.engine.launch import load_config
        return list(load_config(self.config).sources)


def longest(dataset: str) -> int:
    """The most steps that the debug size takes under any finetuning protocol of a dataset."""
    from humanbench.engine.launch import load_config
    one = recipe(dataset)
    return max(load_config(str(one.config), FLAVOR, protocol).train_cfg.max_steps
               for protocol in FINETUNING if protocol in one.protocols)
