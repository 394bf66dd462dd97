"""The transforms with which a dataset is trained on, as the configs that are shipped have them."""
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from humanbench.errors import UserError
from humanbench.resources import folder


def training_pipeline(dataset: str) -> list:
    """Transforms of the first config that trains on a dataset: its own source, one that it shares, its benchmark or
    another recipe.

    Raises:
        UserError: no shipped config trains on it.
    """
    for path in _configs(dataset):
        for source in _sources(Config.fromfile(path)):
            for reader in _with_pipelines(source['dataset']):
                if dataset in _datasets_of(reader):
                    return list(reader['pipeline'])
    raise UserError(f"no shipped config trains on '{dataset}', so nobody knows its training transforms. Look at it "
                    'without --transforms.')


def _configs(dataset: str) -> Iterator[Path]:
    """Configs in the order in which they are asked; most are not opened."""
    root = folder('configs')
    sources, recipes = sorted(root.glob('_base_/sources/*.py')), sorted(
        x for folder in ('benchmark', 'downstream') for x in root.glob(f'{folder}/*/*.py'))
    own = [x for x in (*sources, *recipes) if x.stem == dataset]
    yield from own
    yield from (x for x in sources if x not in own)


def _sources(config: Config) -> Iterator[Mapping[str, Any]]:
    """What a config trains on: entries of ``sources``, or one that stands in it under its own name."""
    for value in [*config.get('sources', {}).values(), *(config[x] for x in config)]:
        if isinstance(value, Mapping) and isinstance(value.get('dataset'), Mapping):
            yield value


def _with_pipelines(reader: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A reader's config where it has a pipeline; where each of its datasets has one of its own, theirs."""
    if 'pipeline' in reader:
        yield reader
    else:
        yield from (x for x in reader.get('datasets', ()) if 'pipeline' in x)


def _datasets_of(reader: Mapping[str, Any]) -> list[str]:
    """Ids of the datasets that a reader's config reads, merged ones too."""
    if 'datasets' in reader:
        return [id for part in reader['datasets'] for id in _datasets_of(part)]
    kind = reader['type']
    return [reader['dataset']] if 'dataset' in reader else list(kind.datasets[:1])
