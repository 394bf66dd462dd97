"""HRNet: mmseg's network and its names; maps at every size; the merged map by hand; running statistics."""
import pytest
import torch
import torch.nn.functional as F
from mmseg.models.backbones.hrnet import HRNet

from humanbench import protocols
from humanbench.engine.optim import LayerDecayConstructor
from humanbench.errors import UserError
from humanbench.models import HumanHRNet
from humanbench.models.backbones.conditioned import KeptStatistics
from humanbench.models.backbones.hrnet import merge

SMALL = dict(width=4, modules=(1, 2, 2), blocks=1, first_width=8, first_blocks=1)
SIZES = ((128, 64), (64, 96), (90, 250), (33, 31))


def network(seed: int = 0, **options) -> HumanHRNet:
    """A small one with noise on all it keeps: norms start at constants, where a mistake would go unseen."""
    torch.manual_seed(seed)
    made = HumanHRNet(**dict(SMALL, **options))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for buffer in made.buffers():
            if buffer.is_floating_point():
                buffer.add_(0.1 * torch.rand_like(buffer))
    return made.eval()


def published(width: int) -> dict:
    """The arguments of mmseg's network for a published width, written out."""
    w = [width, 2 * width, 4 * width, 8 * width]
    return dict(
        stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(4,), num_channels=(64,)),
        stage2=dict(num_modules=1, num_branches=2, block='BASIC', num_blocks=(4,) * 2, num_channels=w[:2]),
        stage3=dict(num_modules=4, num_branches=3, block='BASIC', num_blocks=(4,) * 3, num_channels=w[:3]),
        stage4=dict(num_modules=3, num_branches=4, block='BASIC', num_blocks=(4,) * 4, num_channels=w))


@pytest.mark.parametrize('width, channels', [(18, 270), (32, 480), (48, 720)])
def test_published_sizes_have_the_published_names(width, channels):
    with torch.device('meta'):
        own, reference = HumanHRNet(width, merged=4), HRNet(published(width))
    assert own.out_channels == channels and {key: value.shape for key, value in own.state_dict().items()} == {
        key: value.shape for key, value in reference.state_dict().items()}
    with torch.device('meta'):  # nothing is allocated: a plan counts it so
        assert own(torch.empty(2, 3, 64, 96)).maps[-1].shape == (2, channels, 16, 24)


@torch.no_grad()
@pytest.mark.parametrize('size', SIZES)
def test_it_is_mmsegs_network(size):
    own = network()
    stages = published(SMALL['width'])
    for stage, modules in zip(stages.values(), (1, *SMALL['modules'])):
        stage.update(num_modules=modules, num_blocks=(1,) * stage['num_branches'])
    stages['stage1']['num_channels'] = (8,)
    reference = HRNet(stages)
    reference.load_state_dict(own.state_dict())
    reference.eval()
    images = torch.randn(2, 3, *size)
    found = own(images)
    for one, other, level in zip(found.maps, reference(images), own.levels, strict=True):
        assert torch.equal(one, other)
        assert one.shape == (2, level.channels, -(-size[0] // level.stride), -(-size[1] // level.stride))
    wanted = torch.cat([x.flatten(2).mean(2) for x in found.maps], dim=1)
    torch.testing.assert_close(found.pooled, wanted, atol=1e-6, rtol=0)
    assert found.cls is None and found.pooled.shape == (2, own.out_channels) == (2, 60)
    reference.stage4[1].branches[3][0].conv2.weight.mul_(1.5)  # the control
    assert not torch.allclose(found.maps[3], reference(images)[3])


@torch.no_grad()
@pytest.mark.parametrize('merged', [4, 8, 16, 32])
@pytest.mark.parametrize('size', SIZES)
def test_the_merged_map_comes_last(size, merged):
    own, images = network(merged=merged), torch.randn(1, 3, *size)
    features, plain = own(images), network()(images)
    for one, other in zip(features.maps, plain.maps):
        assert torch.equal(one, other)
    last, level = features.maps[-1], own.levels[-1]
    assert len(features.maps) == len(own.levels) == 5 and level == (60, merged)
    assert last.shape == (1, 60, -(-size[0] // merged), -(-size[1] // merged)) and features.grid == last.shape[2:]
    torch.testing.assert_close(features.tokens[0], last.flatten(2).transpose(1, 2))
    assert torch.equal(features.pooled, plain.pooled)


def test_merging_by_hand():
    maps = [torch.randn(1, 2, 6, 10), torch.randn(1, 3, 3, 5), torch.randn(1, 4, 2, 3)]
    found = merge(maps, 1)
    means = torch.stack([maps[0][:, :, 2 * y:2 * y + 2, 2 * x:2 * x + 2].mean((2, 3)) for y in range(3)
                         for x in range(5)], dim=-1).unflatten(-1, (3, 5))
    torch.testing.assert_close(found[:, :2], means)
    assert torch.equal(found[:, 2:5], maps[1])
    assert torch.equal(found[:, 5:], F.interpolate(maps[2], (3, 5), mode='bilinear'))
    coarsest = merge(maps, 2)  # the last row is alone in its cell: its mean is over what there is
    torch.testing.assert_close(coarsest[:, 2:5, 1, 0], maps[1][:, :, 2, :2].mean(-1))
    torch.testing.assert_close(merge([x[..., :1, :1] for x in maps], 2)[0, :2, 0, 0], maps[0][0, :, 0, 0])


@pytest.mark.parametrize('options, message', [
    (dict(merged=2), 'merged = 2'), (dict(width=0), 'width = 0'), (dict(modules=(1, 1)), 'for three stages')])
def test_networks_that_cannot_be(options, message):
    with pytest.raises(UserError, match=message):
        HumanHRNet(**SMALL | options)


def test_every_parameter_has_a_layer_and_a_gradient():
    own = network(merged=4).train()
    names = [name for name, _ in own.named_parameters()]
    assert {own.layer_id(name) for name in names} == set(range(own.depth + 2)) and own.depth == len(own.blocks) == 6
    layers = {'conv1.weight': 0, 'bn2.bias': 0, 'layer1.0.conv1.weight': 1, 'transition1.1.0.0.weight': 2,
              'stage2.0.fuse_layers.0.1.0.weight': 2, 'transition2.2.0.0.weight': 3,
              'stage3.0.branches.0.0.conv1.weight': 3, 'stage3.1.branches.0.0.conv1.weight': 4,
              'transition3.3.0.1.weight': 5, 'stage4.0.fuse_layers.0.1.0.weight': 5,
              'stage4.1.branches.3.0.bn1.weight': 6, 'stage4.1.fuse_layers.0.1.0.weight': 7}
    assert {name: own.layer_id(name) for name in layers} == layers and set(layers) <= set(names)
    features = own(torch.randn(2, 3, 128, 64))
    (features.maps[-1] * torch.randn_like(features.maps[-1])).sum().backward()
    assert not [name for name, p in own.named_parameters() if p.grad is None or not p.grad.any()]


@pytest.mark.parametrize('merged', [None, 16])
def test_recomputed_modules_have_the_same_gradients_and_count_statistics_once(merged):
    seen, images = [], torch.randn(4, 3, 64, 64)
    for checkpointing in (False, True, ('parsing',)):
        own = network(merged=merged, checkpointing=checkpointing).train()
        own(images, dict(task='pose')).maps[-1].pow(2).sum().backward()
        seen.append([{name: p.grad for name, p in own.named_parameters() if p.grad is not None},
                     dict(own.named_buffers())])
    for gradients, buffers in seen[1:]:
        assert gradients.keys() == seen[0][0].keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, seen[0][0][name], msg=name)
        assert all(torch.equal(value, seen[0][1][name]) for name, value in buffers.items())
    assert seen[1][1]['stage4.0.branches.0.0.bn1.num_batches_tracked'] == 1


def test_without_keeping_them_statistics_would_be_counted_twice(monkeypatch):
    monkeypatch.setattr(KeptStatistics, '__enter__', lambda self: None)
    monkeypatch.setattr(KeptStatistics, '__exit__', lambda self, *_: None)
    own = network(checkpointing=True).train()
    own(torch.randn(4, 3, 64, 64)).pooled.sum().backward()
    counts = {name.split('.')[0]: int(value) for name, value in own.named_buffers() if 'num_batches' in name}
    assert counts['bn1'] == 1 and counts['stage4'] == 2


def test_a_backward_pass_may_be_repeated():
    own = network(checkpointing=True).train()
    loss = own(torch.randn(2, 3, 64, 64)).pooled.pow(2).sum()
    loss.backward(retain_graph=True)
    once = own.conv1.weight.grad.clone()
    loss.backward()
    torch.testing.assert_close(own.conv1.weight.grad, 2 * once)


def test_one_cell_has_no_statistics():
    own = network().train()
    with pytest.raises(UserError, match='one image of 32 x 20 pixels.*batch_size of 2'):
        own(torch.randn(1, 3, 32, 20))
    own(torch.randn(1, 3, 33, 20)), own(torch.randn(2, 3, 32, 20)), own.eval()(torch.randn(1, 3, 32, 20))


def test_no_path_is_dropped():
    own, images = network().train(), torch.randn(4, 3, 64, 64)
    assert torch.equal(own(images, dict(drop_path=0.9, generator=torch.Generator())).pooled, own(images).pooled)


def test_bf16_trains():
    own, images = network(merged=4).train(), torch.randn(2, 3, 128, 64)
    with torch.autocast('cpu', torch.bfloat16):
        found = own(images)
    found.maps[-1].float().pow(2).mean().backward()
    assert (found.pooled - own(images).pooled).abs().max() < 0.1 * found.pooled.abs().max()
    assert all(p.grad.isfinite().all() for p in own.parameters())


def test_a_network_is_built_again_from_what_it_says():
    own, images = network(merged=8, momentum=0.01), torch.randn(1, 3, 64, 64)
    again = HumanHRNet(**own.architecture).eval()
    again.load_state_dict(own.state_dict())
    with torch.no_grad():
        assert torch.equal(again(images).maps[-1], own(images).maps[-1])
    assert again.architecture == own.architecture and again.bn1.momentum == 0.01


@pytest.mark.parametrize('protocol', ['full', 'partial', 'head'])
def test_protocols_train_what_they_say(make, protocol):
    model = make.model(('pa100k',), projector=None, backbone=dict(type='HumanHRNet', **SMALL))
    protocols.apply(model, protocol)
    trained = {name for name, p in model.backbone.named_parameters() if p.requires_grad}
    every = {name for name, _ in model.backbone.named_parameters()}
    last = {name for name in every if name.startswith(('stage4.', 'transition3.'))}
    assert trained == dict(full=every, partial=last, head=set())[protocol]
    before = {name: value.clone() for name, value in model.backbone.named_buffers()}
    make.losses(model.train(), make.unit('pa100k'))
    moved = {name for name, value in model.backbone.named_buffers() if not torch.equal(value, before[name])}
    assert {name.rpartition('.')[0] for name in moved} == {  # what does not train keeps its statistics
        name.rpartition('.')[0] for name in before if f"{name.rpartition('.')[0]}.weight" in trained}


def test_norms_are_not_decayed(make):
    model = make.model(('pa100k',), projector=None, backbone=dict(type='HumanHRNet', **SMALL))
    constructor = LayerDecayConstructor(dict(optimizer=dict(type='AdamW', lr=1.0)), dict(layer_decay=0.5))
    decays = {id(p): group['weight_decay'] for group in constructor.groups(model, 1.0, 0.1) for p in group['params']}
    for name, parameter in model.backbone.named_parameters():
        assert decays[id(parameter)] == (0.0 if parameter.ndim == 1 else 0.1), name
