"""Weights of heads in a run of several ranks, each of which has some of them."""
import os
from pathlib import Path

import torch
import torch.distributed as dist
from mmengine.config import Config

from humanbench import weights
from humanbench.engine.launch import _load_weights
from humanbench.errors import CheckpointError
from tests.models import conftest as small

from .runs import equal
from .spawn import spawn

SOURCES = ('market1501', 'pa100k')  # one on each rank


def load(rank: int, world: int, port: int, folder: Path) -> None:
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group('gloo')
    found = {}
    for name, file, parts in (('named', 'both', ('backbone', 'heads.pa100k')), ('all', 'one', ('backbone', 'heads')),
                              ('nothing', 'none', ('backbone', 'heads'))):
        model = small.model((SOURCES[rank],), seed=1)
        config = Config(dict(weights=f'path:{folder}/{file}.pth', model=dict(heads=dict.fromkeys(SOURCES, {}))))
        try:
            _load_weights(model, config, parts, world)
            found[name] = model.state_dict()
        except CheckpointError as error:
            found[name] = str(error)
    torch.save(found, folder / f'{rank}.pt')
    dist.destroy_process_group()


def test_each_rank_loads_the_heads_that_it_has(tmp_path):
    saved = small.model(SOURCES, seed=0)
    weights.export(saved, tmp_path / 'both.pth')
    weights.export(small.model(('pa100k',), seed=0), tmp_path / 'one.pth')
    weights.export(small.model(('coco_pose',), seed=0), tmp_path / 'none.pth')
    assert spawn(load, 2, (tmp_path,), 120) == [0, 0]
    first, second = (torch.load(tmp_path / f'{rank}.pt', weights_only=False) for rank in range(2))
    own = small.model(('market1501',), seed=1).heads['market1501'].state_dict()
    wanted = saved.heads['pa100k'].state_dict()
    for name in ('named', 'all'):
        assert equal(part(second[name], 'heads.pa100k.'), wanted)
        assert equal(part(first[name], 'heads.market1501.'), own)  # kept: another head was asked for, or is in the file
        for found in (first[name], second[name]):
            assert equal(part(found, 'backbone.'), saved.backbone.state_dict())
    for found in (first, second):  # though rank 0 alone could not know
        assert "Nothing in 'path:" in found['nothing'] and "the model's heads" in found['nothing']


def part(state: dict, prefix: str) -> dict:
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
