"""The plan is a pure function of (seed, step): order, balance, and independence of everything else."""
import numpy as np
import pytest

from humanbench.engine.placement import place, utilisation
from humanbench.engine.plan import Plan, Source, Unit
from humanbench.engine.sampler import UnitSampler

IDENTITIES = np.repeat(np.arange(12), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])


def make_plan(seed: int = 0) -> Plan:
    return Plan([
        Source('pose', 'pose', 50, 4, slots=3, weight=3.0),
        Source('reid', 'reid', len(IDENTITIES), 16, identities=IDENTITIES, images_per_id=4),
        Source('parsing', 'parsing', 7, 5)], seed)


def stream(plan: Plan, ranks: int, start: int, stop: int) -> dict:
    batches = {}
    for assignment in place(plan, ranks):
        for keys in UnitSampler(plan, assignment, start, stop):
            batches[keys[0].unit] = keys
    return batches


@pytest.mark.parametrize('ranks', [2, 3, 5, 8])
def test_every_placement_runs_the_same_units(ranks):
    reference = stream(make_plan(), 1, 0, 4)
    assert stream(make_plan(), ranks, 0, 4) == reference
    assert stream(make_plan(seed=1), ranks, 0, 4) != reference


def test_resuming_is_starting_later():
    reference = stream(make_plan(), 1, 0, 6)
    assert stream(make_plan(), 3, 0, 2) | stream(make_plan(), 2, 2, 6) == reference


def test_uniform_stream_visits_everything_once_an_epoch():
    plan = make_plan()
    seen = np.concatenate([plan.indices(Unit(step, 'pose', slot)) for step in range(25) for slot in range(3)])
    for epoch in range(len(seen) // 50):
        assert sorted(seen[epoch * 50:(epoch + 1) * 50]) == list(range(50))
    assert list(seen[:50]) != list(seen[50:100])


def test_identity_units_hold_four_images_of_each_person():
    plan = make_plan()
    for step in range(6):
        people = IDENTITIES[plan.indices(Unit(step, 'reid', 0))].reshape(4, 4)
        assert (people == people[:, :1]).all()
        assert len(set(people[:, 0])) == 4
    epoch = np.concatenate([IDENTITIES[plan.indices(Unit(step, 'reid', 0))][::4] for step in range(3)])
    assert sorted(epoch) == list(range(12))


def test_a_person_with_enough_images_is_not_repeated():
    plan = make_plan()
    for step in range(12):
        indices = plan.indices(Unit(step, 'reid', 0)).reshape(4, 4)
        for row in indices:
            assert len(set(row)) == 4 or IDENTITIES[row[0]] < 3


def test_a_replacement_keeps_the_identity_and_depends_on_the_key_alone():
    plan = make_plan()
    index = int(np.flatnonzero(IDENTITIES == 5)[0])
    other = plan.replacement('reid', index, seed=3)
    assert other != index and IDENTITIES[other] == 5
    assert other == make_plan().replacement('reid', index, seed=3)
    assert plan.replacement('pose', 3, seed=9) != 3
    assert plan.replacement('reid', 0, seed=1) == 0  # the only image of that person


def test_seeds_differ_between_units_and_not_between_plans():
    plan = make_plan()
    seeds = [plan.seed_of(unit) for step in range(10) for unit in plan.units(step)]
    assert len(set(seeds)) == len(seeds)
    assert seeds[3] == make_plan().seed_of(make_plan().units(0)[3])
    assert seeds[3] != make_plan(seed=1).seed_of(plan.units(0)[3])


def test_weights_sum_to_one_and_epochs_are_counted():
    plan = make_plan()
    assert sum(plan.weights.values()) == pytest.approx(1.0)
    assert plan.weights['pose'] == pytest.approx(0.6)
    assert plan.epochs(100) == pytest.approx({'pose': 24.0, 'reid': 1600 / 78, 'parsing': 500 / 7})


@pytest.mark.parametrize('arguments, message', [
    (dict(size=0), 'no samples'), (dict(batch_size=0), 'at least 1'), (dict(weight=0.0), 'above 0'),
    (dict(identities=np.zeros(8), batch_size=6), 'multiple of 4'),
    (dict(identities=np.zeros(7)), '8 samples and 7 identities'),
    (dict(identities=np.arange(-1, 7)), 'below 0')])
def test_a_source_that_cannot_be_planned_says_why(arguments, message):
    with pytest.raises(ValueError, match=message):
        Source(**dict(name='x', task='pose', size=8, batch_size=4) | arguments)


def test_two_sources_of_one_name_are_refused():
    with pytest.raises(ValueError, match='different names'):
        Plan([Source('a', 'pose', 4, 2), Source('a', 'pose', 4, 2)], 0)


def test_placement_balances_and_keeps_every_unit_once():
    plan = make_plan()
    costs = {'pose': 4.0, 'reid': 16.0, 'parsing': 5.0}
    placement = place(plan, 2, costs)
    assert sorted(pair for rank in placement for pair in rank) == sorted((u.source, u.slot) for u in plan.units(0))
    assert utilisation(placement, costs) == pytest.approx(33 / 2 / 17)
    assert utilisation([[('pose', 0), ('reid', 0)], []], costs) == pytest.approx(0.5)
