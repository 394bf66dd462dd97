"""Tables that units write: what any number of ranks enters into them is what one rank enters, unit by unit."""
import pytest
import torch

from humanbench.engine.running import RunningBuffers
from humanbench.registry import MODELS
from tests.models import conftest as small

from .faults import Fault
from .ranks import Job, run, train
from .test_ranks import largest_difference

MIXTURE = {'prw': (2, 3, 1.0), 'shanghaitech_a': (2, 1, 1.0)}
PLACEMENT = [[('prw', 2), ('prw', 0)], [('shanghaitech_a', 0), ('prw', 1)]]
WHOLE = [[('prw', 0), ('prw', 1), ('prw', 2), ('shanghaitech_a', 0)]]
STEPS = 3
BROKEN = (Fault('nan', step=1, unit=('prw', 1)),)


def job(name: str, placement: list, **options) -> Job:
    return Job(name, placement, STEPS, mixture=MIXTURE, **options)


@pytest.fixture(scope='module')
def alone(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp('alone')
    return {x.name: train(x, folder) for x in (job('sound', WHOLE), job('broken', WHOLE, faults=BROKEN))}


@pytest.fixture(scope='module')
def together(tmp_path_factory) -> dict[str, list]:
    jobs = [job('sound', PLACEMENT), job('local', PLACEMENT, wrong='local_memories'),
            job('broken', PLACEMENT, faults=BROKEN)]
    ranks = run(2, jobs, tmp_path_factory.mktemp('together'))
    return {x.name: [rank[x.name] for rank in ranks] for x in jobs}


def test_tables_are_those_of_one_rank(alone, together):
    for step in range(STEPS):
        assert largest_difference(together['sound'], alone['sound'], 'buffers', step) < 1e-12
        assert largest_difference(together['sound'], alone['sound'], 'gradients', step) < 1e-10
    one = alone['sound']['buffers']
    tables = [one[step]['heads.prw.memory.table'] for step in range(STEPS)]
    assert not torch.equal(tables[0], tables[1])
    lengths = tables[-1].norm(dim=1)
    torch.testing.assert_close(lengths, (lengths > 0).to(lengths))  # directions, which a mean of tables has not
    assert one[-1]['heads.prw.memory.queue'].any()


def test_ranks_have_one_table_bit_for_bit(together):
    first, second = (rank['buffers'][-1] for rank in together['sound'])
    assert all(torch.equal(first[key], second[key]) for key in first if '.memory.' in key)


def test_control_what_a_rank_remembers_alone_changes_the_next_step(alone, together):
    assert largest_difference(together['local'], alone['sound'], 'gradients', 0) < 1e-10
    assert largest_difference(together['local'], alone['sound'], 'gradients', 1) > 1e-6


def test_a_unit_that_is_not_finite_enters_nothing(alone, together):
    sound, broken = (alone[name]['buffers'] for name in ('sound', 'broken'))
    key = 'heads.prw.memory.table'
    assert torch.equal(sound[0][key], broken[0][key]) and not torch.equal(sound[1][key], broken[1][key])
    assert all(x[key].isfinite().all() for x in broken)
    assert largest_difference(together['broken'], alone['broken'], 'buffers') < 1e-12


def test_running_statistics_leave_tables_alone():
    """Their mean change would be entered besides."""
    torch.manual_seed(0)
    head = MODELS.build(small.HEADS['prw'] | dict(in_channels=8))
    running = RunningBuffers({'heads.prw': head})
    assert any('running_mean' in name for name in running.buffers['heads.prw'])
    assert not any(name.startswith('memory.') for name in running.buffers['heads.prw'])
