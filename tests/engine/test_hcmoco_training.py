"""HCMoCo trained on MiniHuman: every flavour, banks that resume and go on into the second stage."""
from functools import partial

import pytest
import torch

from humanbench.engine.launch import build_runner, load_config
from humanbench.errors import UserError

from .pretexts import smallest
from .runs import equal, trained, weights_of, whole_and_resumed

RECIPE = 'hcmoco/hcmoco_debug.py'
FLAVORS = [None, *load_config(RECIPE).flavors]
WHOLE_ALONE = (None, 'banks', 'sample_only', 'vit', 'points')  # the losses of stage 1
BANKS = 'heads.ntu_rgbd.banks.table'


def recipe(work_dir, flavor: str | None = None, steps: int = 4, **options):
    return smallest(RECIPE, work_dir, flavor, steps, **options)


@pytest.mark.parametrize('flavor', FLAVORS)
def test_every_flavor_trains_and_none_is_another(flavor, tmp_path):
    runner = trained(recipe(tmp_path / 'own', flavor, 2))
    said = {key.split('/')[2] for key in runner.message_hub.log_scalars if key.startswith('train/ntu_rgbd/')}
    whole = {f'loss_{a}_{b}' for a in ('rgb', 'depth', 'joints') for b in ('rgb', 'depth', 'joints') if a != b}
    points = {'loss_dense', 'loss_joint_rgb', 'loss_joint_depth', 'loss_structure'}
    assert said == whole | (set() if flavor in WHOLE_ALONE else
                            points - {'loss_structure'} if flavor == 'no_structure' else points)
    assert (BANKS in weights_of(runner)) == (flavor == 'banks')
    if flavor not in WHOLE_ALONE:
        for other in {None, 'stage2'} - {flavor}:
            assert not equal(weights_of(trained(recipe(tmp_path / str(other), other, 2))), weights_of(runner))


def test_a_second_stage_from_nothing_is_refused(tmp_path):
    config = recipe(tmp_path, 'stage2', 2)
    config.weights = None
    with pytest.raises(UserError, match='goes on from other weights .* Give --weights FILE, or --weights scratch'):
        build_runner(config)


def test_a_resumed_run_is_bitwise_the_uninterrupted_one(tmp_path):
    with_banks = partial(recipe, flavor='banks')
    whole, resumed = whole_and_resumed(with_banks, tmp_path)
    assert equal(whole, resumed)
    start = weights_of(build_runner(with_banks(tmp_path / 'start')))
    moved = (whole[BANKS] != start[BANKS]).any(-1)
    assert moved.any(1).all() and not moved.all()  # every modality remembers what it has seen, and that alone


def test_the_second_stage_goes_on_from_networks_and_banks_of_the_first(tmp_path):
    first = trained(recipe(tmp_path / 'first', 'banks', 2))
    config = recipe(tmp_path / 'second', 'stage2', 2)
    config.sources.ntu_rgbd.head.num_samples = first.model.heads['ntu_rgbd'].banks.table.shape[1]
    config.weights = str(tmp_path / 'first/iter_2.pth')
    second = build_runner(config)
    own, theirs = weights_of(second), weights_of(first)
    assert equal(own, theirs)
    assert torch.equal(own[BANKS], theirs[BANKS])
    runner = trained(config)
    assert runner.message_hub.get_scalar('train/bad_units').current() == 0
