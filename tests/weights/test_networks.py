"""The network that weights are of is found, and computes with them what its authors' code computes.

The references are written out here, or are timm's own models built from their own arguments.
"""
from functools import partial

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.layers import resample_abs_pos_embed
from timm.models import SwinTransformer, VisionTransformer
from torch import nn

from humanbench import weights
from humanbench.errors import CheckpointError
from humanbench.models import HumanViT, TimmSwin, TimmViT
from humanbench.registry import MODELS

WIDTH, DEPTH, PATCH, SIZE = 128, 2, 16, 64
SIZES = [(SIZE, SIZE), (96, 32)]


def scattered(network: nn.Module) -> nn.Module:
    """Noise on every parameter: many start at constants, where a mistake would go unseen."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def vit(**options) -> nn.Module:
    return scattered(VisionTransformer(**dict(
        dict(img_size=SIZE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=WIDTH // 64, num_classes=0,
             global_pool='', dynamic_img_size=True), **options)))


def loaded(spec: str) -> tuple[nn.Module, weights.LoadReport]:
    """The network that the weights are of, with the weights."""
    network = MODELS.build(weights.network_of(spec)).eval()
    return network, weights.load_into(network, spec)


def save(state: dict, path, name: str | None = None):
    torch.save({name: state} if name else state, path)
    return path


@torch.no_grad()
def difference(network: nn.Module, images: torch.Tensor, reference: torch.Tensor) -> float:
    """Largest difference to the reference's class and patch tokens (B, 1 + N, C)."""
    features = network(images, dict(task='reid'))
    return float((torch.cat([features.cls[:, None], features.tokens[-1]], dim=1) - reference).abs().max())


# --------------------------------------------------------------------------------------------------------------- CLIP
class Clip(nn.Module):
    """CLIP's image half after its paper: a norm before the blocks, torch's attention, quick GELU, eps 1e-5."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTH, PATCH, PATCH, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(WIDTH))
        self.positional_embedding = nn.Parameter(torch.randn((SIZE // PATCH) ** 2 + 1, WIDTH))
        self.ln_pre, self.ln_post = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(self._block() for _ in range(DEPTH))

    @staticmethod
    def _block() -> nn.Module:
        mlp = nn.ModuleDict(dict(c_fc=nn.Linear(WIDTH, 4 * WIDTH), c_proj=nn.Linear(4 * WIDTH, WIDTH)))
        return nn.ModuleDict(dict(
            ln_1=nn.LayerNorm(WIDTH), attn=nn.MultiheadAttention(WIDTH, WIDTH // 64, batch_first=True),
            ln_2=nn.LayerNorm(WIDTH), mlp=mlp))

    def forward(self, images: torch.Tensor, gelu=lambda x: x * torch.sigmoid(1.702 * x)) -> torch.Tensor:
        x = self.conv1(images)
        grid = x.shape[-2:]
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x.flatten(2).transpose(1, 2)], dim=1)
        x = self.ln_pre(x + resample_abs_pos_embed(self.positional_embedding[None], grid, [SIZE // PATCH] * 2))
        for block in self.transformer.resblocks:
            y = block['ln_1'](x)
            x = x + block['attn'](y, y, y, need_weights=False)[0]
            x = x + block['mlp']['c_proj'](gelu(block['mlp']['c_fc'](block['ln_2'](x))))
        return self.ln_post(x)


@pytest.mark.parametrize('size', SIZES)
def test_clip_of_openai_computes_what_its_code_computes(tmp_path, size):
    reference, images = scattered(Clip()), torch.randn(2, 3, *size)
    state = {f'visual.{key}': value for key, value in reference.state_dict().items()}
    state |= {'visual.proj': torch.zeros(WIDTH, 8), 'token_embedding.weight': torch.zeros(9, 8),
              'input_resolution': torch.tensor(SIZE)}
    network, report = loaded(f"clip:{save(state, tmp_path / 'clip.pt')}")
    with torch.no_grad():
        assert difference(network, images, reference(images)) < 1e-4
        assert difference(network, images, reference(images, F.gelu)) > 1e-3  # the control: the exact GELU
    assert not report.missing and 'quick-GELU' in report.notes[0]
    assert network.normalisation['mean'] == pytest.approx((122.771, 116.746, 104.094), abs=1e-3)


def test_open_clip_has_the_exact_gelu(tmp_path):
    reference, images = scattered(Clip()), torch.randn(2, 3, SIZE, SIZE)
    state = {f'visual.{key}': value for key, value in reference.state_dict().items()}
    network, report = loaded(str(save(state | {'token_embedding.weight': torch.zeros(9, 8)}, tmp_path / 'clip.pt')))
    with torch.no_grad():
        assert difference(network, images, reference(images, F.gelu)) < 1e-4
    assert report.family == 'clip' and 'exact GELU' in report.notes[0] and 'quick_gelu' in report.notes[0]


# --------------------------------------------------------------------------------------------------------------- DINO
def meta_names(state: dict) -> dict:
    """timm's names to those of DINOv2's files: blocks in chunks, a mask token."""
    state = {f'blocks.0.{key.removeprefix("blocks.")}' if key.startswith('blocks.') else key: value
             for key, value in state.items()}
    return state | {'mask_token': torch.zeros(1, WIDTH)}


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('patch', [16, 14])
def test_dinov2_computes_what_timms_does(tmp_path, size, patch):
    reference = vit(init_values=0.5, patch_size=patch, img_size=4 * patch)
    images = torch.randn(2, 3, *size)
    network, report = loaded(f"dino:{save(meta_names(reference.state_dict()), tmp_path / 'dino.pth')}")
    seen = [side * patch // 16 for side in size]
    resized = images if patch == 16 else F.interpolate(images, size=seen, mode='bilinear', antialias=True)
    with torch.no_grad():
        assert difference(network, images, reference.forward_features(resized)) < 1e-5
    assert not report.missing and report.ignored == ['mask_token']
    assert isinstance(network, TimmViT) and network.patch == patch


def test_dinov2_registers_are_computed_with(tmp_path):
    """Its files have a class position and none for registers; the reference gets the class token that carries it."""
    reference = vit(init_values=0.5, reg_tokens=4, no_embed_class=True)
    state, position = meta_names(reference.state_dict()), torch.randn(1, 1, WIDTH)
    state['register_tokens'] = state.pop('reg_token')
    state['cls_token'] = state['cls_token'] - position
    state['pos_embed'] = torch.cat([position, state['pos_embed']], dim=1)
    network, report = loaded(str(save(state, tmp_path / 'dino.pth')))
    images = torch.randn(2, 3, 96, 32)
    with torch.no_grad():
        tokens = reference.forward_features(images)
    assert difference(network, images, torch.cat([tokens[:, :1], tokens[:, 5:]], dim=1)) < 1e-5
    assert report.family == 'dino' and not report.missing
    with torch.no_grad():
        network.network.reg_token.zero_()  # the control
    assert difference(network, images, torch.cat([tokens[:, :1], tokens[:, 5:]], dim=1)) > 1e-3


def test_dino_of_the_first_version_from_its_teacher(tmp_path):
    reference, images = vit(), torch.randn(2, 3, SIZE, SIZE)
    state = {f'backbone.{key}': value for key, value in reference.state_dict().items()}
    path = save({'teacher': state | {'head.mlp.0.weight': torch.zeros(4, 4)}}, tmp_path / 'dino.pth')
    network, report = loaded(f'dino:{path}')
    with torch.no_grad():
        assert difference(network, images, reference.forward_features(images)) < 1e-5
    assert report.ignored == ['head.mlp.0.weight'] or not report.ignored


# --------------------------------------------------------------------------------------------- MAE, PATH, timm, Swin
@pytest.mark.parametrize('spec', ['mae:{}', '{}'])
@pytest.mark.parametrize('size', SIZES)
def test_mae_gets_paths_network(tmp_path, monkeypatch, spec, size):
    # timm smooths when it resizes positions, MAE's and PATH's bicubic does not: compared with smoothing off
    monkeypatch.setattr('timm.models.vision_transformer.resample_abs_pos_embed',
                        partial(resample_abs_pos_embed, antialias=False))
    reference, images = vit(), torch.randn(2, 3, *size)
    state = reference.state_dict() | {'mask_token': torch.zeros(1, 1, 8), 'decoder_pos_embed': torch.zeros(1, 17, 8)}
    network, report = loaded(spec.format(save(state, tmp_path / 'mae.pth', 'model')))
    with torch.no_grad():
        assert difference(network, images, reference.forward_features(images)) < 1e-5
    assert isinstance(network, HumanViT) and not report.missing and report.family == 'mae'


def test_a_mae_of_another_patch_is_resized_to_by_timms_network(tmp_path):
    reference = vit(patch_size=14, img_size=56)
    network, report = loaded(f"mae:{save(reference.state_dict(), tmp_path / 'mae.pth')}")
    images = torch.randn(1, 3, SIZE, SIZE)
    with torch.no_grad():
        assert difference(network, images, reference.forward_features(network.resize(images))) < 1e-5
    assert network(images).maps[-1].shape[-2:] == (4, 4) and not report.missing


@pytest.mark.parametrize('name, kind', [('vit_tiny_patch16_224', TimmViT), ('vit_small_patch16_dinov3', TimmViT),
                                        ('swin_tiny_patch4_window7_224', TimmSwin)])
def test_a_timm_name_is_that_network_with_its_weights(monkeypatch, name, kind):
    assert weights.network_of(f'timm:{name}') == dict(type=kind, name=name)
    small = dict(embed_dim=48, depth=2, num_heads=3) if kind is TimmViT else dict(
        embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8))
    reference = scattered(timm.create_model(name, **small))
    network = kind(name, small).eval()
    monkeypatch.setattr('timm.create_model', lambda *args, **options: reference)  # what the hub would give
    report = weights.load_into(network, f'timm:{name}')
    assert not report.missing and all('head' in key for key in report.ignored)
    side = reference.patch_embed.img_size[0]
    images = torch.randn(1, 3, side, side)
    with torch.no_grad():
        wanted = reference.forward_features(images)
        if kind is TimmSwin:
            found = network(images).maps[-1][:, :, ::2, ::2].permute(0, 2, 3, 1)
        else:
            found, wanted = network(images).tokens[-1], wanted[:, reference.num_prefix_tokens:]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def test_swin_files_of_the_original_code(tmp_path):
    options = dict(img_size=128, embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8), window_size=4)
    reference = scattered(SwinTransformer(num_classes=3, **options))
    original = {}
    for key, value in reference.state_dict().items():  # its merges close a stage, and its buffers are saved
        parts = key.split('.')
        if parts[0] == 'layers' and parts[2] == 'downsample':
            parts[1] = str(int(parts[1]) - 1)
        original['.'.join(parts)] = value
    original['layers.0.blocks.0.attn.relative_position_index'] = torch.zeros(16, 16, dtype=torch.long)
    path = save({'model': original}, tmp_path / 'swin.pth')
    with pytest.raises(CheckpointError, match='--backbone swin_b'):
        weights.network_of(str(path))
    network = TimmSwin(options=options).eval()
    report = weights.load_into(network, str(path))
    images = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(network(images).maps[-1][:, :, ::2, ::2].permute(0, 2, 3, 1),
                                   reference.forward_features(images), atol=1e-5, rtol=0)
    assert report.family == 'swin' and not report.missing and {key.split('.')[0] for key in report.ignored} == {'head'}


@pytest.mark.parametrize('make', [
    lambda: TimmSwin(options=dict(img_size=128, embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8),
                                  window_size=4)),
    lambda: TimmViT(options=dict(img_size=56, patch_size=14, embed_dim=64, depth=2, num_heads=1), norm_eps=1e-5,
                    mean=(1, 2, 3), std=(4, 5, 6)),
    lambda: HumanViT(img_size=(64, 32), embed_dim=64, depth=2, num_heads=2, class_token_tasks=('reid', 'pose')),
])
def test_our_own_files_say_what_they_are_of(tmp_path, make):
    network = scattered(make())
    spec = f"path:{weights.export(network, tmp_path / 'own.pth')}"
    again, report = loaded(spec)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(again(images, dict(task='pose')).pooled, network(images, dict(task='pose')).pooled)
    assert not report.missing and not report.ignored and not report.resized
    assert again.normalisation == network.normalisation


@pytest.mark.parametrize('state, message', [
    ({'patch_embed.proj.weight': torch.zeros(100, 3, 16, 16), 'blocks.0.mlp.fc1.weight': torch.zeros(400, 100),
      'blocks.0.attn.qkv.weight': torch.zeros(300, 100), 'pos_embed': torch.zeros(1, 16, 100)}, 'attention heads'),
    ({'patch_embed.proj.weight': torch.zeros(64, 3, 16, 16), 'blocks.0.mlp.fc1.weight': torch.zeros(256, 64),
      'blocks.0.attn.qkv.weight': torch.zeros(192, 64), 'pos_embed': torch.zeros(1, 20, 64)}, '20 rows'),
    ({'conv1.weight': torch.zeros(3, 3, 7, 7)}, 'which network'),
])
def test_files_that_do_not_say_what_they_are_of(tmp_path, state, message):
    path = save(state, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=f'(?s){message}.*--backbone timm:NAME'):
        weights.network_of(str(path))


def test_a_new_file_of_the_same_name_is_read_anew(tmp_path):
    path = save(vit().state_dict(), tmp_path / 'a.pth')
    assert weights.network_of(str(path))['depth'] == DEPTH
    save(vit(depth=3).state_dict(), path)
    assert weights.network_of(str(path))['depth'] == 3
