"""Every family's weights compute in our ViT what they compute at home."""
from functools import partial

import pytest
import timm.models.vision_transformer as timm_vit
import torch
from timm.layers import resample_abs_pos_embed
from torch import nn

from humanbench import weights

from .conftest import DEPTH, HEADS, PATCH, SIZE, WIDTH


def save(state, path, wrapper='model'):
    torch.save({wrapper: state} if wrapper else state, path)
    return path


def largest_difference(a, b):
    return float((a - b).abs().max())


@pytest.mark.parametrize('size', [(SIZE, SIZE), (48, 24)])
def test_timm_layout_gives_the_same_tokens(make_timm, make_vit, final_tokens, tmp_path, monkeypatch, size):
    # timm smooths when it resizes positions, PATH's bicubic does not: compared with smoothing off
    monkeypatch.setattr(timm_vit, 'resample_abs_pos_embed', partial(resample_abs_pos_embed, antialias=False))
    theirs, ours, images = make_timm(), make_vit(), torch.randn(2, 3, *size)
    before = largest_difference(final_tokens(theirs, images), final_tokens(ours, images))
    report = weights.load_into(ours, f"mae:{save(theirs.state_dict(), tmp_path / 'a.pth')}")
    assert before > 0.1
    assert largest_difference(final_tokens(theirs, images), final_tokens(ours, images)) < 1e-5
    assert not report.missing and not report.ignored and not report.resized
    assert sorted(report.matched) == sorted(ours.state_dict())


def test_swapped_blocks_do_not_compute_the_same(make_timm, make_vit, final_tokens, tmp_path):
    theirs, ours, images = make_timm(), make_vit(), torch.randn(2, 3, SIZE, SIZE)
    swap = {'blocks.0.': 'blocks.1.', 'blocks.1.': 'blocks.0.'}
    state = {swap.get(key[:9], key[:9]) + key[9:]: value for key, value in theirs.state_dict().items()}
    weights.load_into(ours, str(save(state, tmp_path / 'a.pth')))
    assert largest_difference(final_tokens(theirs, images), final_tokens(ours, images)) > 1e-2


def test_timm_without_a_class_position(make_timm, make_vit, final_tokens, tmp_path):
    theirs, ours, images = make_timm(no_embed_class=True), make_vit(), torch.randn(2, 3, SIZE, SIZE)
    weights.load_into(ours, f"mae:{save(theirs.state_dict(), tmp_path / 'a.pth')}")
    assert largest_difference(final_tokens(theirs, images), final_tokens(ours, images)) < 1e-5


def test_mae_decoder_is_ignored_and_said(make_timm, make_vit, final_tokens, tmp_path):
    theirs, ours, images = make_timm(), make_vit(), torch.randn(1, 3, SIZE, SIZE)
    decoder = {'mask_token': torch.zeros(1, 1, 16), 'decoder_embed.weight': torch.zeros(16, WIDTH),
               'decoder_blocks.0.norm1.weight': torch.ones(16)}
    path = save({**theirs.state_dict(), **decoder}, tmp_path / 'mae.pth')
    report = weights.load_into(ours, str(path))
    assert report.family == 'mae' and sorted(report.ignored) == sorted(decoder)
    assert largest_difference(final_tokens(theirs, images), final_tokens(ours, images)) < 1e-5


def clip_visual_state(timm_state, norm_pre):
    """The state of a timm ViT under OpenAI's names, with the norm before the blocks that CLIP has."""
    names = [
        ('blocks.', 'transformer.resblocks.'),
        ('.norm1.', '.ln_1.'),
        ('.norm2.', '.ln_2.'),
        ('.attn.qkv.', '.attn.in_proj_'),
        ('.attn.proj.', '.attn.out_proj.'),
        ('.mlp.fc1.', '.mlp.c_fc.'),
        ('.mlp.fc2.', '.mlp.c_proj.'),
        ('patch_embed.proj.', 'conv1.'),
    ]
    out = {}
    for key, value in timm_state.items():
        for ours, theirs in names:
            key = key.replace(ours, theirs)
        key = {'norm.weight': 'ln_post.weight', 'norm.bias': 'ln_post.bias'}.get(key, key)
        key, value = (
            {'pos_embed': ('positional_embedding', value[0]), 'cls_token': ('class_embedding', value[0, 0])}.get(
                key, (key, value)
            )
            if value.ndim == 3
            else (key, value)
        )
        out[f'visual.{key}'] = value
    out.pop('visual.conv1.bias')
    out |= {f'visual.ln_pre.{k}': v for k, v in norm_pre.state_dict().items()}
    return {**out, 'visual.proj': torch.zeros(WIDTH, 16), 'token_embedding.weight': torch.zeros(10, 16)}


class ClipAttention(nn.Module):
    """Attention by torch's own module, whose packed names CLIP uses."""

    def __init__(self, state, prefix):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.attention.load_state_dict(
            {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        )

    def forward(self, x):
        return self.attention(x, x, x, need_weights=False)[0]


def clip_forward(state, images):
    """CLIP's image half as published, but with exact GELU and no norm before the blocks."""
    state = {key.removeprefix('visual.'): value for key, value in state.items()}
    norm = partial(nn.functional.layer_norm, normalized_shape=(WIDTH,), eps=1e-6)
    x = nn.functional.conv2d(images, state['conv1.weight'], stride=PATCH).flatten(2).transpose(1, 2)
    x = torch.cat([state['class_embedding'].expand(len(x), 1, -1), x], dim=1) + state['positional_embedding']
    for i in range(DEPTH):
        block = f'transformer.resblocks.{i}.'
        linear = lambda x, name: nn.functional.linear(x, state[f'{block}{name}.weight'], state[f'{block}{name}.bias'])  # noqa: E731,B023
        y = norm(x, weight=state[f'{block}ln_1.weight'], bias=state[f'{block}ln_1.bias'])
        x = x + ClipAttention(state, f'{block}attn.')(y)
        y = norm(x, weight=state[f'{block}ln_2.weight'], bias=state[f'{block}ln_2.bias'])
        x = x + linear(nn.functional.gelu(linear(y, 'mlp.c_fc')), 'mlp.c_proj')
    return norm(x, weight=state['ln_post.weight'], bias=state['ln_post.bias'])


def test_clip_layout(make_timm, make_vit, final_tokens, tmp_path):
    state = clip_visual_state(make_timm().state_dict(), nn.LayerNorm(WIDTH))
    ours, images = make_vit(), torch.randn(2, 3, SIZE, SIZE)
    path = save(state, tmp_path / 'clip.pt', wrapper='')
    report = weights.load_into(ours, str(path))
    with torch.no_grad():
        assert largest_difference(clip_forward(state, images), final_tokens(ours, images)) < 1e-5
    assert report.family == 'clip' and not report.missing
    assert 'norm_pre.weight' in report.ignored and not any('token_embedding' in key for key in report.matched)
    assert any('ln_pre' in note for note in report.notes) and any('quick-GELU' in note for note in report.notes)


def dinov2_state(timm_state):
    """The state of a timm ViT with layer scale under DINOv2's names: blocks in chunks, a mask token."""
    out = {}
    for key, value in timm_state.items():
        parts = key.split('.')
        out['.'.join(['blocks', '0', *parts[1:]]) if parts[0] == 'blocks' else key] = value
    return {**out, 'mask_token': torch.zeros(1, WIDTH)}


@pytest.mark.parametrize('wrapper', ['', 'teacher'])
def test_dinov2_layout_with_folded_layer_scale(make_timm, make_vit, final_tokens, tmp_path, wrapper):
    theirs, ours, images = make_timm(init_values=0.5), make_vit(), torch.randn(2, 3, SIZE, SIZE)
    state = dinov2_state(theirs.state_dict())
    if wrapper:
        state = {f'backbone.{key}': value for key, value in state.items()} | {
            'dino_head.mlp.0.weight': torch.zeros(4, 4)
        }
    report = weights.load_into(ours, str(save(state, tmp_path / 'dino.pth', wrapper)))
    assert report.family == 'dino' and report.ignored == ['mask_token'] and not report.missing
    assert largest_difference(final_tokens(theirs, images), final_tokens(ours, images)) < 1e-5


def test_layer_scale_left_out_would_show(make_timm, make_vit, final_tokens, tmp_path):
    theirs, ours, images = make_timm(init_values=0.5), make_vit(), torch.randn(2, 3, SIZE, SIZE)
    state = {key: value for key, value in theirs.state_dict().items() if '.ls' not in key}
    weights.load_into(ours, f"mae:{save(state, tmp_path / 'a.pth')}")
    assert largest_difference(final_tokens(theirs, images), final_tokens(ours, images)) > 1e-2


def test_dino_register_tokens_are_reported(make_timm, make_vit, tmp_path):
    state = dinov2_state(make_timm(init_values=0.5).state_dict()) | {'register_tokens': torch.zeros(1, 4, WIDTH)}
    ours = make_vit()
    report = weights.load_into(ours, f"dino:{save(state, tmp_path / 'dino.pth', '')}")
    assert 'reg_token' in report.ignored and any('register' in note for note in report.notes)


def test_published_path_layout(make_timm, make_vit, final_tokens, tmp_path):
    theirs, ours, images = make_timm(), make_vit(), torch.randn(2, 3, SIZE, SIZE)
    state = theirs.state_dict()
    state['cls_token_pos_embed'], state['pos_embed'] = state['pos_embed'][:, :1], state['pos_embed'][:, 1:]
    state = {f'module.backbone_module.{key}': value for key, value in state.items()}
    state |= {
        'module.neck_module.gate.0': torch.zeros(1),
        'module.decoder_module.classifier.weight': torch.zeros(3, WIDTH),
    }
    path = tmp_path / 'ckpt_task0_iter_newest.pth.tar'
    torch.save({'step': 7, 'state_dict': state, 'optimizer': {'state': {}}}, path)
    report = weights.load_into(ours, str(path))
    assert report.family == 'path' and not report.missing
    assert sorted(report.ignored) == ['decoder_module.classifier.weight', 'neck_module.gate.0']
    assert largest_difference(final_tokens(theirs, images), final_tokens(ours, images)) < 1e-5


def test_exported_path_file_without_class_slot(make_timm, make_vit, final_tokens, tmp_path):
    theirs, ours, images = make_timm(no_embed_class=True), make_vit(), torch.randn(2, 3, SIZE, SIZE)
    weights.load_into(ours, f"path:{save(theirs.state_dict(), tmp_path / 'PATH_vit.pth')}")
    assert largest_difference(final_tokens(theirs, images), final_tokens(ours, images)) < 1e-5


def test_position_table_is_resized_bicubically(make_timm, make_vit, tmp_path):
    theirs, ours = make_timm(), make_vit(img_size=(64, 32))
    report = weights.load_into(ours, f"mae:{save(theirs.state_dict(), tmp_path / 'a.pth')}")
    table = theirs.pos_embed.detach()[:, 1:].reshape(1, 4, 4, WIDTH).permute(0, 3, 1, 2)
    wanted = nn.functional.interpolate(table, (8, 4), mode='bicubic').permute(0, 2, 3, 1).reshape(1, 32, WIDTH)
    torch.testing.assert_close(ours.pos_embed.detach(), wanted, atol=1e-5, rtol=0)
    assert report.resized == {'pos_embed': '4x4 -> 8x4'} and 'pos_embed' in report.matched


def test_table_of_the_proportions_of_the_model(make_vit, tmp_path):
    theirs, ours = make_vit(img_size=(64, 32)), make_vit(img_size=(128, 64))
    report = weights.load_into(
        ours, f'path:{save({f"backbone.{k}": v for k, v in theirs.state_dict().items()}, tmp_path / "a.pth")}'
    )
    assert report.resized == {'pos_embed': '8x4 -> 16x8'}


def test_patch_kernel_is_resized_and_keeps_its_answer(make_timm, make_vit, tmp_path):
    theirs, ours = make_timm(), make_vit(img_size=64, patch_size=16)
    report = weights.load_into(ours, f"mae:{save(theirs.state_dict(), tmp_path / 'a.pth')}")
    assert report.resized == {'patch_embed.proj.weight': '8x8 -> 16x16'}
    smooth = nn.functional.interpolate(torch.randn(1, 3, 4, 4), (8, 8), mode='bicubic')
    large = nn.functional.interpolate(smooth, (16, 16), mode='bicubic')
    with torch.no_grad():
        torch.testing.assert_close(ours.patch_embed.proj(large), theirs.patch_embed.proj(smooth), atol=0.05, rtol=0.05)


def test_timm_models_by_name_use_what_the_cache_holds(make_timm, make_vit, final_tokens, monkeypatch):
    theirs, ours, images = make_timm(), make_vit(), torch.randn(1, 3, SIZE, SIZE)
    monkeypatch.setattr('timm.create_model', lambda name, **_: theirs)
    report = weights.load_into(ours, 'timm:vit_tiny_patch16_224')
    assert report.family == 'timm vit_tiny_patch16_224' and report.sha256 == weights.sha256('timm:vit_tiny_patch16_224')
    assert largest_difference(final_tokens(theirs, images), final_tokens(ours, images)) < 1e-5


def test_half_precision_files(make_timm, make_vit, final_tokens, tmp_path):
    theirs, ours, images = make_timm(), make_vit(), torch.randn(1, 3, SIZE, SIZE)
    state = {key: value.half() for key, value in theirs.state_dict().items()}
    weights.load_into(ours, f"mae:{save(state, tmp_path / 'a.pth')}")
    assert ours.pos_embed.dtype == torch.float32
    assert largest_difference(final_tokens(theirs, images), final_tokens(ours, images)) < 2e-2
