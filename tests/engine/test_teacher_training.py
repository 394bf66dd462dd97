"""DINO and SOLIDER trained on MiniHuman: every flavour, teachers that follow and resume, both routes, any ranks."""
import itertools

import pytest
import torch
import torch.nn.functional as F

from humanbench import catalog
from humanbench.datasets.roots import dataset_root
from humanbench.engine.launch import build_runner, load_config
from humanbench.engine.optim import HumanOptimWrapper
from humanbench.errors import UserError
from humanbench.models.pretext.solider import SOLIDERPretext

from .pretexts import logged_by_processes, smallest
from .runs import equal, trained, weights_of, whole_and_resumed

RECIPE = 'solider/solider_swin-t_debug.py'
FLAVORS = [None, *load_config(RECIPE).flavors]


@pytest.fixture(scope='module')
def edition():
    return dataset_root('minihuman:tiny', catalog.card('luperson'))


def recipe(work_dir, flavor: str | None = None, steps: int = 4, **options):
    return smallest(RECIPE, work_dir, flavor, steps, **options)


@pytest.mark.parametrize('flavor', [x for x in FLAVORS if x != 'after_dino'])
def test_every_flavor_trains_and_none_is_another(flavor, tmp_path, edition):
    runner = trained(recipe(tmp_path / 'own', flavor, 2))
    said = {key.split('/')[2] for key in runner.message_hub.log_scalars if key.startswith('train/luperson/')}
    semantic = set() if flavor == 'dino' else {'loss_semantic', 'foreground'}
    assert said == {'loss_dino', 'entropy', 'information'} | semantic
    if flavor is not None:
        assert not equal(weights_of(trained(recipe(tmp_path / 'default', None, 2))), weights_of(runner))


def test_the_other_route_is_of_debug_size_too():
    whole, after = (load_config(RECIPE, flavor) for flavor in (None, 'after_dino'))
    assert after.train_cfg.max_steps < whole.train_cfg.max_steps
    assert after.optim_wrapper.optimizer.lr == pytest.approx(whole.optim_wrapper.optimizer.lr / 10)


def test_the_teacher_has_moved_and_is_not_the_student(tmp_path, edition):
    runner = trained(recipe(tmp_path, steps=2))
    head = runner.model.heads['luperson']
    start = build_runner(recipe(tmp_path / 'start')).model.heads['luperson'].teacher
    assert not equal(dict(start.named_parameters()), dict(head.teacher.named_parameters()))
    assert not equal(dict(runner.model.backbone.named_parameters()), dict(head.teacher['backbone'].named_parameters()))
    assert head.centre.abs().sum() > 0


def test_a_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path, edition):
    whole, resumed = whole_and_resumed(recipe, tmp_path)
    assert equal(whole, resumed)
    assert any('.teacher.' in name for name in whole) and 'heads.luperson.centre' in whole


def test_weight_decay_rises_and_prototypes_stay_as_they_are_at_first(tmp_path, edition, monkeypatch):
    seen, original = [], HumanOptimWrapper.step

    def step(self, squared_norms=None):
        decays = [group['weight_decay'] for group in self.param_groups]
        rows = runner.model.heads['luperson'].head.last_layer.weight_v.detach()
        seen.append((max(decays), min(decays), F.normalize(rows, dim=1)))
        original(self, squared_norms)

    monkeypatch.setattr(HumanOptimWrapper, 'step', step)
    runner = build_runner(recipe(tmp_path, steps=4, **{'sources.luperson.head.freeze_last_layer': 0.5}))
    runner.train()
    decays, undecayed, rows = zip(*seen)
    assert decays[0] == pytest.approx(0.04) and list(decays) == sorted(decays) and 0.3 < decays[-1] < 0.4
    assert set(undecayed) == {0.0}  # norms and biases stay without
    moved = [not torch.allclose(a, b, atol=1e-6) for a, b in itertools.pairwise(rows)]
    assert moved == [False, False, True]


def test_the_second_route_goes_on_from_both_networks_of_the_first(tmp_path, edition):
    first = trained(recipe(tmp_path / 'dino', 'dino', 2)).model
    config = recipe(tmp_path / 'solider', 'after_dino', 2)
    config.weights = str(tmp_path / 'dino/iter_2.pth')
    second = build_runner(config).model
    for part in (lambda x: x.backbone, lambda x: x.heads['luperson'].teacher['backbone'],
                 lambda x: x.heads['luperson'].head):
        own = dict(part(second).named_parameters())
        assert all(torch.equal(own[name], value) for name, value in part(first).named_parameters())
    new = {name for name, _ in second.backbone.named_parameters()} - {x for x, _ in first.backbone.named_parameters()}
    assert new and all(name.startswith('semantic_embed') for name in new)
    assert torch.equal(second.heads['luperson'].centre, first.heads['luperson'].centre)
    trained(config)


def test_crops_that_the_head_does_not_expect(tmp_path, edition):
    with pytest.raises(UserError, match='Give MultiCrop in its pipeline the groups that the head has'):
        trained(recipe(tmp_path, steps=1, **{'sources.luperson.head.crops': [dict(count=2, size=(128, 64))]}))


def test_units_without_any_foreground(tmp_path, edition, monkeypatch):
    runner = trained(recipe(tmp_path, steps=2, **{'sources.luperson.head.least_foreground': 1.0}))
    assert runner.message_hub.get_scalar('train/luperson/loss_semantic').current() == 0
    assert runner.message_hub.get_scalar('train/bad_units').current() == 0
    assert isinstance(runner.model.heads['luperson'], SOLIDERPretext)


@pytest.mark.slow
def test_one_process_and_two_have_equal_losses(tmp_path, edition):
    one, two = (logged_by_processes(RECIPE, count, tmp_path) for count in (1, 2))
    assert len(one) == len(two) == 4
    for a, b in zip(one, two):
        for name in ('loss', 'luperson/loss_dino', 'luperson/loss_semantic'):
            assert a[name] == pytest.approx(b[name], rel=1e-5)
    assert all(a['loss'] != pytest.approx(b['loss'], rel=1e-5) for a, b in itertools.pairwise(one))  # control
