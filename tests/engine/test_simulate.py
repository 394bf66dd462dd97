"""Forecasts: cut and grown recipes, and what the order of eleven million samples costs."""
import tracemalloc

import numpy as np
import pytest

from humanbench.engine.placement import Traffic
from humanbench.engine.plan import Plan, Source, Unit
from humanbench.engine.simulate import apply_cut, cut, cut_costs, forecast, grown
from humanbench.errors import UserError

from .path_recipe import BATCH_STATISTICS, ENTRIES, path_plan, recorded_costs


def test_the_order_of_the_full_recipe_stays_below_100_megabytes():
    plan = path_plan(shuffled=True)
    labels = sum(source.identities.nbytes for source in plan.sources.values() if source.identities is not None)
    tracemalloc.start()
    for unit in plan.units(0):
        plan.indices(unit)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(source.size for source in plan.sources.values()) > 11e6 - 1e5
    assert peak + labels < 100e6
    assert kept > 4 * sum(entry.samples for entry in ENTRIES.values())  # it was all there


def test_a_rank_orders_only_its_own_sources():
    plan = path_plan(shuffled=True)
    tracemalloc.start()
    plan.indices(Unit(0, 'lip', 0))
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


@pytest.mark.parametrize('parts', [1, 2, 4, 8])
def test_a_cut_source_has_the_same_samples_in_every_step(parts):
    whole = Source('a', 'pose', 50, 8, 3, weight=2.0)
    plan, finer = Plan([whole], 7), Plan([whole.cut(parts)], 7)
    assert finer.sources['a'].slots == 3 * parts and finer.weights == plan.weights
    for step in range(9):
        samples = [np.concatenate([x.indices(unit) for unit in x.units(step)]) for x in (plan, finer)]
        assert (samples[0] == samples[1]).all()
    assert plan.epochs(10) == finer.epochs(10)


def test_what_cannot_be_cut_says_so():
    with pytest.raises(ValueError, match="source 'a' of 8 images and cannot be cut into 3"):
        Source('a', 'pose', 50, 8).cut(3)
    with pytest.raises(ValueError, match="'a' are atomic"):
        Source('a', 'reid', 8, 8, identities=np.arange(8)).cut(2)


@pytest.mark.parametrize('world_size', [1, 8, 32, 64, 300])
def test_cutting_spares_what_must_stay_whole_and_what_is_fine_enough(world_size):
    plan, costs = path_plan(), recorded_costs()
    parts = cut(plan, world_size, costs, BATCH_STATISTICS, floor=3e-3)
    assert set(parts) == set(costs)
    for name, entry in ENTRIES.items():
        assert parts[name] == 1 or entry.task not in ('reid', 'attribute')
        assert entry.batch_size % parts[name] == 0
        assert parts[name] == 1 or costs[name] / parts[name] > 1e-3
    assert (max(parts.values()) == 1) == (world_size <= 8)
    images = {name: source.slots * source.batch_size for name, source in plan.sources.items()}
    finer = apply_cut(plan, parts)
    assert {name: source.slots * source.batch_size for name, source in finer.sources.items()} == images
    assert sum(cut_costs(costs, parts)[unit.source] for unit in finer.units(0)) == pytest.approx(
        sum(costs[unit.source] for unit in plan.units(0)))


def test_a_grown_batch_keeps_thousands_of_ranks_as_busy_as_64():
    plan, costs = path_plan(), recorded_costs()
    shares = {}
    for world_size, growth in ((64, 1), (2048, 32), (2048, 1)):
        recipe = grown(plan, growth)
        parts = cut(recipe, world_size, costs, BATCH_STATISTICS, floor=3e-3)
        found = forecast(apply_cut(recipe, parts), world_size, cut_costs(costs, parts), Traffic(45e9, 344e6))
        shares[world_size, growth] = found.compute_utilisation
    assert shares[2048, 32] == pytest.approx(shares[64, 1], abs=0.02)
    assert shares[2048, 1] < 0.05  # a fixed batch leaves them idle
    with pytest.raises(UserError, match='whole factor'):
        grown(plan, 0)


def test_a_forecast_adds_up():
    plan = Plan([Source('a', 'pose', 9, 1, 3), Source('b', 'reid', 9, 1, 1)], 0)
    found = forecast(plan, 2, dict(a=1.0, b=2.0), Traffic(1.0, heads=dict(a=0.5, b=0.5)))
    assert found.time.compute == 3.0 and found.compute_utilisation == pytest.approx(5 / 6)
    assert found.ranks_of('b') and sum(map(len, found.placement)) == 4
    assert found.end_to_end_utilisation == pytest.approx(5 / 2 / found.time.total)
    assert found.hours(3600) == pytest.approx(found.time.total)
    assert sum(found.units_per_rank, start=type(found.units_per_rank[0])()) == dict(a=3, b=1)
