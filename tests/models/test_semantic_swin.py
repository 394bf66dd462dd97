"""SOLIDER's backbone: mmdet's Swin without its controllers; what lambda changes with them, by image, task and call."""
import pytest
import torch
from mmdet.models import SwinTransformer

from humanbench import catalog, protocols
from humanbench.engine.optim import LayerDecayConstructor
from humanbench.errors import UserError
from humanbench.models import LastStage, SemanticSwin
from humanbench.models.backbones.semantic_swin import ARCHS, SEMANTIC

SMALL = dict(embed_dims=16, depths=(1, 1, 2, 2), num_heads=(1, 2, 4, 8), window_size=4)
STRIDES = ((4, 2, 2, 2), (4, 2, 2, 1), (4, 2, 1, 1))
CROPS = ((256, 128), (128, 64), (64, 64), (90, 250))  # the second is SOLIDER's local crop


def network(seed: int = 0, **options) -> SemanticSwin:
    """A small one with noise on every parameter: many start at constants, where a mistake would go unseen."""
    torch.manual_seed(seed)
    made = SemanticSwin(**dict(SMALL, **options))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made.eval()


@torch.no_grad()
@pytest.mark.parametrize('strides', STRIDES)
@pytest.mark.parametrize('size', CROPS)
def test_without_controllers_it_is_mmdets_network(size, strides):
    own = network(semantic=None, strides=strides)
    reference = SwinTransformer(**SMALL, strides=strides)
    reference.load_state_dict(own.state_dict())  # the same names, none more
    reference.eval()
    images = torch.randn(2, 3, *size)
    found = own(images)
    for one, other in zip(found.maps, reference(images), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(found.pooled, found.maps[-1].flatten(2).mean(2)) or torch.allclose(
        found.pooled, found.maps[-1].mean((2, 3)), atol=1e-6)
    reference.stages[0].blocks[0].ffn.layers[1].weight.mul_(1.5)  # the control
    assert not torch.allclose(found.maps[0], reference(images)[0])


@torch.no_grad()
def test_lambda_turns_all_maps_but_the_first():
    own, images = network(), torch.randn(2, 3, 128, 64)
    low, high = (own(images, dict(semantic=value)).maps for value in (0.0, 1.0))
    assert torch.equal(low[0], high[0])
    for one, other in zip(low[1:], high[1:]):
        assert (one - other).abs().max() > 0.01


@torch.no_grad()
def test_modulation_by_hand():
    own, images = network(), torch.randn(2, 3, 64, 64)
    x, grid = own.patch_embed(images)
    for block in own.stages[0].blocks:
        x = block(x, grid)
    x, grid = own.stages[0].downsample(x, grid)
    dial = torch.tensor([0.3, 0.7])
    scale, shift = own.semantic_embed_w[0], own.semantic_embed_b[0]
    x = x * torch.log1p(torch.exp(scale.weight @ dial + scale.bias)) + (shift.weight @ dial + shift.bias)
    for block in own.stages[1].blocks:
        x = block(x, grid)
    wanted = own.norm1(x).transpose(1, 2).unflatten(2, grid)
    torch.testing.assert_close(own(images, dict(semantic=0.3)).maps[1], wanted, atol=1e-5, rtol=0)


@torch.no_grad()
def test_each_image_may_have_its_own_lambda():
    own, images, values = network(), torch.randn(3, 3, 64, 96), torch.tensor([0.0, 0.4, 1.0])
    together = own(images, dict(semantic=values))
    for index, value in enumerate(values.tolist()):
        alone = own(images[index:index + 1], dict(semantic=value))
        torch.testing.assert_close(together.pooled[index:index + 1], alone.pooled, atol=1e-5, rtol=0)
    assert not torch.allclose(together.pooled, own(images, dict(semantic=values.flip(0))).pooled, atol=1e-3)


@torch.no_grad()
def test_lambda_is_the_calls_else_the_tasks():
    own, images = network(semantic=dict(reid=0.2, default=0.9)), torch.randn(1, 3, 64, 64)

    def feature(**condition):
        return own(images, condition).pooled

    assert torch.equal(feature(task='reid'), feature(semantic=0.2))
    assert torch.equal(feature(task='pose'), feature(semantic=0.9)) and torch.equal(feature(), feature(semantic=0.9))
    assert torch.equal(feature(task='reid', semantic=torch.tensor(0.9)), feature(task='pose'))
    assert not torch.equal(feature(task='reid'), feature(task='pose'))
    assert torch.equal(network(semantic=dict(reid=0.2))(images).pooled, feature(semantic=0.5))
    assert torch.equal(network(semantic=0.2)(images, dict(task='pose')).pooled, feature(task='reid'))


def test_every_task_has_a_lambda():
    assert set(catalog.TASKS) <= set(SEMANTIC)
    assert [SEMANTIC[task] for task in ('reid', 'attribute', 'person_search')] == [0.2, 0.8, 0.6]


@pytest.mark.parametrize('options, condition, message', [
    (dict(semantic=dict(reid=0.2)), dict(task='pose'), "no lambda for 'pose'.*'default'"),
    (dict(semantic=None), dict(semantic=0.5), 'has no controllers'),
    (dict(), dict(semantic=1.5), 'from 0 .* to 1'),
    (dict(), dict(semantic=torch.zeros(3)), r'one for each of 2 images.*\(3,\)'),
])
def test_a_lambda_that_is_none(options, condition, message):
    with pytest.raises(UserError, match=message):
        network(**options)(torch.randn(2, 3, 64, 64), condition)


@pytest.mark.parametrize('options, message', [
    (dict(arch='swin_t'), "Known: .*tiny"), (dict(semantic=-1.0), 'semantic = -1.0'),
    (dict(semantic=dict(reid=2.0)), 'semantic = 2.0'), (dict(strides=(4, 2, 2)), 'different numbers of stages'),
    (dict(strides=(4, 2, 2, 4)), 'its stride is 1 or 2'), (dict(stages=5), 'stages = 5'),
])
def test_networks_that_cannot_be(options, message):
    with pytest.raises(UserError, match=message):
        network(**options)


@torch.no_grad()
@pytest.mark.parametrize('strides', STRIDES)
@pytest.mark.parametrize('size', CROPS)
def test_features_at_every_size(size, strides):
    own = network(strides=strides)
    features, stride = own(torch.randn(1, 3, *size)), 1
    for level, (map_, step) in enumerate(zip(features.maps, strides, strict=True)):
        stride *= step
        assert map_.shape == (1, 16 * 2**level, -(-size[0] // stride), -(-size[1] // stride))
    assert own.patch_size == stride and own.out_channels == 128 and features.grid == tuple(map_.shape[2:])
    assert features.cls is None and features.pooled.shape == (1, 128)
    torch.testing.assert_close(features.tokens[0], map_.flatten(2).transpose(1, 2))


@torch.no_grad()
def test_the_last_controller_modulates_nothing_and_is_not_trained():
    own, images = network(), torch.randn(1, 3, 64, 64)
    before = own(images).maps
    for controllers in (own.semantic_embed_w, own.semantic_embed_b):
        controllers[3].weight.add_(5.0)
        assert not any(p.requires_grad for p in controllers[3].parameters())
        assert all(p.requires_grad for controller in controllers[:3] for p in controller.parameters())
    for one, other in zip(before, own(images).maps):
        assert torch.equal(one, other)
    own.semantic_embed_b[2].weight.add_(5.0)  # the control
    assert not torch.equal(before[3], own(images).maps[3])


def test_every_parameter_that_trains_has_a_layer_and_a_gradient():
    own = network().train()
    names = [name for name, _ in own.named_parameters()]
    assert {own.layer_id(name) for name in names} == set(range(own.depth + 2))
    assert own.layer_id('stages.2.downsample.norm.weight') == 4 and own.layer_id('stages.3.blocks.0.norm1.bias') == 5
    assert [own.layer_id(f'norm{i}.weight') for i in range(4)] == [1, 2, 4, 7]
    features = own(torch.randn(2, 3, 128, 64))
    sum((x * torch.randn_like(x)).sum() for x in features.maps).backward()
    assert not [name for name, p in own.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]


def test_recomputed_blocks_drop_the_same_paths():
    gradients, images = [], torch.randn(4, 3, 64, 64)
    for checkpointing in (False, True):
        own = network(drop_path=0.5, checkpointing=checkpointing).train()
        condition = dict(task='pose', generator=torch.Generator().manual_seed(3))
        own(images, condition).maps[-1].pow(2).sum().backward()
        gradients.append({name: p.grad for name, p in own.named_parameters() if p.grad is not None})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


def test_drop_path_acts_in_training_alone():
    own, images = network(drop_path=0.9), torch.randn(4, 3, 64, 64)
    quiet = own(images).pooled
    own.train()
    seeded = [own(images, dict(generator=torch.Generator().manual_seed(seed))).pooled for seed in (0, 0, 1)]
    assert torch.equal(seeded[0], seeded[1]) and not torch.allclose(seeded[0], seeded[2])
    torch.testing.assert_close(own(images, dict(drop_path=0.0)).pooled, quiet)


def test_bf16_keeps_lambda_exact_and_trains():
    own, images = network().train(), torch.randn(2, 3, 128, 64)
    with torch.autocast('cpu', torch.bfloat16):
        features = own(images, dict(semantic=0.2))
    features.pooled.sum().backward()
    whole = own(images, dict(semantic=0.2)).pooled
    assert (features.pooled - whole).abs().max() < 0.1 * whole.abs().max()
    assert all(p.grad.isfinite().all() for p in own.parameters() if p.grad is not None)


def test_a_network_is_built_again_from_what_it_says():
    own, images = network(strides=(4, 2, 2, 1), semantic=dict(default=0.7)), torch.randn(1, 3, 64, 64)
    again = SemanticSwin(**own.architecture).eval()
    again.load_state_dict(own.state_dict())
    with torch.no_grad():
        assert torch.equal(again(images).pooled, own(images).pooled)


@pytest.mark.parametrize('arch, weights, channels', [
    ('tiny', 27_520_698, 768), ('small', 48_838_602, 768), ('base', 86_745_016, 1024)])
def test_published_sizes(arch, weights, channels):
    """Published counts without classifier and with a norm for each map, and controllers 2 -> 2, 4, 8 and 8 widths."""
    with torch.device('meta'):
        plain, own = SemanticSwin(arch, semantic=None), SemanticSwin(arch)
    assert sum(p.numel() for p in plain.parameters()) == weights and own.out_channels == channels
    controllers = sum(p.numel() for p in own.parameters()) - weights
    assert controllers == 2 * 3 * 22 * ARCHS[arch]['embed_dims']


@pytest.mark.parametrize('protocol', ['full', 'partial', 'head'])
def test_protocols_train_what_they_say(make, protocol):
    model = make.model(('pa100k',), projector=None, backbone=dict(type='SemanticSwin', **SMALL))
    protocols.apply(model, protocol)
    trained = {name for name, p in model.backbone.named_parameters() if p.requires_grad}
    every = {name for name, _ in model.backbone.named_parameters()}
    last = {name for name in every if name.startswith(('stages.3.', 'norm3.'))}
    inert = {name for name in every if name.startswith(('semantic_embed_w.3', 'semantic_embed_b.3'))}
    assert trained == dict(full=every - inert, partial=last, head=set())[protocol]


def test_position_tables_are_not_decayed(make):
    model = make.model(('pa100k',), projector=None, backbone=dict(type='SemanticSwin', **SMALL))
    constructor = LayerDecayConstructor(dict(optimizer=dict(type='AdamW', lr=1.0)), dict(layer_decay=0.5))
    decays = {id(p): group['weight_decay'] for group in constructor.groups(model, 1.0, 0.1) for p in group['params']}
    for name, parameter in model.backbone.named_parameters():
        if parameter.requires_grad:
            spared = parameter.ndim <= 1 or name.endswith('relative_position_bias_table')
            assert decays[id(parameter)] == (0.0 if spared else 0.1), name


# --------------------------------------------------------------------------------------------- two-stage detectors
@torch.no_grad()
def test_the_last_stage_alone_is_that_of_the_network():
    own, images = network(semantic=0.6), torch.randn(2, 3, 128, 128)
    last = LastStage(channels=64, num_heads=8, window_size=4, semantic=0.6).eval()
    state = own.state_dict()
    last.load_state_dict({name: state[there] for name, there in last.names_in_backbone().items()})
    own.norm2 = torch.nn.Identity()  # it reads the map as it is, the network's merge before its norm
    features = own(images)
    torch.testing.assert_close(last(features.maps[2]), features.maps[3])
    assert not torch.allclose(last(features.maps[2], semantic=0.0), features.maps[3], atol=1e-2)
    each = last(features.maps[2], semantic=torch.tensor([0.6, 0.0]))
    torch.testing.assert_close(each[:1], features.maps[3][:1])
    assert last.out_channels == 128 and last(torch.randn(5, 64, 14, 14)).shape == (5, 128, 7, 7)


@torch.no_grad()
def test_three_stages_are_those_of_the_whole_network():
    whole, short = network(), SemanticSwin(**SMALL, stages=3).eval()
    left = short.load_state_dict(whole.state_dict(), strict=False)
    assert not left.missing_keys
    assert {name.split('.')[0] + name.split('.')[1] for name in left.unexpected_keys if 'stages' in name} == {
        'stages2', 'stages3'}
    images = torch.randn(1, 3, 96, 64)
    assert torch.equal(short(images).maps[-1], whole(images).maps[2])
    assert short.out_channels == 64 and short.patch_size == 16 and short.depth == 4
