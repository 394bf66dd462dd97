"""Training on the same data from plain folders, from shards and over the network: the same run, to the last bit."""
import itertools
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

import humanbench.models  # noqa: F401
from humanbench import catalog
from humanbench.datasets import dataset_root, storage
from humanbench.datasets.storage import packed, remote
from humanbench.engine import loading
from humanbench.engine.launch import build_runner, load_config
from humanbench.engine.loading import UnitLoader
from humanbench.engine.mixture import Mixture
from humanbench.engine.sampler import UnitSampler
from humanbench.errors import StorageError
from humanbench.registry import HOOKS

from ..datasets.stores import serve

RECIPE = 'path/path_debug.py'
STEPS = 3


@pytest.fixture(autouse=True)
def impatient(monkeypatch, tmp_path):
    monkeypatch.setattr(packed, 'BLOCK', 2**14)
    monkeypatch.setattr(remote, 'REQUEST_TIMEOUT', 2.0)
    monkeypatch.setattr(remote, 'DEADLINE', 20.0)
    monkeypatch.setattr(remote, 'FIRST_PAUSE', 0.01)
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('HUMANBENCH_CACHE_BYTES', '100M')


@HOOKS.register_module()
class Notes(Hook):
    """Keeps what every step gave."""

    def __init__(self):
        self.steps = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.steps.append(dict(outputs))


@pytest.fixture
def folders(tmp_path, edition) -> dict[str, Path]:
    """A folder for every source of the recipe; one image of PA-100K is truncated."""
    found = {}
    for name in load_config(RECIPE).sources:
        found[name] = tmp_path / 'plain' / name
        shutil.copytree(dataset_root('minihuman:tiny', catalog.card(name)), found[name])
    image = next(iter(sorted((found['pa100k'] / 'data').rglob('*.jpg'))))
    image.write_bytes(image.read_bytes()[:500])
    return found


@pytest.fixture
def www(folders, tmp_path) -> Path:
    """The same, packed, to be served."""
    for name, folder in folders.items():
        storage.pack(folder, tmp_path / 'www' / name, 2**17, progress=False)
    return tmp_path / 'www'


def config_of(work_dir: Path, roots: dict[str, str | Path], steps: int = STEPS, only: str | None = None, **loader):
    options = {f'sources.{name}.dataset.root': str(root) for name, root in roots.items()}
    config = load_config(RECIPE, options=options | {
        'train_cfg.max_steps': steps, 'train_cfg.bad_sample_quota': 1.0})
    if only:
        config.sources = {only: config.sources[only]}
        config.default_hooks.checkpoint.interval = 2
    config.evaluations, config.loader, config.work_dir = {}, loader, str(work_dir)
    config.custom_hooks = [dict(type='Notes')]
    return config


def trained(config) -> tuple[list[dict], dict[str, torch.Tensor], dict]:
    """What every step gave, the weights at the end, and how many samples were replaced."""
    runner = build_runner(config)
    runner.train()
    notes = next(hook for hook in runner.hooks if isinstance(hook, Notes))
    return notes.steps, runner.model.state_dict(), dict(runner.train_loop.incidents.replaced)


def losses(steps: list[dict]) -> list[dict]:
    return [{key: value for key, value in step.items() if 'loss' in key} for step in steps]


def equal(one: tuple, other: tuple) -> bool:
    return losses(one[0]) == losses(other[0]) and one[2] == other[2] and all(
        torch.equal(value, other[1][name]) for name, value in one[1].items())


def faults() -> Iterator[str | None]:
    """One request in four fails. Wrong bytes are rare enough to be right when they are asked for again, whichever of
    several readers asks in between: twice wrong is a damaged shard."""
    draws, since = random.Random(0), 0
    while True:
        fault = draws.choice(('500', 'cut', 'refuse', 'wrong', *[None] * 12))
        since += 1
        if fault == 'wrong':
            fault, since = ('wrong', 0) if since > 40 else (None, since)
        yield fault


@pytest.mark.slow
def test_losses_are_equal_from_folders_from_shards_and_over_http_with_faults(folders, www, tmp_path):
    plain = trained(config_of(tmp_path / 'a', folders))
    assert len(losses(plain[0])) == STEPS and len(losses(plain[0])[0]) > 7 and plain[2]['pa100k'] > 0
    assert equal(trained(config_of(tmp_path / 'b', {name: www / name for name in folders})), plain)
    with serve(www) as store:
        store.break_next(faults())
        urls = {name: f'{store.url}/{name}' for name in folders}
        assert equal(trained(config_of(tmp_path / 'c', urls, num_workers=2, read_ahead=8)), plain)
        assert store.shards_asked_for() > 50


def test_control_other_pixels_give_other_losses(folders, tmp_path):
    plain = trained(config_of(tmp_path / 'a', folders, steps=1, only='pa100k'))
    assert equal(trained(config_of(tmp_path / 'b', folders, steps=1, only='pa100k')), plain)
    *others, last = sorted((folders['pa100k'] / 'data').rglob('*.jpg'))
    for image in others[1:]:
        image.write_bytes(last.read_bytes())
    assert not equal(trained(config_of(tmp_path / 'c', folders, steps=1, only='pa100k')), plain)


@pytest.mark.parametrize(('fault', 'workers'), [('hang', 0), ('500', 2)])
def test_a_store_that_fails_ends_the_run_in_time_and_it_resumes_exactly(fault, workers, folders, www, tmp_path,
                                                                         monkeypatch):
    monkeypatch.setenv('HUMANBENCH_CACHE_BYTES', '0')  # every image comes over the network
    whole = trained(config_of(tmp_path / 'a', folders, steps=8, only='pa100k'))
    with serve(www) as store, monkeypatch.context() as patch:
        runner = build_runner(config_of(tmp_path / 'b', dict(pa100k=f'{store.url}/pa100k'), steps=8, only='pa100k',
                                        num_workers=workers, read_ahead=0))
        patch.setattr(remote, 'DEADLINE', 1.0)
        patch.setattr(Notes, 'after_train_iter', lambda _, runner, *__, **___: (
            store.always.update({'.tar': fault}) if runner.iter else None))
        began = time.monotonic()
        with pytest.raises(StorageError, match=r"pa100k/shard-0000\d.tar' \(for 'data/.*\.jpg'\).*can be resumed"):
            runner.train()
        assert time.monotonic() - began < 60 and 2 <= runner.iter < 8
    saved = runner.iter // 2 * 2
    config = config_of(tmp_path / 'b', folders, steps=8, only='pa100k')
    config.resume, config.load_from = True, str(tmp_path / 'b' / f'iter_{saved}')
    steps, weights, _ = trained(config)
    assert len(steps) == 8 - saved and equal((steps, weights, 0), (whole[0][saved:], whole[1], 0))


# --------------------------------------------------------------------------------------------------------- read ahead
class Predicting(Mixture):
    """Gives, beside every key, the one that was predicted for this turn in this process."""
    _predicted = None

    def __getitem__(self, key):
        self._predicted = self._predicted or self.read_ahead.coming(key)
        return key, next(self._predicted)


def mixture_of(kind: type, roots: dict, names: list[str], steps: int = 6) -> tuple[Mixture, UnitSampler]:
    sources = config_of(Path('unused'), {name: roots[name] for name in names}).sources
    sources = {name: sources[name] for name in names}
    mixture = kind(sources)
    plan = mixture.build_plan(sources, 0)
    return mixture, UnitSampler(plan, [(name, 0) for name in names], 2, 2 + steps)


@pytest.mark.parametrize('workers', [0, 1, 2, 3])
def test_what_a_process_reads_next_is_known(workers, folders, monkeypatch):
    monkeypatch.setattr(loading, 'collate', list)
    mixture, sampler = mixture_of(Predicting, folders, ['pa100k', 'market1501'])
    pairs = [pair for unit in UnitLoader(mixture, sampler, num_workers=workers) for pair in unit]
    assert [key for key, _ in pairs] == [key for unit in sampler for key in unit]
    assert all(key == predicted for key, predicted in pairs) and len(pairs) > 100


@pytest.mark.parametrize('depth', [0, 20])
def test_files_are_asked_for_before_their_turn(depth, folders, www):
    with serve(www) as store:
        mixture, sampler = mixture_of(Mixture, {name: f'{store.url}/{name}' for name in folders}, ['lip'])
        keys = [key for unit in sampler for key in unit]
        loader = UnitLoader(mixture, sampler, read_ahead=depth)
        loader.dataset[keys[0]]
        reads, deadline = store.shards_asked_for(), time.monotonic() + 20
        while depth and time.monotonic() < deadline and not is_quiet(store):
            pass
        ahead = store.shards_asked_for()
        store.always = {'.tar': '404'}  # from here on only what has come already can be read
        readable = len(list(itertools.takewhile(lambda key: is_here(mixture, key), keys)))
        assert readable >= 21 if depth else readable < 5 and ahead == reads


def is_quiet(store) -> bool:
    before = store.shards_asked_for()
    time.sleep(0.3)
    return store.shards_asked_for() == before


def is_here(mixture: Mixture, key) -> bool:
    try:
        for path in mixture.files(key.unit.source, key.index).values():
            storage.read(path)
    except ValueError:
        return False
    return True


def test_local_sources_are_left_alone(folders, www, monkeypatch):
    monkeypatch.setattr(storage, 'Prefetcher', None)
    for roots in (folders, {name: www / name for name in folders}):
        mixture, sampler = mixture_of(Mixture, roots, ['pa100k'], steps=1)
        assert len(list(UnitLoader(mixture, sampler))) == 1
