"""Cost tables: what a run measures, keeps and merges; devices."""
import json

import pytest

from humanbench.engine.costs import DEVICES, CostTable, find_device
from humanbench.errors import UserError


def table(**options) -> CostTable:
    return CostTable(dict(a=8, b=4), **options)


def test_a_table_is_a_moving_average_that_leaves_out_the_first_units():
    costs = table(decay=0.5, warmup=2)
    for seconds in (50.0, 20.0, 1.0, 3.0):
        costs.update('a', seconds)
    assert costs.as_mapping() == {'a': 2.0}
    for seconds in (float('nan'), float('inf'), 0.0):
        costs.update('a', seconds)
    assert costs.as_mapping() == {'a': 2.0}


def test_a_table_survives_json_and_another_batch_size():
    costs = table(decay=0.5, warmup=0)
    costs.update('a', 2.0)
    content = json.loads(json.dumps(costs.to_dict()))
    again = CostTable.from_dict(content)
    assert again.as_mapping() == {'a': 2.0} and again.to_dict() == costs.to_dict()
    again.update('a', 4.0)
    assert again.as_mapping() == {'a': 3.0}
    halved = CostTable.from_dict(content, dict(a=4, c=1))
    assert halved.as_mapping() == {'a': 1.0} and set(halved.batch_sizes) == {'a', 'c'}


def test_what_was_not_measured_is_estimated_for_this_machine():
    costs = table(warmup=0)
    assert costs.complete(dict(a=1.0, b=2.0)) == dict(a=1.0, b=2.0)
    costs.update('a', 3.0)
    assert costs.complete(dict(a=1.0, b=2.0)) == dict(a=3.0, b=6.0)


def test_a_cut_unit_keeps_the_table_of_the_whole_one():
    whole = table(warmup=0)
    whole.update('a', 8.0)
    assert CostTable.from_dict(whole.to_dict(), dict(a=2)).as_mapping() == {'a': 2.0}


@pytest.mark.parametrize('content', [
    {}, [], {'version': 9}, {'version': 1, 'decay': 0.9, 'warmup': 3, 'sources': {'a': 1.0}},
    {'version': 1, 'decay': 0.9, 'warmup': 3, 'sources': {'a': {'seconds': 'x', 'batch_size': 2, 'units': 1}}},
    {'version': 1, 'decay': 0.9, 'warmup': 3, 'sources': {'a': {'seconds': 1.0, 'batch_size': 0, 'units': 1}}},
    {'version': 1, 'decay': 0.9, 'warmup': 3, 'sources': {'a': {'seconds': -1.0, 'batch_size': 2, 'units': 1}}}])
def test_what_is_no_table_is_refused(content):
    with pytest.raises(UserError, match='cost table'):
        CostTable.from_dict(content)


def test_mistakes_are_named():
    with pytest.raises(UserError, match="source of a cost 'aa'"):
        table().update('aa', 1.0)
    with pytest.raises(UserError, match='decay'):
        table(decay=1.0)
    with pytest.raises(UserError, match="Unknown device 'h10'.*Known: a100, cpu, h100, h200, v100"):
        find_device('h10')
    with pytest.raises(UserError, match="precision of device v100 'fp8'"):
        find_device('V100').flops('fp8')


@pytest.mark.parametrize('device', DEVICES.values(), ids=DEVICES)
def test_devices_are_plausible(device):
    assert 1e11 < device.flops('fp32') <= device.flops('bf16') < 1e15
    assert device.network <= device.link and 1e9 < device.memory < 1e12 and 0 < device.floor < 0.1
