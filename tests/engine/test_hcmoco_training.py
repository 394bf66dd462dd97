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
WHOLE_ALONE = (None, 'banks', 'queue', 'sample_only', 'vit', 'points')  # the losses of stage 1
BANKS, QUEUE = 'heads.ntu_rgbd.banks.table', 'heads.ntu_rgbd.queue.table'


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
    assert (QUEUE in weights_of(runner)) == (flavor in ('queue', 'queue_stage2'))
    if flavor not in WHOLE_ALONE:
        for other in {None, 'stage2'} - {flavor}:
            assert not equal(weights_of(trained(recipe(tmp_path / str(other), other, 2))), weights_of(runner))


def test_a_second_stage_from_nothing_is_refused(tmp_path):
    config = recipe(tmp_path, 'stage2', 2)
    config.weights = None
    with pytest.raises(UserError, match='goes on from other weights .* Give --weights FILE, or --weights scratch'):
        build_runner(config)


@pytest.mark.parametrize(('flavor', 'table'), [('banks', BANKS), ('queue', QUEUE)])
def test_a_resumed_run_is_bitwise_the_uninterrupted_one(flavor, table, tmp_path):
    remembers = partial(recipe, flavor=flavor)
    whole, resumed = whole_and_resumed(remembers, tmp_path)
    assert equal(whole, resumed)
    start = weights_of(build_runner(remembers(tmp_path / 'start')))
    moved = (whole[table] != start[table]).any(-1)
    assert moved.any(1).all() and not moved.all()  # every modality remembers what it has seen, and that alone


@pytest.mark.parametrize('memory', ['banks', 'queue'])
def test_the_second_stage_goes_on_from_networks_and_memory_of_the_first(memory, tmp_path):
    first = trained(recipe(tmp_path / 'first', memory, 2))
    config = recipe(tmp_path / 'second', 'stage2' if memory == 'banks' else 'queue_stage2', 2)
    if memory == 'banks':
        config.sources.ntu_rgbd.head.num_samples = first.model.heads['ntu_rgbd'].banks.table.shape[1]
    config.weights = str(tmp_path / 'first/iter_2.pth')
    second = build_runner(config)
    own, theirs = weights_of(second), weights_of(first)
    assert equal(own, theirs)
    table = BANKS if memory == 'banks' else QUEUE
    assert torch.equal(own[table], theirs[table])
    runner = trained(config)
    assert runner.message_hub.get_scalar('train/bad_units').current() == 0


def test_slow_copies_start_from_a_first_stage_that_had_none(tmp_path):
    trained(recipe(tmp_path / 'first', None, 2))
    config = recipe(tmp_path / 'second', 'queue_stage2', 2)
    config.weights = str(tmp_path / 'first/iter_2.pth')
    model = build_runner(config).model
    head = model.heads['ntu_rgbd']
    for name, network in dict(backbone=model.backbone, depth_encoder=head.depth_encoder).items():
        copies = dict(head.slow[name].named_parameters())
        assert all(torch.equal(copies[key], value) for key, value in network.named_parameters())
    read = torch.load(tmp_path / 'first/iter_2.pth')['state_dict']
    assert torch.equal(head.slow['backbone'].conv1.weight, read['backbone.conv1.weight'])
