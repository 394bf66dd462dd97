"""The backbone against timm and against interpolation, its levels, layers, drop path and recomputation."""
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from timm.models.vision_transformer import VisionTransformer

from humanbench.errors import UserError
from humanbench.models.backbones import HumanViT
from humanbench.models.backbones.position import interpolate_positions, sincos_table
from humanbench.registry import MODELS

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/models'


def vit(**options) -> HumanViT:
    torch.manual_seed(0)
    return HumanViT(**dict(dict(img_size=64, embed_dim=32, depth=3, num_heads=2), **options))


def test_equals_timm_at_the_native_size():
    ours = vit()
    theirs = VisionTransformer(
        img_size=64, embed_dim=32, depth=3, num_heads=2, num_classes=0, global_pool='', class_token=True).eval()
    state = ours.state_dict()
    position = torch.cat([state.pop('cls_pos_embed'), state['pos_embed']], dim=1)
    theirs.load_state_dict(state | dict(pos_embed=position))
    images = torch.randn(2, 3, 64, 64)
    tokens = theirs.forward_features(images)
    features = ours.eval()(images)
    torch.testing.assert_close(features.tokens[-1], tokens[:, 1:])
    torch.testing.assert_close(features.cls, tokens[:, 0])
    torch.testing.assert_close(features.pooled, tokens[:, 1:].mean(1))


@pytest.mark.parametrize('size', [(64, 64), (64, 32), (48, 112), (16, 16)])
@pytest.mark.parametrize('tasks', [None, (), ('reid',)])
def test_shapes(size, tasks):
    network = vit(class_token_tasks=tasks)
    grid = (size[0] // 16, size[1] // 16)
    for task in ('reid', 'pose'):
        features = network(torch.randn(2, 3, *size), dict(task=task))
        with_token = tasks is None or task in tasks
        assert features.grid == grid
        assert len(features.tokens) == network.depth + 1
        assert all(x.shape == (2, grid[0] * grid[1], 32) for x in features.tokens)
        assert [x.shape for x in features.maps] == [(2, 32, *grid)]
        assert torch.equal(features.maps[0][:, :, 0, -1], features.tokens[-1][:, grid[1] - 1])
        assert features.pooled.shape == (2, 32)
        assert (features.cls is not None) == with_token
        assert len(features.cls_tokens) == (network.depth + 1) * with_token
    assert any('cls' in name for name, _ in network.named_parameters()) == (tasks != ())


def test_levels_are_the_outputs_of_the_blocks():
    network = vit().eval()
    outputs = []
    for block in network.blocks:
        block.register_forward_hook(lambda module, args, out: outputs.append((args[0], out)))
    features = network(torch.randn(1, 3, 64, 64))
    assert torch.equal(features.tokens[0], outputs[0][0][:, 1:])
    assert torch.equal(features.tokens[1], outputs[0][1][:, 1:])
    assert torch.equal(features.tokens[-2], outputs[-2][1][:, 1:])
    assert torch.equal(features.tokens[-1], network.norm(outputs[-1][1])[:, 1:])


def test_image_that_is_no_multiple_of_the_patch():
    with pytest.raises(UserError, match='pad_size_divisor=16'):
        vit()(torch.randn(1, 3, 60, 64))


def test_patch_14():
    assert vit(img_size=28, patch_size=14)(torch.randn(1, 3, 28, 42)).grid == (2, 3)


def test_positions_are_kept_at_the_native_grid():
    table = torch.randn(1, 12, 8)
    assert interpolate_positions(table, (3, 4), (3, 4)) is table


@pytest.mark.parametrize('new_grid', [(3, 5), (8, 4), (7, 2), (1, 1)])
def test_positions_equal_bicubic_interpolation(new_grid):
    table = torch.randn(1, 12, 8, dtype=torch.float64, requires_grad=True)
    ours = interpolate_positions(table, (3, 4), new_grid)
    image = table.reshape(1, 3, 4, 8).permute(0, 3, 1, 2)
    expected = F.interpolate(image, size=new_grid, mode='bicubic', align_corners=False).flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours, expected)
    weight = torch.randn_like(expected)
    gradients = [torch.autograd.grad((x * weight).sum(), table)[0] for x in (ours, expected)]
    torch.testing.assert_close(*gradients)


def test_positions_stay_exact_under_autocast_and_after_inference_mode():
    table = torch.randn(1, 12, 8, requires_grad=True)
    with torch.inference_mode():
        interpolate_positions(table, (3, 4), (6, 9))
    exact = interpolate_positions(table, (3, 4), (6, 9))
    exact.sum().backward()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(interpolate_positions(table, (3, 4), (6, 9)), exact)


def test_sincos_table():
    table = sincos_table((3, 5), 8).reshape(3, 5, 8)
    expected = torch.tensor([1.0, 0.01]) * 4
    torch.testing.assert_close(table[2, 4, :4], torch.cat([expected.sin(), expected.cos()]))  # x = 4
    expected = torch.tensor([1.0, 0.01]) * 2
    torch.testing.assert_close(table[2, 4, 4:], torch.cat([expected.sin(), expected.cos()]))  # y = 2
    assert torch.equal(vit().pos_embed.detach(), sincos_table((4, 4), 32))
    assert not torch.equal(vit(position_init='normal').pos_embed.detach(), sincos_table((4, 4), 32))
    with pytest.raises(UserError, match='sincos'):
        vit(position_init='sincoss')


def test_layers_of_the_parameters():
    network = vit()
    layers = {name: network.layer_id(name) for name, _ in network.named_parameters()}
    assert {layers[n] for n in layers if n.startswith(('patch_embed', 'pos_embed', 'cls'))} == {0}
    assert layers['blocks.0.attn.qkv.weight'] == 1 and layers['blocks.2.norm1.bias'] == 3
    assert layers['norm.weight'] == network.depth + 1 == 4
    with pytest.raises(AssertionError):
        network.layer_id('heads.lip.classifier.weight')


@pytest.mark.parametrize('options', [dict(), dict(class_token_tasks=('reid',)), dict(drop_path=0.5)])
def test_a_list_of_batches_equals_one_after_the_other(options):
    network = vit(**options)
    images = [torch.randn(2, 3, 64, 32), torch.randn(3, 3, 48, 48)]

    def conditions() -> list[dict]:
        return [dict(task=task, generator=torch.Generator().manual_seed(1)) for task in ('reid', 'pose')]

    together = network.forward_list(images, conditions())
    for x, condition, features in zip(images, conditions(), together):
        assert torch.equal(network(x, condition).pooled, features.pooled)


def test_drop_path_is_linear_over_depth_and_unbiased():
    network = vit(depth=3)
    tokens, generator = torch.zeros(1), torch.Generator().manual_seed(0)
    keeps = network.draw_keeps(20000, dict(drop_path=0.4, generator=generator), tokens)
    for keep, rate in zip(keeps, (0.0, 0.2, 0.4)):
        assert keep.shape == (2, 20000)
        torch.testing.assert_close((keep == 0).float().mean(), torch.tensor(rate), atol=0.01, rtol=0)
        torch.testing.assert_close(keep.mean(), torch.tensor(1.0), atol=0.02, rtol=0)


def test_dropping_both_branches_leaves_the_tokens():
    block = vit().blocks[0]
    x = torch.randn(2, 5, 32)
    keep = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).view(2, 2, 1, 1)
    out = block(x, keep)
    assert torch.equal(out[0], x[0])
    torch.testing.assert_close(out[1], block(x)[1])


def test_no_drop_path_in_evaluation():
    network = vit(drop_path=0.9).eval()
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(network(images).pooled, network(images).pooled)


@pytest.mark.parametrize('checkpointing', [True, ('pose',)])
def test_recomputation_gives_the_same_gradients(checkpointing):
    images = torch.randn(4, 3, 64, 48)

    def run(**options) -> tuple[dict, int]:
        network = vit(drop_path=0.5, **options)
        calls = []
        network.blocks[1].register_forward_pre_hook(lambda module, args: calls.append(1))
        features = network(images, dict(task='pose', generator=torch.Generator().manual_seed(3)))
        torch.rand(5)  # the global generator moves between forward and backward
        features.pooled.pow(2).sum().backward()
        return {n: p.grad for n, p in network.named_parameters()}, len(calls)

    (plain, once), (recomputed, twice) = run(), run(checkpointing=checkpointing)
    assert (once, twice) == (1, 2)
    assert all(torch.equal(plain[name], recomputed[name]) for name in plain)
    _, calls = run(checkpointing=('parsing',))
    assert calls == 1


def test_initialisation_scales_deep_projections_down():
    network = vit(embed_dim=64, depth=8)
    first, last = (network.blocks[i].mlp.fc2.weight.std() for i in (0, 7))
    torch.testing.assert_close(first / last, torch.tensor(8.0).sqrt(), rtol=0.1, atol=0)
    assert not network.norm.bias.any() and not network.blocks[3].attn.qkv.bias.any()


@pytest.mark.parametrize('name, weights', [('vit_b', 85_797_120), ('vit_l', 303_299_584)])
def test_configs_have_the_published_sizes(name, weights):
    config = Config.fromfile(CONFIGS / f'{name}.py', lazy_import=True).model.to_dict()
    with torch.device('meta'):
        network = MODELS.build(config['backbone'] | dict(class_token_tasks=()))
    assert sum(p.numel() for p in network.parameters()) == weights
