"""Any number of ranks trains the same thing: gradients, running statistics, clipping, steps; and what breaks it."""
import pytest
import torch

from .ranks import MIXTURE, UNITS, Job, placements, run, train

ADAFACTOR = dict(type='PathAdafactor', lr=1e-3, weight_decay=0.05)
WORLDS = (2, 3, 4)
WRONG = ('rank_seeds', 'local_normaliser', 'local_keys', 'local_clipping')
STEPS = 6
SHARDED = {'train_cfg.shard_backbone': True}
NORMED = {'model.backbone.type': 'NormedViT'}
# lambda of each task, a controller that is frozen, and norms that no head reads; HAP's masks and ladders are for a ViT
SWIN = {'model.projector': None, 'model.backbone': dict(
    _delete_=True, type='SemanticSwin', embed_dims=8, depths=(1, 1, 2, 1), num_heads=(1, 1, 2, 2), window_size=4,
    strides=(4, 2, 2, 1))}
NO_PRETEXT = ('luperson',)
# batch norm in every layer, of units that each have their own statistics
HRNET = {'model.projector': None, 'model.backbone': dict(
    _delete_=True, type='HumanHRNet', width=4, modules=(1, 1, 1), blocks=1, first_width=4, first_blocks=1, merged=16)}
FEW = ('luperson', 'solider', 'crowdhuman', 'h36m_parsing', 'shanghaitech_a')


def jobs(world: int) -> list[Job]:
    every = placements(world)
    found = [Job(name, placement) for name, placement in every.items()]
    found += [Job(f'sharded {name}', every[name], 2, overrides=SHARDED) for name in ('random', 'idle')]
    found += [Job(f'normed {name}', every[name], 2, overrides=NORMED | SHARDED) for name in ('random', 'idle')]
    if world == 2:
        found += [Job(f'swin {name}', every['random'], 2, overrides=SWIN | overrides, left_out=NO_PRETEXT)
                  for name, overrides in (('whole', {}), ('sharded', SHARDED))]
        found += [Job(f'hrnet {name}', every['random'], 2, overrides=HRNET | overrides, left_out=FEW)
                  for name, overrides in (('whole', {}), ('sharded', SHARDED))]
        found += [Job(f'clipped {name}', every['random'], 2, clip='tensor', overrides=overrides)
                  for name, overrides in (('whole', {}), ('sharded', SHARDED))]
    if world == 3:
        dealt = [UNITS[rank::world] for rank in range(world)]  # so that every source is on several ranks
        found += [Job('fp32', every['random'], dtype='float32'), Job('adamw', every['random'], STEPS),
                  Job('adafactor', every['idle'], STEPS, optimizer=ADAFACTOR, clip='each'),
                  *(Job(wrong, dealt, 2, wrong=wrong) for wrong in WRONG)]
    return found


@pytest.fixture(scope='module')
def alone(tmp_path_factory) -> dict:
    """What one rank sees."""
    folder = tmp_path_factory.mktemp('alone')
    recipes = [Job('float64', steps=2), Job('normed', steps=2, overrides=NORMED),
               Job('fp32', dtype='float32'), Job('swin', steps=2, overrides=SWIN, left_out=NO_PRETEXT),
               Job('hrnet', steps=2, overrides=HRNET, left_out=FEW), Job('adamw', steps=STEPS),
               Job('clipped', steps=2, clip='tensor'),
               Job('adafactor', steps=STEPS, optimizer=ADAFACTOR, clip='each')]
    return {job.name: train(job, folder) for job in recipes}


@pytest.fixture(scope='module')
def together(tmp_path_factory) -> dict:
    """What 2, 3 and 4 ranks see, by (world size, job)."""
    folder, seen = tmp_path_factory.mktemp('together'), {}
    for world in WORLDS:
        ranks = run(world, jobs(world), folder)
        seen.update({(world, job.name): [rank[job.name] for rank in ranks] for job in jobs(world)})
    return seen


def largest_difference(ranks: list[dict], one: dict, what: str, step: int = -1) -> float:
    """Largest difference of any rank's tensors from one rank's, relative to the largest value of that tensor's part."""
    reference, scale = one[what][step], {}
    for name, value in reference.items():
        part = name.split('.')[0]
        scale[part] = max(scale.get(part, 0.0), value.double().abs().max().item())
    held = {name for rank in ranks for name in rank[what][step]}
    assert held == set(reference), 'every parameter is held by some rank'
    return max(((value - reference[name]).double().abs().max().item() / max(scale[name.split('.')[0]], 1e-30)
                for rank in ranks for name, value in rank[what][step].items()))


@pytest.mark.parametrize('world', WORLDS)
@pytest.mark.parametrize('name', placements(2))
def test_gradients_are_those_of_one_rank(alone, together, world, name):
    assert largest_difference(together[world, name], alone['float64'], 'gradients', 0) < 1e-12


@pytest.mark.parametrize('world', WORLDS)
@pytest.mark.parametrize('name', ['random', 'idle'])
def test_a_backbone_spread_over_the_ranks_has_the_same_gradients_and_steps(alone, together, world, name):
    ranks = together[world, f'sharded {name}']
    assert ranks[0]['spread'] and not together[world, name][0]['spread']
    for step in (0, 1):
        assert largest_difference(ranks, alone['float64'], 'gradients', step) < 1e-12
    assert largest_difference(ranks, alone['float64'], 'parameters') < 1e-10


@pytest.mark.parametrize('world', WORLDS)
@pytest.mark.parametrize('name', ['random', 'idle'])
def test_running_statistics_of_a_backbone_that_is_spread_are_those_of_one_rank(alone, together, world, name):
    ranks, one = together[world, f'normed {name}'], alone['normed']
    before, after = (one['buffers'][step]['backbone.stem.running_mean'] for step in (0, 1))
    assert ranks[0]['spread'] and before.abs().max() > 1e-3 and not torch.equal(before, after)
    for step in (0, 1):
        assert largest_difference(ranks, one, 'gradients', step) < 1e-12
        assert largest_difference(ranks, one, 'buffers', step) < 1e-12


@pytest.mark.parametrize('name', ['whole', 'sharded'])
def test_tensors_are_clipped_by_their_whole_norms(alone, together, name):
    ranks = together[2, f'clipped {name}']
    assert ranks[0]['spread'] == (name == 'sharded')
    assert largest_difference(ranks, alone['clipped'], 'parameters') < 1e-10
    assert largest_difference(ranks, alone['float64'], 'parameters') > 1e-6  # control: all clipped together


@pytest.mark.parametrize('name', ['whole', 'sharded'])
def test_a_swin_with_controllers_has_the_gradients_and_steps_of_one_rank(alone, together, name):
    ranks, one = together[2, f'swin {name}'], alone['swin']
    assert ranks[0]['spread'] == (name == 'sharded')
    assert one['gradients'][0]['backbone.semantic_embed_w.2.weight'].any()
    assert not [x for x in one['gradients'][0] if 'semantic_embed_w.3' in x]
    for step in (0, 1):
        read = {x for x, value in one['gradients'][step].items() if value.any()}
        for rank in (*ranks, one):  # a norm that no head reads has no gradient, or a zero one, and stays as it is
            rank['gradients'][step] = {x: value for x, value in rank['gradients'][step].items() if x in read}
        assert largest_difference(ranks, one, 'gradients', step) < 1e-12
    assert largest_difference(ranks, one, 'parameters') < 1e-10


@pytest.mark.parametrize('name', ['whole', 'sharded'])
def test_an_hrnet_has_the_gradients_steps_and_running_statistics_of_one_rank(alone, together, name):
    ranks, one = together[2, f'hrnet {name}'], alone['hrnet']
    norm = 'backbone.stage4.0.branches.3.0.bn1'
    assert ranks[0]['spread'] == (name == 'sharded') and one['buffers'][1][f'{norm}.num_batches_tracked'] == 2
    assert not torch.equal(*(one['buffers'][step][f'{norm}.running_var'] for step in (0, 1)))
    for step in (0, 1):
        for what in ('gradients', 'buffers'):
            assert largest_difference(ranks, one, what, step) < 1e-12, what
    assert largest_difference(ranks, one, 'parameters') < 1e-10


def test_in_single_precision_too(alone, together):
    assert 0 < largest_difference(together[3, 'fp32'], alone['fp32'], 'gradients', 0) < 1e-5


@pytest.mark.parametrize('world', WORLDS)
@pytest.mark.parametrize('name', placements(2))
def test_running_statistics_are_those_of_one_rank(alone, together, world, name):
    buffers = alone['float64']['buffers'][0]
    assert any('running_var' in x for x in buffers) and buffers['heads.market1501.neck.num_batches_tracked'] == 1
    assert largest_difference(together[world, name], alone['float64'], 'buffers', 0) < 1e-12


@pytest.mark.parametrize('world', WORLDS)
def test_ranks_that_share_a_part_stay_equal_bit_for_bit(together, world):
    for name in placements(2):
        ranks = together[world, name]
        for i, first in enumerate(ranks):
            for second in ranks[i + 1:]:
                common = first['parameters'][-1].keys() & second['parameters'][-1].keys()
                assert any(x.startswith('backbone') for x in common)
                assert all(torch.equal(first['parameters'][-1][x], second['parameters'][-1][x]) for x in common)


@pytest.mark.parametrize('world', WORLDS)
def test_a_rank_holds_the_heads_it_needs_and_no_other(together, world):
    for name, placement in placements(world).items():
        for rank, units in zip(together[world, name], placement):
            held = {x.split('.')[1] for x in rank['parameters'][0] if x.startswith('heads.')}
            assert held == {source for source, _ in units}


@pytest.mark.parametrize('name, bound', [('adamw', 1e-10), ('adafactor', 1e-5)])
def test_six_optimiser_steps_are_those_of_one_rank(alone, together, name, bound):
    # the bound of Adafactor is that of its own float32 moments
    assert largest_difference(together[3, name], alone[name], 'parameters') < bound


def test_every_rank_logs_the_losses_of_all_sources(alone, together):
    one = alone['adamw']['logs']
    for rank in together[3, 'adamw']:
        for mine, theirs in zip(rank['logs'], one, strict=True):
            assert set(mine) == set(theirs) and {f'loss/{x}' for x in MIXTURE} <= set(mine)
            assert all(mine[x] == pytest.approx(theirs[x], rel=1e-6, abs=1e-9) for x in mine)


@pytest.mark.parametrize('wrong', ['rank_seeds', 'local_normaliser', 'local_keys'])
def test_control_what_a_rank_keeps_to_itself_changes_gradients(alone, together, wrong):
    assert largest_difference(together[3, wrong], alone['float64'], 'gradients', 0) > 1e-3


def test_control_clipping_on_every_rank_for_itself_drives_replicas_apart(alone, together):
    ranks = together[3, 'local_clipping']
    assert largest_difference(ranks, alone['float64'], 'gradients', 0) < 1e-12  # before clipping all is well
    name = 'backbone.blocks.0.mlp.fc1.weight'
    assert not torch.equal(ranks[0]['parameters'][1][name], ranks[1]['parameters'][1][name])
