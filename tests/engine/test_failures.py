"""What goes wrong in one unit, one rank or one file, injected by step and rank: every rank decides alike."""
import platform
import time

import pytest
import torch

from .faults import HANG, Fault
from .ranks import MIXTURE, Job, placements, run, train
from .test_ranks import largest_difference

PLACEMENT = placements(3)['random']
FIRST, LAST = PLACEMENT[1][0], PLACEMENT[2][-1]  # of rank 1, and the one whose backward pass starts the reduction
NAN = (Fault('nan', 1, FIRST), Fault('nan', 1, LAST))
IDLE = tuple(Fault('nan', 1, unit) for unit in PLACEMENT[0])  # rank 0 has nothing left
BROKEN = {f'sources.{source}.dataset.broken': (3, 17, 21) for source in ('lip', 'coco_pose', 'market1501')}
EVERY = tuple(Fault('nan', step, FIRST) for step in range(1, 9))
JOBS = (
    Job('nan', steps=2, faults=NAN),
    Job('whole rank', steps=2, faults=IDLE),
    Job('gradient', steps=3, faults=(Fault('gradient', 1, FIRST),)),
    Job('broken', steps=2, overrides=BROKEN),
)
TOGETHER_ONLY = (
    Job('spread', steps=2, faults=IDLE, dtype='float32', overrides={'train_cfg.shard_backbone': True}),
    Job('slow', steps=5, faults=(Fault('slow', rank=1),), dtype='float32', overrides={
        'log_level': 'INFO', 'default_hooks.logger': dict(interval=1), 'visualizer': None}),
    Job('stop', steps=9, faults=EVERY, fails=True, overrides={'train_cfg.bad_step_limit': 3}))


@pytest.fixture(scope='module')
def alone(tmp_path_factory) -> dict:
    """What one rank sees of the same failures, and of none."""
    folder = tmp_path_factory.mktemp('alone')
    more = Job('well', steps=2), Job('whole rank in fp32', steps=2, faults=IDLE, dtype='float32')
    return {job.name: train(job, folder) for job in (*JOBS, *more)}


@pytest.fixture(scope='module')
def ranks(tmp_path_factory) -> dict:
    """What three ranks see, by job."""
    folder = tmp_path_factory.mktemp('ranks')
    jobs = [Job(**vars(job) | dict(placement=PLACEMENT)) for job in (*JOBS, *TOGETHER_ONLY)]
    seen = run(3, jobs, folder)
    return {job.name: [rank[job.name] for rank in seen] for job in jobs} | dict(folder=folder)


@pytest.mark.parametrize('name', ['nan', 'whole rank'])
def test_a_unit_that_is_not_finite_is_left_out_alike_on_every_placement(alone, ranks, name):
    for step in range(2):
        assert largest_difference(ranks[name], alone[name], 'gradients', step) < 1e-12
        assert largest_difference(ranks[name], alone[name], 'buffers', step) < 1e-12
    assert all(value.isfinite().all() for rank in ranks[name] for what in ('parameters', 'buffers')
               for value in rank[what][-1].values())
    bad = [log['bad_units'] for log in alone[name]['logs']]
    assert bad[:2] == [0, len(NAN if name == 'nan' else IDLE)]
    assert all([log['bad_units'] for log in rank['logs']] == bad for rank in ranks[name])
    assert all(rank['left_out'] == dict(units=bad[1], steps=0, samples=0) for rank in ranks[name])
    # and without it the gradient is another one
    assert largest_difference([alone['well']], alone[name], 'gradients', 1) > 1e-3


def test_a_spread_backbone_survives_a_rank_without_a_finite_unit(alone, ranks):
    assert all(rank['spread'] for rank in ranks['spread'])
    assert largest_difference(ranks['spread'], alone['whole rank in fp32'], 'gradients', 1) < 1e-4


def test_a_gradient_that_is_not_finite_leaves_the_step_out_on_all_ranks(ranks):
    for rank in ranks['gradient']:
        before, after, later = rank['parameters']
        assert all(torch.equal(after[name], value) for name, value in before.items())
        assert all(torch.equal(rank['buffers'][1][name], value) for name, value in rank['buffers'][0].items())
        assert not all(torch.equal(later[name], value) for name, value in before.items())
        assert len(rank['gradients']) == 2 and rank['left_out'] == dict(units=0, steps=1, samples=0)
        assert rank['logs'][1]['grad_norm/backbone'] == float('inf') or rank['logs'][1]['grad_norm/backbone'] != \
            rank['logs'][1]['grad_norm/backbone']


def test_too_many_in_a_row_stop_all_ranks_with_one_message(ranks):
    message, = {rank['error'] for rank in ranks['stop']}
    assert message.startswith('FloatingPointError: Step 3: 3 steps in a row') and f'(loss of: {FIRST[0]})' in message


def test_a_sample_that_cannot_be_read_is_replaced_alike(alone, ranks):
    one = alone['broken']
    assert sum(one['replaced'].values()) > 2
    for rank in ranks['broken']:
        assert rank['replaced'] == one['replaced']
    assert largest_difference(ranks['broken'], one, 'gradients', 0) < 1e-12


def test_a_slow_rank_is_found_and_named(ranks):
    for rank in ranks['slow']:
        data, compute = rank['times'].T.tolist()
        assert compute.index(max(compute)) == 1 and max(data) < 0.5 * max(compute)
    said = '\n'.join(file.read_text() for file in (ranks['folder'] / 'rank0' / 'slow').glob('*/*.log'))
    warning, = [line for line in said.splitlines() if 'Slow: ' in line]
    assert f'rank 1 (on {platform.node()}) computes' in warning and 'times the mean of all ranks' in warning


def test_all_ranks_have_the_same_cost_table(ranks):
    tables = [rank['costs'] for rank in ranks['slow']]
    assert all(table == tables[0] for table in tables)
    measured = {source: row['seconds'] for source, row in tables[0]['sources'].items()}
    assert all(measured.values()) and set(measured) == set(MIXTURE)


HERE = f'(on {platform.node()})'
LOST = [
    ('kill', 1, 'another process ended without a word: killed, or out of memory'),
    ('kill', 0, 'the process that keeps the store of the run, usually rank 0, is gone'),
    ('error', 1, f'rank 1 {HERE} ended by ValueError: made up'),
    ('hang', 1, f'no answer from rank 1 {HERE}: it hangs, or its machine is gone')]


@pytest.mark.parametrize('kind, lost, message', LOST)
def test_a_rank_that_is_lost_ends_the_others_with_a_clear_message(tmp_path, kind, lost, message):
    began = time.time()
    job = Job(kind, PLACEMENT, 4, faults=(Fault(kind, 2, rank=lost),), fails=True,
              overrides={'env_cfg': dict(dist_cfg=dict(timeout=3)), 'loader': dict(num_workers=1, timeout=30)})
    seen = run(3, [job], tmp_path, lost=[lost] if kind == 'kill' else [])
    assert time.time() - began < HANG + 30
    for rank in {0, 1, 2} - {lost}:
        assert seen[rank][kind]['error'].startswith(f'LostRanks: Step 2: {message}')
        assert 'start it again with --resume' in seen[rank][kind]['error'] and len(seen[rank][kind]['logs']) == 2
