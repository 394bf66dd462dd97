"""Optimiser, learning rates by layer, and clipping."""
import pytest
import torch
from mmengine.config import ConfigDict
from torch import nn

from humanbench.engine.optim import HumanOptimWrapper, LayerDecayConstructor, PathAdafactor, layer_scale
from humanbench.engine.schedule import param_schedulers
from humanbench.errors import UserError
from humanbench.registry import PARAM_SCHEDULERS


def naive_adafactor(weight, gradients, lr, decay, clip):
    """PATH's update written down step by step."""
    row, column, moment = torch.zeros(weight.shape[0]), torch.zeros(weight.shape[1]), torch.zeros_like(weight)
    for t, gradient in enumerate(gradients, 1):
        beta2 = min(1 - t**-0.8, 0.999)
        square = gradient**2 + 1e-30
        row, column = beta2 * row + (1 - beta2) * square.mean(1), beta2 * column + (1 - beta2) * square.mean(0)
        second = row[:, None] * column[None, :] / row.mean()
        update = gradient / second.sqrt()
        update = update / max(1.0, float(update.pow(2).mean().sqrt()) / clip) * lr
        moment = 0.9 * moment + 0.1 * update
        weight = weight - decay * lr * weight - moment
    return weight


def test_adafactor_follows_the_formula():
    torch.manual_seed(0)
    parameter = nn.Parameter(torch.randn(6, 4))
    start, gradients = parameter.detach().clone(), [torch.randn(6, 4) for _ in range(5)]
    optimizer = PathAdafactor([parameter], lr=0.01, weight_decay=0.05, clip_threshold=0.5)
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    expected = naive_adafactor(start, gradients, 0.01, 0.05, 0.5)
    torch.testing.assert_close(parameter.detach(), expected, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(parameter.detach(), naive_adafactor(start, gradients, 0.01, 0.05, 1.0), atol=1e-4)


def test_adafactor_is_indifferent_to_the_gradients_scale():
    weights = []
    for scale in (1.0, 1e-6):
        torch.manual_seed(0)
        parameter = nn.Parameter(torch.randn(3, 5, 5))
        optimizer = PathAdafactor([parameter], lr=0.01)
        for _ in range(3):
            parameter.grad = torch.randn(3, 5, 5) * scale
            optimizer.step()
        weights.append(parameter.detach().clone())
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-6)


def test_adafactor_resumes_bitwise():
    def run(steps, state=None, weight=None):
        parameter = nn.Parameter(torch.ones(4, 3) if weight is None else weight.clone())
        optimizer = PathAdafactor([parameter], lr=0.01)
        if state is not None:
            optimizer.load_state_dict(state)
        for step in steps:
            parameter.grad = torch.full((4, 3), float(step)) + torch.arange(12.0).reshape(4, 3)
            optimizer.step()
        return parameter.detach(), optimizer.state_dict()

    whole, _ = run(range(1, 7))
    half, state = run(range(1, 4))
    resumed, _ = run(range(4, 7), state, half)
    assert torch.equal(resumed, whole)


@pytest.mark.parametrize('rule, layer, expected', [
    ('standard', 0, 0.75**13), ('standard', 1, 0.75**12), ('standard', 12, 0.75), ('standard', 13, 1.0),
    ('path', 0, 0.75**11), ('path', 1, 0.75**10), ('path', 11, 1.0), ('path', 12, 0.75**-1), ('path', 13, 1.0)])
def test_layer_scale_follows_both_rules(rule, layer, expected):
    assert layer_scale(layer, 12, 0.75, rule) == pytest.approx(expected)


def test_position_tables_keep_the_full_rate_under_the_path_rule_only():
    assert layer_scale(0, 12, 0.75, 'path', position=True) == 1.0
    assert layer_scale(0, 12, 0.75, 'standard', position=True) == pytest.approx(0.75**13)


class Backbone(nn.Module):
    depth = 2

    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 4, 8))
        self.blocks = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.norm = nn.LayerNorm(8)

    def layer_id(self, name):
        return 0 if name == 'pos_embed' else 3 if name.startswith('norm') else int(name.split('.')[1]) + 1


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone, self.heads = Backbone(), nn.ModuleDict(dict(a=nn.Linear(8, 2)))


def build(model=None, **paramwise):
    config = ConfigDict(type=HumanOptimWrapper, optimizer=dict(type='AdamW', lr=1.0, weight_decay=0.1), clip_norm=1.0)
    return LayerDecayConstructor(config, paramwise)(model or Model())


def lookup(wrapper, parameter):
    return next(g for g in wrapper.optimizer.param_groups if any(p is parameter for p in g['params']))


def test_groups_have_the_rate_and_decay_of_their_place():
    model = Model()
    wrapper = build(model, layer_decay=0.5, backbone_multiplier=0.8, head_weight_decay=0.3)
    block, head = lookup(wrapper, model.backbone.blocks[0].weight), lookup(wrapper, model.heads['a'].weight)
    assert (block['lr'], block['weight_decay']) == (pytest.approx(0.8 * 0.25), 0.1)
    assert (head['lr'], head['weight_decay']) == (1.0, 0.3)
    for parameter in (model.backbone.pos_embed, model.backbone.norm.weight, model.heads['a'].bias):
        assert lookup(wrapper, parameter)['weight_decay'] == 0.0


def test_frozen_parameters_reach_no_optimiser():
    model = Model()
    model.backbone.requires_grad_(False)
    wrapper = build(model)
    assert {id(p) for g in wrapper.optimizer.param_groups for p in g['params']} == {
        id(p) for p in model.heads.parameters()}


def test_an_unknown_option_offers_the_nearest():
    with pytest.raises(UserError, match="layer_decay_rate.*layer_decay"):
        build(layer_decay_rate=0.5)


@pytest.mark.parametrize('part, norms', [
    ('all', (None, None, 1.0)), ('backbone', (1.0, 4.0, None)), ('each', (1.0, 1.0, None))])
def test_clipping_bounds_what_it_is_told(part, norms):
    model = Model()
    wrapper = build(model)
    wrapper.clip_part, wrapper.clip_norm = part, 1.0
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    model.heads['a'].weight.grad.fill_(14**0.5 / 4)  # with the bias' two ones: a norm of 4
    wrapper.step()
    parts = [model.backbone, model.heads, model]
    for module, norm in zip(parts, norms):
        if norm is not None:
            total = torch.nn.utils.get_total_norm([p.grad for p in module.parameters()])
            assert float(total) == pytest.approx(norm, rel=1e-3)


def rates(*arguments, steps: int = 200, lr: float = 1.0, **options) -> list[float]:
    """The learning rate of every step of a run."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedulers = [PARAM_SCHEDULERS.build(dict(config, optimizer=optimizer))
                  for config in param_schedulers(steps, *arguments, **options)]
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


def test_poly_is_a_power_of_what_is_left_of_the_run():
    assert rates('poly') == pytest.approx([(1 - i / 200)**0.9 for i in range(200)])
    assert rates('poly', power=2.0) == pytest.approx([(1 - i / 200)**2 for i in range(200)])
    warm = rates('poly', warmup=20, start_factor=0.1)
    assert warm[0] == pytest.approx(0.1) and warm[20:] == pytest.approx([(1 - i / 180)**0.9 for i in range(180)])


def test_a_warm_up_begins_and_a_cosine_ends_where_the_recipe_says():
    """HAP's rate for RAP: from 1e-4 up to 2.4e-4 in a tenth of the run, and down to 1e-5."""
    found = rates('cosine', lr=2.4e-4, warmup=0.1, start_factor=1e-4 / 2.4e-4, end_factor=1e-5 / 2.4e-4)
    assert found[0] == pytest.approx(1e-4) and max(found) == pytest.approx(2.4e-4)
    assert found.index(max(found)) in (19, 20)
    assert found[10] == pytest.approx(1.7e-4, rel=0.05) and found[-1] == pytest.approx(1e-5, rel=0.02)
    assert found[:20] == sorted(found[:20]) and found[20:] == sorted(found[20:], reverse=True)
