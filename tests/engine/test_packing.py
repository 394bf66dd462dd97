"""A unit crosses processes in one piece and is the same on the other side."""
import pickle

import pytest
import torch
from torch.utils.data import DataLoader

from humanbench.engine.mixture import Mixture, collate
from humanbench.engine.packing import PackedUnit, unpacked
from humanbench.engine.plan import Unit
from humanbench.engine.sampler import UnitSampler
from tests.engine.ranks import MIXTURE, Job, config
from tests.models.conftest import HEADS, unit


def same(one, other) -> bool:
    """Whether two samples hold the same labels and meta information."""
    assert set(one.keys()) == set(other.keys()) and one.metainfo == other.metainfo
    pairs = [(value, other.get(key)) for key, value in one.all_items() if key not in one.metainfo]
    pairs = [pair for a, b in pairs
             for pair in ([(a, b)] if torch.is_tensor(a) else [(x, b.get(key)) for key, x in a.items()])]
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize('source', HEADS)
def test_what_is_packed_comes_out(source):
    before = unit(source) | dict(unit=Unit(3, source, 1), seed=7, replaced=[])
    after = unpacked(PackedUnit.pack(before))
    assert after['unit'] == before['unit'] and after['seed'] == 7
    assert all(torch.equal(x, y) for x, y in zip(after['inputs'], before['inputs'], strict=True))
    assert all(same(x, y) for x, y in zip(after['data_samples'], before['data_samples'], strict=True))


def test_control_another_label_is_noticed():
    before, other = unit('pa100k'), unit('pa100k', seed=1)
    assert not all(same(x, y) for x, y in zip(before['data_samples'], other['data_samples']))


def test_one_tensor_and_one_string_travel():
    packed = PackedUnit.pack(unit('crowdhuman'))
    assert packed.pixels.dim() == 1 and isinstance(packed.rest, bytes)
    assert b'storage' not in pickle.dumps(packed.rest)


def test_a_worker_packs_and_this_process_does_not(tmp_path):
    recipe = config(Job('x'), tmp_path)
    mixture = Mixture(recipe.sources)
    plan = mixture.build_plan(recipe.sources, 0)

    def units(workers: int) -> list:
        sampler = UnitSampler(plan, [(source, 0) for source in MIXTURE], 0, 1)
        return list(DataLoader(mixture, batch_sampler=sampler, collate_fn=collate, num_workers=workers))

    here, there = units(0), units(1)
    assert all(isinstance(x, dict) for x in here) and all(isinstance(x, PackedUnit) for x in there)
    for one, other in zip(here, map(unpacked, there), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(one['inputs'], other['inputs'], strict=True))
        assert all(same(x, y) for x, y in zip(one['data_samples'], other['data_samples'], strict=True))
