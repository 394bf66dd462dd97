"""Placement: every unit once, the promised balance, gradient traffic, unequal ranks."""
import numpy as np
import pytest

from humanbench.engine.placement import Traffic, place, step_time, utilisation
from humanbench.engine.plan import Plan, Source
from humanbench.engine.simulate import apply_cut, cut, cut_costs, one_source_per_rank
from humanbench.errors import UserError

from .path_recipe import BATCH_STATISTICS, path_plan, path_traffic, recorded_costs

TASKS = ('pose', 'parsing', 'reid', 'attribute', 'detection')


def made_up(seed: int) -> tuple[Plan, dict[str, float], Traffic | None, np.random.Generator]:
    """A random recipe with a random cost table."""
    rng = np.random.default_rng(seed)
    sources = [Source(f's{i}', str(rng.choice(TASKS)), 100, 4, int(rng.integers(1, 40)))
               for i in range(rng.integers(1, 30))]
    plan, names = Plan(sources, 0), [source.name for source in sources]
    costs = {name: float(rng.lognormal(0, 1.5)) for name in names}
    heads = {name: float(rng.lognormal(15, 2)) for name in names}
    traffic = Traffic(1e8, 3e8, dict.fromkeys(TASKS, 1e7), heads, link=1e9) if rng.random() < 0.7 else None
    return plan, costs, traffic, rng


def pairs(plan: Plan) -> list[tuple[str, int]]:
    return sorted((unit.source, unit.slot) for unit in plan.units(0))


@pytest.mark.parametrize('seed', range(25))
@pytest.mark.parametrize('world_size', [1, 2, 3, 7, 16, 61, 256, 1024])
def test_every_unit_runs_exactly_once(seed, world_size):
    plan, costs, traffic, rng = made_up(seed)
    speeds = rng.uniform(0.2, 3, world_size) if seed % 2 else None
    placement = place(plan, world_size, costs, traffic, speeds)
    assert len(placement) == world_size
    assert sorted(pair for rank in placement for pair in rank) == pairs(plan)
    assert placement == place(plan, world_size, dict(costs), traffic, speeds)


@pytest.mark.parametrize('seed', range(12))
@pytest.mark.parametrize('world_size', [2, 5, 16, 100])
def test_without_traffic_the_slowest_rank_is_within_grahams_bound(seed, world_size):
    plan, costs, _, _ = made_up(seed)
    time = step_time(plan, place(plan, world_size, costs), costs)
    mean = sum(costs[unit.source] for unit in plan.units(0)) / world_size
    assert time.compute <= mean + (1 - 1 / world_size) * max(costs.values()) + 1e-9
    assert time.busy.sum() == pytest.approx(mean * world_size)


@pytest.mark.parametrize(('world_size', 'least'), [(8, 0.94), (16, 0.91), (64, 0.85)])
def test_utilisation_of_the_recorded_recipe(world_size, least):
    plan, costs = path_plan(), recorded_costs()
    parts = cut(plan, world_size, costs, BATCH_STATISTICS)
    plan, costs = apply_cut(plan, parts), cut_costs(costs, parts)
    placement = place(plan, world_size, costs, path_traffic(45e9, 337e9))
    assert utilisation(placement, costs) >= least


def test_one_set_of_smaller_units_serves_every_world_size():
    plan, costs = path_plan(), recorded_costs()
    parts = cut(plan, 64, costs, BATCH_STATISTICS)
    plan, costs = apply_cut(plan, parts), cut_costs(costs, parts)
    for world_size, least in ((1, 1.0), (8, 0.94), (16, 0.91), (64, 0.85)):
        assert utilisation(place(plan, world_size, costs, path_traffic(45e9)), costs) >= least - 1e-9


def test_what_the_original_does_falls_short():
    plan, costs = path_plan(), recorded_costs()
    assert one_source_per_rank(plan, 8, costs) is one_source_per_rank(plan, 16, costs) is None
    assert one_source_per_rank(plan, 64, costs) == pytest.approx(0.478, abs=0.001)
    one_each = [[(unit.source, unit.slot)] for unit in plan.units(0)]
    assert utilisation(one_each, costs) == pytest.approx(one_source_per_rank(plan, 64, costs))
    assert utilisation(place(plan, 64, costs), costs) < 0.5  # whole units: no placement helps
    in_turn = [[(unit.source, unit.slot) for unit in plan.units(0)[rank::16]] for rank in range(16)]
    assert utilisation(in_turn, costs) < 0.91


def test_a_slow_network_keeps_a_large_head_together_and_a_fast_one_spreads_it():
    plan = Plan([Source('large', 'reid', 100, 4, 4), Source('small', 'pose', 100, 4, 4)], 0)
    costs = dict(large=1.0, small=1.0)

    def holders(bandwidth: float) -> int:
        placement = place(plan, 2, costs, Traffic(bandwidth, heads=dict(large=1e9, small=1e6)))
        return sum(any(source == 'large' for source, _ in rank) for rank in placement)

    assert holders(1e6) == 1
    uneven = Plan([Source('large', 'reid', 100, 4, 6), Source('small', 'pose', 100, 4, 2)], 0)
    fast = place(uneven, 2, costs, Traffic(1e15, heads=dict(large=1e9, small=1e6)))
    slow = place(uneven, 2, costs, Traffic(1e6, heads=dict(large=1e9, small=1e6)))
    assert utilisation(fast, costs) == 1.0 and utilisation(slow, costs) < 1.0
    assert step_time(uneven, slow, costs).copies == 2 < step_time(uneven, fast, costs).copies


def test_traffic_is_that_of_rings():
    plan = Plan([Source('a', 'pose', 9, 1, 3), Source('b', 'pose', 9, 1, 1), Source('c', 'reid', 9, 1, 1)], 0)
    costs = dict(a=1.0, b=2.0, c=4.0)
    traffic = Traffic(10.0, 60.0, dict(pose=30.0, reid=6.0), dict(a=12.0, b=100.0, c=5.0))
    time = step_time(plan, [[('a', 0), ('a', 1)], [('a', 2), ('b', 0)], [('c', 0)]], costs, traffic)
    assert time.busy.tolist() == [2.0, 3.0, 4.0]
    world, pair = 60 * 4 / 3, (30 + 12) * 2 / 2  # backbone on three; pose projector and head a on two
    assert time.sent.tolist() == pytest.approx([world + pair, world + pair, world])
    assert time.exposed == pytest.approx(world / 10 - 0.6 * 4 + pair / 10)
    assert time.copies == 4 and time.total == pytest.approx(4 + time.exposed)
    routed = step_time(plan, [[('a', 0), ('a', 1), ('a', 2)], [('b', 0)], [('c', 0)]], costs,
                       Traffic(10.0, projectors=dict(pose=30.0, own=8.0), routes=dict(b='own')))
    assert routed.sent.tolist() == [0, 0, 0]


def test_ranks_of_one_node_talk_faster_and_share_the_adapters_of_their_node():
    traffic = Traffic(10.0, link=35.0, node=4)
    assert traffic.seconds(100, np.array([0, 1, 2, 3])) == pytest.approx(100 * 1.5 / 35)
    assert traffic.seconds(100, np.array([3, 4])) == pytest.approx(100 / 10)
    assert traffic.seconds(100, np.array([2, 3, 4, 5])) == pytest.approx(100 * 1.5 / 20)
    assert traffic.seconds(100, np.arange(8)) == pytest.approx(100 * 1.75 / 35)


def test_slow_ranks_get_less():
    plan, costs = path_plan(), recorded_costs()
    speeds = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]
    fitted, blind = place(plan, 8, costs, speeds=speeds), place(plan, 8, costs)
    work = [sum(costs[source] for source, _ in rank) for rank in fitted]
    assert sum(work[:4]) / sum(work[4:]) == pytest.approx(2, rel=0.1)
    assert utilisation(fitted, costs, speeds) > 0.94
    assert utilisation(blind, costs, speeds) < 0.8


def test_ranks_without_a_unit_stay_idle():
    plan = Plan([Source('a', 'pose', 9, 1, 2)], 0)
    placement = place(plan, 5, dict(a=1.0), Traffic(1e9, 1e6))
    assert sorted(map(len, placement)) == [0, 0, 0, 1, 1]
    assert utilisation(placement, dict(a=1.0)) == pytest.approx(0.4)


@pytest.mark.parametrize(('arguments', 'message'), [
    (dict(world_size=0), 'at least 1'), (dict(costs=dict(a=1.0)), 'no entry for b; it has a'),
    (dict(costs=dict(a=1.0, b=0.0)), 'above 0'), (dict(costs=dict(a=1.0, b=float('nan'))), 'above 0'),
    (dict(speeds=[1.0]), 'Expected 2 speeds'), (dict(speeds=[1.0, 0.0]), 'Expected 2 speeds'),
    (dict(costs=None, traffic=Traffic(1.0)), 'costs of the units in seconds')])
def test_what_cannot_be_placed_is_explained(arguments, message):
    plan = Plan([Source('a', 'pose', 9, 1), Source('b', 'pose', 9, 1)], 0)
    with pytest.raises(UserError, match=message):
        place(**dict(plan=plan, world_size=2, costs=dict(a=1.0, b=1.0)) | arguments)


def test_traffic_needs_a_bandwidth():
    with pytest.raises(UserError, match='bandwidth above 0'):
        Traffic(0.0)
