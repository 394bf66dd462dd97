"""All 25 sources of PATH train together: from folders as their owners ship them, from shards and over the network."""
from pathlib import Path

import pytest

from humanbench import catalog
from humanbench.datasets import storage
from humanbench.datasets.places import card_of
from humanbench.engine.launch import load_config
from humanbench.minihuman import ensure

from ..datasets.stores import serve
from .test_storage_training import equal, losses, trained

RECIPE = 'path/path_debug_37sets.py'
STEPS = 2


def datasets_of(config) -> list[str]:
    return [card_of(part).id for source in config.sources.values()
            for part in source.dataset.get('datasets', [source.dataset])]


def config_in(work_dir: Path, place: str, monkeypatch) -> object:
    """The recipe with all datasets at their usual places below a folder or URL."""
    monkeypatch.setenv('HUMANBENCH_DATA', place)
    config = load_config(RECIPE, options={'train_cfg.max_steps': STEPS})
    for source in config.sources.values():
        source.dataset.root = None
    config.loader, config.work_dir, config.custom_hooks = dict(num_workers=0), str(work_dir), [dict(type='Notes')]
    return config


def test_the_recipe_has_the_papers_datasets():
    names = datasets_of(load_config('path/path_vit-b_37sets.py'))
    pretraining = {name for name in catalog.ids() if 'pretrain' in catalog.card(name).role}
    assert len(names) == len(set(names)) == 37 and set(names) == pretraining
    assert len(datasets_of(load_config('path/path_vit-b_subset.py'))) == 15
    assert sorted(datasets_of(load_config(RECIPE))) == sorted(names)


@pytest.mark.slow
def test_losses_are_equal_from_folders_from_shards_and_over_http(edition, tmp_path, monkeypatch):
    base, www = edition / 'minihuman/tiny', tmp_path / 'www'
    names = datasets_of(load_config(RECIPE))
    ensure(base, 'tiny', datasets=names)
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'cache'))
    for place in {catalog.card(name).layout.root for name in names}:
        storage.pack(base / place, www / place, 2**20, progress=False)

    plain = trained(config_in(tmp_path / 'a', str(base), monkeypatch))
    assert len(losses(plain[0])) == STEPS
    assert {f'loss/{name}' for name in load_config(RECIPE).sources} <= set(plain[0][0])
    assert equal(trained(config_in(tmp_path / 'b', str(www), monkeypatch)), plain)
    with serve(www) as store:
        assert equal(trained(config_in(tmp_path / 'c', store.url, monkeypatch)), plain)
        assert store.shards_asked_for() > len(names)
