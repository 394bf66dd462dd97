"""The sources of a recipe as one dataset, addressed by the plan's sample keys."""
import contextlib
import random
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from ..errors import DataError, UserError, unknown_name
from ..registry import DATASETS
from .packing import PackedUnit
from .plan import Plan, Source
from .sampler import SampleKey

SAMPLERS = ('uniform', 'identity')


def seed_everything(seed: int) -> None:
    """Seed the global CPU generators that transforms draw from.

    ``torch.manual_seed`` would also prepare the seeding of every kind of accelerator: 0.2 ms for each sample.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)


@DATASETS.register_module()
class SourceDataset(Dataset):
    """A reader whose samples say which source (head) and task (projector) they belong to.

    Args:
        dataset: a reader, or the config of one.
        source: name of the source.
        task: name of its task.
    """

    def __init__(self, dataset: dict | Dataset, source: str, task: str):
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, Mapping) else dataset
        self.source, self.task = source, task

    @property
    def metainfo(self) -> dict:
        return self.dataset.metainfo

    def full_init(self) -> None:
        self.dataset.full_init()

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        item = self.dataset[index]
        item['data_samples'].set_metainfo(dict(source=self.source, task=self.task))
        return item


@dataclass(frozen=True)
class Replaced:
    """A sample that could not be read, and what happened."""
    source: str
    index: int
    error: str


class Mixture(Dataset):
    """All sources of a recipe.

    A sample that cannot be read is replaced by another one of the same source (of the same identity where units are
    identity-balanced); which one depends on its key alone, so every rank and every resumed run replaces it alike.

    Args:
        sources: source configs by name, see :func:`build_plan`.
        max_attempts: unreadable samples in a row after which the source is given up.
    """

    def __init__(self, sources: Mapping[str, Mapping], max_attempts: int = 10):
        self.datasets = {
            name: SourceDataset(config['dataset'], name, config['task']) for name, config in sources.items()}
        self.max_attempts = max_attempts
        self.reading = None  # a ReadingTable where workers read
        self.read_ahead = None  # a ReadAhead where a loader wants one
        self._plan: Plan | None = None

    def build_plan(self, sources: Mapping[str, Mapping], seed: int) -> Plan:
        """The plan over these sources.

        Args:
            sources: by name: ``task``, ``batch_size``, and optionally ``slots`` (units per step, 1), ``weight`` (1),
                ``sampler`` (``'uniform'`` or ``'identity'``) and ``images_per_id`` (4).
            seed: of the recipe.
        """
        try:
            self._plan = Plan([self._describe(name, config) for name, config in sources.items()], seed)
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f'The recipe cannot be planned: {error}') from error
        return self._plan

    def _describe(self, name: str, config: Mapping) -> Source:
        sampler, reader = config.get('sampler', 'uniform'), self.datasets[name].dataset
        if sampler not in SAMPLERS:
            raise unknown_name(f"sampler of source '{name}'", sampler, SAMPLERS)
        if len(reader) == 0:
            raise DataError(f"Source '{name}' has no samples: {reader!r}. Check its root and split.")
        return Source(name, config['task'], len(reader), config['batch_size'], config.get('slots', 1),
                      config.get('weight', 1.0), reader.identities() if sampler == 'identity' else None,
                      config.get('images_per_id', 4))

    def _noted(self, source: str, index: int) -> contextlib.AbstractContextManager:
        """Whoever waits for what is read inside can look up what it is."""
        if self.reading is None:
            return contextlib.nullcontext()
        return self.reading.reading(list(self.datasets).index(source), index)

    def describe(self, source: int, index: int) -> str:
        """A sample of the so-manyth source in words: source, number and files."""
        name = list(self.datasets)[source]
        files = [f"{key} '{value}'" for key, value in self.files(name, index).items()]
        return f"sample {index} of source '{name}'" + f" ({', '.join(files)})" * bool(files)

    def files(self, source: str, index: int) -> dict[str, str]:
        """The files of a sample, by their keys in its record."""
        reader = self.datasets[source].dataset
        record = reader.get_data_info(index) if hasattr(reader, 'get_data_info') else {}
        return {key: value for key, value in record.items() if key.endswith('_path') and value}

    def __getitem__(self, key: SampleKey) -> dict:
        """The sample of a key; ``replaced`` lists what could not be read on the way."""
        if self.read_ahead is not None:
            self.read_ahead.at(key)
        dataset, index, replaced = self.datasets[key.unit.source], key.index, []
        for attempt in range(self.max_attempts):
            seed_everything(key.seed_for('augmentation', attempt))
            try:
                with self._noted(key.unit.source, index):
                    return dict(dataset[index], key=key, replaced=replaced)
            except DataError as error:
                replaced.append(Replaced(key.unit.source, index, str(error)))
                index = self._plan.replacement(key.unit.source, index, key.seed_for('replacement', attempt))
        raise DataError(f"Source '{key.unit.source}': {self.max_attempts} samples in a row cannot be read, the last: "
                        f'{replaced[-1].error}')


def outline(sources: Mapping[str, Mapping]) -> Plan:
    """The units of a recipe without its datasets: enough to place them, not to draw samples."""
    return Plan([Source(name, config['task'], config['batch_size'], config['batch_size'], config.get('slots', 1))
                 for name, config in sources.items()], seed=0)


def collate(items: list[dict]) -> dict | PackedUnit:
    """One unit: images and labels as lists (the preprocessor stacks them on the device); packed where it has to travel
    from a loader's process."""
    key = items[0]['key']
    unit = dict(
        inputs=[item['inputs'] for item in items], data_samples=[item['data_samples'] for item in items],
        unit=key.unit, seed=key.seed, replaced=[entry for item in items for entry in item['replaced']])
    return unit if get_worker_info() is None else PackedUnit.pack(unit)
