"""Networks of timm behind our contract: against timm's own, built apart; at any size; protocols; drop path."""
import pytest
import timm
import torch
import torch.nn.functional as F
from timm.models import SwinTransformer

from humanbench import protocols
from humanbench.engine.optim import LayerDecayConstructor
from humanbench.errors import UserError
from humanbench.models import LadderProjector, TimmSwin, TimmViT
from humanbench.models.backbones.timm_network import family_of

SMALL = dict(embed_dim=48, depth=3, num_heads=3)
SWIN = dict(embed_dim=16, depths=(1, 1, 2, 2), num_heads=(1, 2, 4, 8))
FAMILIES = {  # timm name -> (class, small arguments); what is special about it
    'vit_tiny_patch16_224': (TimmViT, dict(SMALL, img_size=64)),
    'deit_tiny_distilled_patch16_224': (TimmViT, dict(SMALL, img_size=64)),  # two tokens before the patches
    'deit3_small_patch16_224': (TimmViT, dict(SMALL, img_size=64)),  # layer scale, no class position
    'vit_base_patch14_dinov2': (TimmViT, dict(SMALL, img_size=56)),  # patch 14
    'vit_base_patch14_reg4_dinov2': (TimmViT, dict(SMALL, img_size=56)),  # registers
    'vit_base_patch16_clip_quickgelu_224': (TimmViT, dict(SMALL, img_size=64)),  # norm before the blocks, quick GELU
    'vit_base_patch16_siglip_224': (TimmViT, dict(SMALL, img_size=64)),  # no class token, attention pooling
    'vit_small_patch8_224': (TimmViT, dict(SMALL, img_size=32)),  # patch 8
    'vit_base_patch32_224': (TimmViT, dict(SMALL, img_size=128)),  # patch 32
    'vit_base_patch16_rpn_224': (TimmViT, dict(SMALL, img_size=64)),  # norms after the branches
    'vit_medium_patch16_reg4_gap_256': (TimmViT, dict(SMALL, img_size=64)),  # normalised after pooling
    'vit_small_patch16_dinov3': (TimmViT, dict(SMALL, img_size=64)),  # rotary positions alone
    'eva02_tiny_patch14_224': (TimmViT, dict(SMALL, img_size=56)),  # rotary and absolute positions, SwiGLU
    'vit_small_patch16_rope_mixed_224': (TimmViT, dict(SMALL, img_size=64)),  # rotations of every block
    'swin_tiny_patch4_window7_224': (TimmSwin, dict(SWIN, img_size=128, window_size=4)),
    'swinv2_tiny_window8_256': (TimmSwin, dict(SWIN, img_size=128, window_size=4)),
}


@pytest.fixture(params=FAMILIES)
def name(request) -> str:
    return request.param


def scatter(module: torch.nn.Module) -> None:
    """Noise on every parameter: timm starts many at constants, where a mistake would go unseen."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))


def ours(name: str, **options) -> torch.nn.Module:
    torch.manual_seed(0)
    kind, arguments = FAMILIES[name]
    network = kind(name, arguments, **options)
    scatter(network)
    return network.eval()


def theirs(name: str, like: torch.nn.Module, **options) -> torch.nn.Module:
    """timm's own model with the weights of ours."""
    kind, arguments = FAMILIES[name]
    network = timm.create_model(name, num_classes=0, **dict(arguments, **options)).eval()
    missing, unexpected = network.load_state_dict(like.network.state_dict(), strict=False)
    assert not unexpected and all(key.startswith('attn_pool.') for key in missing)
    return network


def native(network: torch.nn.Module) -> int:
    """Side of the images that our network turns into those of timm's native size."""
    side = network.network.patch_embed.img_size[0]
    return side if isinstance(network, TimmSwin) else side * 16 // (network.cells * network.patch)


def expected(network: torch.nn.Module, reference: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """timm's last level (B, C, h, w) for images as we take them."""
    if isinstance(network, TimmSwin):
        return reference.forward_features(images).permute(0, 3, 1, 2)
    size = [side // 16 * network.cells * network.patch for side in images.shape[-2:]]
    if size != list(images.shape[-2:]):
        images = F.interpolate(images, size=size, mode='bilinear', antialias=True)
    tokens = reference.fc_norm(reference.forward_features(images))[:, reference.num_prefix_tokens:]
    return tokens.transpose(1, 2).unflatten(2, [side // network.patch for side in size])


def last_level(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    features = network(images)
    if isinstance(network, TimmSwin):
        return features.maps[-1][:, :, ::2, ::2]
    return features.tokens[-1].transpose(1, 2).unflatten(2, features.grid)


@torch.no_grad()
def test_a_ladder_has_the_cells_of_the_backbone():
    network = ours('vit_small_patch8_224')
    features = network(torch.randn(2, 3, 64, 48))
    ladder = LadderProjector(network.out_channels, depth=network.depth)
    found = ladder(features)
    assert features.maps[-1].shape[-2:] == found.maps[-1].shape[-2:] == (4, 3)  # of 16 pixels, as its levels say
    assert features.grid == (8, 6) and ladder.levels(network.levels)[0].stride == 16


@torch.no_grad()
def test_equals_timm_at_its_native_size(name):
    network = ours(name)
    images = torch.randn(2, 3, native(network), native(network))
    reference = theirs(name, network)
    wanted = expected(network, reference, images)
    torch.testing.assert_close(last_level(network, images), wanted, atol=1e-5, rtol=0)
    first = next(p for key, p in reference.named_parameters() if key.endswith('attn.proj.weight'))
    first.mul_(3)  # the control: one layer of timm's changed
    assert (last_level(network, images) - expected(network, reference, images)).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize('size', [(256, 128), (128, 160)])
def test_equals_timm_at_other_sizes(name, size):
    network = ours(name)
    images = torch.randn(1, 3, *size)
    flexible = dict(dynamic_img_size=True)
    if isinstance(network, TimmSwin):  # it shifts windows where the map is larger than one at the size it is built for
        flexible = dict(img_size=size, strict_img_size=False)
    wanted = expected(network, theirs(name, network, **flexible), images)
    torch.testing.assert_close(last_level(network, images), wanted, atol=2e-5, rtol=0)


@torch.no_grad()
def test_what_pools_and_stands_first_is_timms(name):
    network = ours(name)
    images = torch.randn(2, 3, native(network), native(network))
    reference, features = theirs(name, network), network(images)
    tokens = reference.forward_features(images if isinstance(network, TimmSwin) else network.resize(images))
    if isinstance(network, TimmSwin):
        torch.testing.assert_close(features.pooled, tokens.mean((1, 2)), atol=1e-5, rtol=0)
        assert features.cls is None
        return
    pooled = reference.fc_norm(tokens[:, reference.num_prefix_tokens:].mean(1))
    torch.testing.assert_close(features.pooled, pooled, atol=1e-5, rtol=0)
    assert (features.cls is None) == (reference.cls_token is None) == (features.cls_tokens == ())
    if features.cls is not None:
        torch.testing.assert_close(features.cls, reference.fc_norm(tokens[:, 0]), atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize('size', [(256, 128), (256, 192), (96, 480), (32, 64)])
def test_heads_get_one_map_of_stride_16_at_every_size(name, size):
    network = ours(name)
    features = network(torch.randn(1, 3, *size))
    assert features.maps[-1].shape == (1, network.out_channels, size[0] // 16, size[1] // 16)
    assert features.pooled.shape == (1, network.out_channels)
    assert features.tokens[-1].shape[1] == features.grid[0] * features.grid[1]
    assert torch.isfinite(features.maps[-1]).all()


@torch.no_grad()
@pytest.mark.parametrize('name', [name for name, (kind, _) in FAMILIES.items() if kind is TimmSwin])
def test_what_stands_between_timms_cells_is_its_last_stage_one_cell_further(name):
    network = ours(name)
    features = network(torch.randn(1, 3, 128, 128))
    reference = theirs(name, network)
    for top, left in ((0, 0), (0, 1), (1, 0), (1, 1)):
        moved = F.pad(features.maps[2], (0, left, 0, top), mode='replicate')[:, :, top:, left:]
        wanted = reference.norm(reference.layers[3](moved.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        torch.testing.assert_close(features.maps[-1][:, :, top::2, left::2], wanted, atol=1e-5, rtol=0)
    assert not torch.allclose(features.maps[-1][:, :, ::2, ::2], features.maps[-1][:, :, 1::2, ::2], atol=1e-2)


def test_sizes_that_do_not_fit_are_refused(name):
    with pytest.raises(UserError, match='multiples of (16|32).*pad_size_divisor'):
        ours(name)(torch.randn(1, 3, 72, 64))


def test_every_parameter_has_a_layer_and_a_gradient(name):
    network = ours(name).train()
    layers = {key: network.layer_id(key) for key, _ in network.named_parameters()}
    assert set(layers.values()) == set(range(network.depth + 2))
    assert max(layers[key] for key in layers if 'patch_embed' in key) == 0
    features = network(torch.randn(2, 3, 64, 64))
    read = [features.maps[-1], features.pooled, *([] if features.cls is None else [features.cls])]
    sum((x * torch.randn_like(x)).sum() for x in read).backward()
    assert not [key for key, p in network.named_parameters() if p.grad is None]


def test_recomputed_blocks_drop_the_same_paths(name):
    gradients = []
    for checkpointing in (False, True):
        network = ours(name, drop_path=0.5, checkpointing=checkpointing).train()
        condition = dict(task='pose', generator=torch.Generator().manual_seed(3))
        torch.manual_seed(1)
        images = torch.randn(4, 3, 64, 64)
        network(images, condition).maps[-1].pow(2).sum().backward()
        gradients.append({key: p.grad for key, p in network.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for key, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][key], gradient, msg=key)


def test_drop_path_acts_in_training_alone(name):
    network = ours(name, drop_path=0.9)
    images = torch.randn(4, 3, 64, 64)
    quiet = network(images).pooled
    assert torch.equal(network(images).pooled, quiet)
    network.train()
    seeded = [network(images, dict(generator=torch.Generator().manual_seed(seed))).pooled for seed in (0, 0, 1)]
    assert torch.equal(seeded[0], seeded[1]) and not torch.allclose(seeded[0], seeded[2])
    torch.testing.assert_close(network(images, dict(drop_path=0.0)).pooled, quiet, atol=1e-5, rtol=1e-4)


def model(make, name: str):
    kind, arguments = FAMILIES[name]
    return make.model(('pa100k',), projector=None, backbone=dict(type=kind, name=name, options=arguments))


@pytest.mark.parametrize('protocol', ['full', 'partial', 'head'])
def test_protocols_train_what_they_say(make, name, protocol):
    network = model(make, name)
    protocols.apply(network, protocol)
    trained = {key for key, p in network.named_parameters() if p.requires_grad}
    backbone = {key.removeprefix('backbone.') for key in trained if key.startswith('backbone.')}
    every = {key for key, _ in network.backbone.named_parameters()}
    assert {key for key in trained if key.startswith('heads.')} == {
        key for key, _ in network.named_parameters() if key.startswith('heads.')}
    if protocol != 'partial':
        assert backbone == (every if protocol == 'full' else set())
        return
    last = network.backbone.blocks[-2:]
    final = getattr(network.backbone.network, 'fc_norm', None)
    final = [*network.backbone.network.norm.parameters(), *(final.parameters() if final is not None else ())]
    wanted = {id(p) for p in final} | {id(p) for block in last for p in block.parameters()}
    assert {id(p) for key, p in network.backbone.named_parameters() if key in backbone} == wanted


def test_layer_decay_covers_every_parameter_and_spares_tables(make, name):
    network = model(make, name)
    constructor = LayerDecayConstructor(dict(optimizer=dict(type='AdamW', lr=1.0)), dict(layer_decay=0.5))
    groups = constructor.groups(network, 1.0, 0.1)
    assert sum(len(group['params']) for group in groups) == len(list(network.parameters()))
    decays = {id(p): group['weight_decay'] for group in groups for p in group['params']}
    for key, parameter in network.backbone.named_parameters():
        spared = parameter.ndim <= 1 or {'pos_embed', 'cls_token', 'reg_token', 'dist_token', 'cpb_mlp', 'freqs',
                                         'logit_scale', 'relative_position_bias_table'} & set(key.split('.'))
        assert decays[id(parameter)] == (0.0 if spared else 0.1), key


def test_pixels_are_normalised_as_the_network_was_trained(make):
    clip = model(make, 'vit_base_patch16_clip_quickgelu_224').data_preprocessor
    torch.testing.assert_close(clip.mean.flatten(), 255 * torch.tensor([0.48145466, 0.4578275, 0.40821073]))
    siglip = model(make, 'vit_base_patch16_siglip_224').data_preprocessor
    assert siglip.mean.flatten().tolist() == siglip.std.flatten().tolist() == [127.5] * 3
    plain = model(make, 'swin_tiny_patch4_window7_224').data_preprocessor
    torch.testing.assert_close(plain.mean.flatten(), torch.tensor([123.675, 116.28, 103.53]))
    assert plain.pad_size_divisor == 32 and clip.pad_size_divisor == 16


@pytest.mark.parametrize('wanted, message', [
    ('resnet50', 'a ResNet, which cannot be measured here'),
    ('beit_base_patch16_224', 'a Beit, which cannot be measured here'),
    ('vit_base_patch16_242', "Did you mean 'vit_base_patch16_2"),
    ('vit_base_patch14_dinov2.nowhere', "no weights 'nowhere'.*lvd142m"),
])
def test_networks_that_cannot_be_measured_are_refused(wanted, message):
    with pytest.raises(UserError, match=message):
        family_of(wanted)


def test_the_wrong_wrapper_names_the_right_one():
    with pytest.raises(UserError, match='SwinTransformer: build it with TimmSwin'):
        TimmViT('swin_tiny_patch4_window7_224')
    with pytest.raises(UserError, match='build it with TimmViT'):
        TimmSwin('vit_tiny_patch16_224')


def test_a_network_is_built_again_from_what_it_says(name):
    network = ours(name)
    again = type(network)(**network.architecture)
    again.load_state_dict(network.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again.eval()(images).pooled, network(images).pooled)
    assert isinstance(network.network, SwinTransformer) == ('swin_' in name)
