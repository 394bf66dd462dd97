"""Pretexts in the training engine: every flavour, resume, other sources beside them, crops without joints."""
import itertools
import shutil

import pytest
import torch

from humanbench import catalog
from humanbench.datasets import dataset_root
from humanbench.engine.finetune import run_cell
from humanbench.engine.launch import load_config
from humanbench.models import HAPPretext, HumanViT
from humanbench.resources import folder

from .pretexts import logged_by_processes, smallest
from .runs import equal, trained, weights_of, whole_and_resumed

RECIPE = 'hap/hap_debug.py'
FLAVORS = [None, *load_config(RECIPE).flavors]


def recipe(work_dir, flavor: str | None = None, steps: int = 4, config: str = RECIPE, **options):
    return smallest(config, work_dir, flavor, steps, **options)


@pytest.mark.parametrize('flavor', FLAVORS)
def test_every_flavor_trains_and_none_is_another(flavor, tmp_path, edition):
    runner = trained(recipe(tmp_path / 'own', flavor, 1))
    losses = {key for key in runner.message_hub.log_scalars if key.startswith('train/luperson/')}
    aligned = flavor not in ('mae', 'mae_person', 'no_alignment')
    assert losses == {'train/luperson/loss_reconstruction'} | ({'train/luperson/loss_alignment'} if aligned else set())
    if flavor is not None:
        default = weights_of(trained(recipe(tmp_path / 'default', None, 1)))
        assert not equal(default, weights_of(runner))


def test_a_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path, edition):
    assert equal(*whole_and_resumed(recipe, tmp_path))


def test_an_image_is_compared_with_those_of_all_units(tmp_path, edition, monkeypatch):
    """Both units of a step have the keys of both; a source with one unit a step has nobody to ask."""
    seen = []

    def noted(self, own, samples, views, shared=None):
        seen.append(None if shared is None else shared.keys.clone())
        return original(self, own, samples, views, shared)

    original = HAPPretext.loss
    monkeypatch.setattr(HAPPretext, 'loss', noted)
    trained(recipe(tmp_path / 'two', steps=1))
    assert len(seen) == 2 and torch.equal(*seen) and seen[0].shape == (2, 2, 8, 96)
    assert torch.allclose(seen[0].norm(dim=-1), torch.ones(()))  # none is missing
    seen.clear()
    trained(recipe(tmp_path / 'one', steps=1, **{'sources.luperson.slots': 1}))
    assert seen == [None]


@pytest.mark.parametrize('slots, passes', [(1, 2), (2, 6), (3, 10)])
def test_the_last_unit_is_trained_from_the_look_that_gave_its_keys(tmp_path, edition, monkeypatch, slots, passes):
    """Two views a unit, and two more of every unit but one for its keys."""
    calls, original = [], HumanViT.forward
    monkeypatch.setattr(HumanViT, 'forward', lambda self, *rest: calls.append(torch.is_grad_enabled()) or original(
        self, *rest))
    trained(recipe(tmp_path, steps=1, **{'sources.luperson.slots': slots}))
    assert len(calls) == passes and sum(calls) == 2 * slots


def test_crops_without_any_joint(tmp_path, edition):
    root = tmp_path / 'LUP'
    shutil.copytree(dataset_root('minihuman:tiny', catalog.card('luperson')), root)
    (root / 'joints.safetensors').unlink()
    with_joints = trained(recipe(tmp_path / 'with', steps=1))
    without = trained(recipe(tmp_path / 'without', steps=1, **{'sources.luperson.dataset.root': str(root)}))
    assert any(not torch.equal(a, b) for a, b in zip(weights_of(with_joints).values(), weights_of(without).values()))
    blocks = trained(recipe(tmp_path / 'blocks', 'blocks', 1))  # control: their joints are what makes the difference
    none = trained(recipe(tmp_path / 'none', 'blocks', 1, **{'sources.luperson.dataset.root': str(root)}))
    assert all(torch.equal(a, b) for a, b in zip(weights_of(blocks).values(), weights_of(none).values()))


def test_beside_supervised_sources_and_on_to_the_benchmark(tmp_path, edition):
    runner = trained(recipe(tmp_path / 'run', steps=1, config='hap/path_hap_debug.py'))
    names = {key.split('/')[2] for key in runner.message_hub.log_scalars if key.startswith('train/loss/')}
    assert names == {'luperson', *load_config('path/path_debug.py').sources} and 'pretext' in runner.model.projectors
    market = folder('configs') / 'benchmark/reid/market1501.py'
    places = {f'{kind}.market1501.dataset.root': 'minihuman:tiny' for kind in ('sources', 'evaluations')}
    result = run_cell(str(market), 'full', str(tmp_path / 'run/iter_1.pth'), 0, 'debug', str(tmp_path / 'cell'),
                      places | {'train_cfg.max_steps': 1})
    assert 0 < result['metrics']['mAP'] <= 1


@pytest.mark.slow
def test_one_process_and_two_have_equal_losses(tmp_path, edition):
    one, two = (logged_by_processes(RECIPE, count, tmp_path) for count in (1, 2))
    assert len(one) == len(two) == 4
    for a, b in zip(one, two):
        for name in ('loss', 'luperson/loss_reconstruction', 'luperson/loss_alignment'):
            assert a[name] == pytest.approx(b[name], rel=1e-5)
    assert all(a['loss'] != pytest.approx(b['loss'], rel=1e-5) for a, b in itertools.pairwise(one))  # control
