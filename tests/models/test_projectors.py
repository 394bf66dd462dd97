"""Projectors: what all of them hold, and the ladder against a plain recomputation."""
import pytest
import torch
import torch.nn.functional as F

from humanbench.errors import UserError
from humanbench.models.backbones import HumanViT
from humanbench.models.projectors import LadderProjector
from humanbench.registry import MODELS

PROJECTORS = sorted(name for name, x in MODELS.module_dict.items()
                    if name.endswith('Projector') and x.__module__.startswith('humanbench.'))


def backbone(tasks=None, depth: int = 3) -> HumanViT:
    torch.manual_seed(0)
    return HumanViT(img_size=64, embed_dim=32, depth=depth, num_heads=2, class_token_tasks=tasks)


@pytest.mark.parametrize('name', PROJECTORS)
@pytest.mark.parametrize('tasks', [None, ()])
def test_every_projector_gives_features(name, tasks):
    network = backbone(tasks)
    projector = MODELS.build(dict(type=name, in_channels=32, depth=3))
    features = projector(network(torch.randn(2, 3, 64, 48)))
    width = projector.out_channels
    assert features.maps[-1].shape == (2, width, 4, 3) and features.grid == (4, 3)
    assert features.pooled.shape == (2, width) and features.tokens[-1].shape == (2, 12, width)
    assert (features.cls is None) == (tasks == ())
    torch.testing.assert_close(features.maps[-1].mean((2, 3)), features.pooled)
    torch.testing.assert_close(features.maps[-1].flatten(2).transpose(1, 2), features.tokens[-1])


def naive_block(block, x: torch.Tensor) -> torch.Tensor:
    """Pre-norm attention and MLP, head by head."""
    y = F.layer_norm(x, x.shape[-1:], block.norm1.weight, block.norm1.bias, 1e-5)
    query, key, value = (y @ block.attn.qkv.weight.T).chunk(3, dim=-1)
    size = x.shape[-1] // 2
    heads = []
    for part in (slice(0, size), slice(size, None)):
        scores = query[..., part] @ key[..., part].transpose(1, 2) / size**0.5
        heads.append(scores.softmax(-1) @ value[..., part])
    x = x + F.linear(torch.cat(heads, -1), block.attn.proj.weight, block.attn.proj.bias)
    y = F.layer_norm(x, x.shape[-1:], block.norm2.weight, block.norm2.bias, 1e-5)
    y = F.gelu(F.linear(y, block.mlp.fc1.weight, block.mlp.fc1.bias))
    return x + F.linear(y, block.mlp.fc2.weight, block.mlp.fc2.bias)


@pytest.mark.parametrize('tasks', [None, ()])
def test_ladder_equals_a_plain_recomputation(tasks):
    features = backbone(tasks)(torch.randn(2, 3, 64, 48))
    ladder = LadderProjector(in_channels=32, depth=3)
    torch.nn.init.normal_(ladder.gates)
    levels = features.tokens
    if features.cls_tokens:
        levels = [torch.cat([c[:, None], x], 1) for c, x in zip(features.cls_tokens, features.tokens)]
    state = ladder.reduce[0](levels[0])
    for i in range(3):
        gate = 1 / (1 + torch.exp(-ladder.gates[i]))
        state = naive_block(ladder.blocks[i], state * gate + (1 - gate) * ladder.reduce[i + 1](levels[i + 1]))
    expected = ladder.expand(state)
    out = ladder(features)
    found = out.tokens[0] if out.cls is None else torch.cat([out.cls[:, None], out.tokens[0]], 1)
    torch.testing.assert_close(found, expected)


def test_ladder_sizes():
    ladder = LadderProjector(in_channels=768, depth=12)
    assert [tuple(layer.weight.shape) for layer in ladder.reduce] == [(96, 768)] * 13
    assert len(ladder.blocks) == len(ladder.gates) == 12
    # reductions 73,824 each, side blocks 111,552 each, the last layer 74,496, one gate a block
    assert sum(p.numel() for p in ladder.parameters()) == 13 * 73824 + 12 * 111552 + 74496 + 12
    torch.testing.assert_close(ladder.reduce[0].weight.std(), torch.tensor(0.02), rtol=0.02, atol=0)
    assert LadderProjector(in_channels=96, depth=4).expand.in_features == 12
    assert LadderProjector(in_channels=1024, depth=24).expand.in_features == 128


def test_ladder_output_does_not_shrink_with_the_width():
    def spread(channels: int) -> float:
        torch.manual_seed(0)
        network = HumanViT(img_size=64, embed_dim=channels, depth=3, num_heads=2)
        return LadderProjector(channels, 3)(network(torch.randn(4, 3, 64, 64))).tokens[0].std().item()

    assert spread(768) == pytest.approx(spread(96), rel=0.5)


def test_ladder_of_another_depth_is_refused():
    with pytest.raises(UserError, match='13 levels'):
        LadderProjector(in_channels=32, depth=12)(backbone()(torch.randn(1, 3, 64, 64)))
