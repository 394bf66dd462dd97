"""What trains under each protocol, on a real model: counts, and what five steps change."""
import pytest
import torch
from torch.distributed.fsdp import FSDPModule

import humanbench.engine  # noqa: F401
from humanbench import protocols
from humanbench.engine.launch import build_runner
from humanbench.engine.sharding import shard
from humanbench.errors import UserError

from .toy import toy_config

DEPTH = 3


def run(tmp_path, protocol: str):
    """A model before and after five steps under a protocol."""
    config = toy_config(tmp_path, steps=5, **{'model.backbone.depth': DEPTH})
    config.model.projector = dict(type='LadderProjector')
    config.protocol = protocol
    runner = build_runner(config)
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    runner.train()
    return runner.model, before


def trains(name: str, protocol: str) -> bool:
    """The protocol in words, written down once more, independent of the code under test."""
    if name.startswith('heads.'):
        return True
    if protocol == 'head':
        return False
    if protocol == 'full' or name.startswith('projectors.'):
        return True
    return name.startswith((f'backbone.blocks.{DEPTH - 1}.', f'backbone.blocks.{DEPTH - 2}.', 'backbone.norm.'))


@pytest.mark.parametrize('protocol', ['full', 'partial', 'head'])
def test_what_trains_changes_and_what_is_frozen_stays_bit_for_bit(tmp_path, protocol):
    model, before = run(tmp_path, protocol)
    fixed_by_design = {name for name in before if name.endswith('neck.bias')}
    parameters = dict(model.named_parameters())
    for name, value in model.state_dict().items():
        changed = not torch.equal(value, before[name])
        if name in fixed_by_design:
            assert not changed
        elif name in parameters and not name.endswith('.mlp.fc2.bias') and 'expand.bias' not in name:
            assert changed == trains(name, protocol), name
        elif not name.startswith('heads.') and not trains(name, protocol):
            assert not changed, f'buffer {name} of a frozen part moved'


@pytest.mark.parametrize('protocol', ['full', 'partial', 'head'])
def test_frozen_parts_are_in_eval_mode_while_the_rest_trains(tmp_path, protocol):
    model, _ = run(tmp_path, protocol)
    model.train()
    assert all(head.training for head in model.heads.values())
    assert model.backbone.blocks[0].training == (protocol == 'full')
    assert model.backbone.blocks[DEPTH - 1].training == (protocol != 'head')


def test_the_printed_counts_are_those_of_the_model(tmp_path):
    model = build_runner(toy_config(tmp_path)).model
    full = protocols.count(model, 'full')
    assert full.total == sum(p.numel() for p in model.parameters())
    head = protocols.apply(model, 'head')
    assert head.trained == sum(p.numel() for p in model.heads.parameters() if p.requires_grad) < full.trained
    assert head.total == full.total
    assert 'backbone' in str(head) and f'{head.trained:,}' in str(head)


def test_direct_trains_nothing(tmp_path):
    assert protocols.apply(build_runner(toy_config(tmp_path)).model, 'direct').trained == 0


def test_an_unknown_protocol_offers_the_nearest():
    with pytest.raises(UserError, match="Unknown protocol 'heads'. Did you mean 'head'"):
        protocols.get('heads')


def test_a_released_rule_that_freezes_the_head_would_be_caught(tmp_path, monkeypatch):
    model = build_runner(toy_config(tmp_path)).model
    monkeypatch.setattr(
        protocols, 'is_trainable', lambda protocol, model, name: '.0.' not in name and 'heads' not in name)
    with pytest.raises(AssertionError, match='trains the head'):
        protocols.apply(model, 'partial')


def test_a_recipe_may_open_another_number_of_blocks(tmp_path):
    model = build_runner(toy_config(tmp_path, **{'model.backbone.depth': 4})).model
    two = protocols.apply(model, 'partial').trained
    model = build_runner(toy_config(tmp_path, **{'model.backbone.depth': 4})).model
    three = protocols.apply(model, 'partial', partial_blocks=3).trained
    assert three - two == sum(p.numel() for p in model.backbone.blocks[1].parameters())


def test_a_frozen_backbone_is_not_spread(tmp_path):
    model = build_runner(toy_config(tmp_path)).model
    protocols.apply(model, 'head')
    shard(model.backbone, 2)
    assert not isinstance(model.backbone, FSDPModule)
