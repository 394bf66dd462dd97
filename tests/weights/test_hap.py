"""HAP's published layout: loads, whole or not at all, and is written back bit by bit."""
import runpy

import pytest
import torch
from torch import nn

from humanbench import weights
from humanbench.errors import CheckpointError, UserError
from humanbench.models import HAPPretext, HumanViT
from humanbench.registry import MODELS
from humanbench.resources import folder
from humanbench.weights import hap

SMALL = dict(width=64, depth=2, grid=(8, 4), decoder_width=32, decoder_depth=2)
REAL = dict(width=768, depth=12, grid=(16, 8), decoder_width=512, decoder_depth=8)


def shapes(width, depth, grid, decoder_width, decoder_depth) -> dict[str, tuple[int, ...]]:
    """The published key list, written out."""
    rows = grid[0] * grid[1] + 1

    def blocks(prefix, count, width):
        one = {'norm1.weight': (width,), 'norm1.bias': (width,), 'attn.qkv.weight': (3 * width, width),
               'attn.qkv.bias': (3 * width,), 'attn.proj.weight': (width, width), 'attn.proj.bias': (width,),
               'norm2.weight': (width,), 'norm2.bias': (width,), 'mlp.fc1.weight': (4 * width, width),
               'mlp.fc1.bias': (4 * width,), 'mlp.fc2.weight': (width, 4 * width), 'mlp.fc2.bias': (width,)}
        return {f'{prefix}.{i}.{name}': shape for i in range(count) for name, shape in one.items()}

    return {
        'cls_token': (1, 1, width), 'pos_embed': (1, rows, width), 'mask_token': (1, 1, decoder_width),
        'decoder_pos_embed': (1, rows, decoder_width), 'patch_embed.proj.weight': (width, 3, 16, 16),
        'patch_embed.proj.bias': (width,), **blocks('blocks', depth, width), 'norm.weight': (width,),
        'norm.bias': (width,), 'decoder_embed.weight': (decoder_width, width), 'decoder_embed.bias': (decoder_width,),
        **blocks('decoder_blocks', decoder_depth, decoder_width), 'decoder_norm.weight': (decoder_width,),
        'decoder_norm.bias': (decoder_width,), 'decoder_pred.weight': (768, decoder_width), 'decoder_pred.bias': (768,)}


def drawn(**sizes) -> dict[str, torch.Tensor]:
    return {key: torch.randn(shape) for key, shape in shapes(**sizes).items()}


def pretext(width, grid, decoder_width, decoder_depth, **others) -> nn.Module:
    return HAPPretext(width, img_size=[16 * x for x in grid], decoder_dim=decoder_width, decoder_depth=decoder_depth)


class Model(nn.Module):
    """Backbone and heads of a HumanModel, one of them of another task."""

    def __init__(self, size: dict, img_size=None, **changes):
        super().__init__()
        self.backbone = HumanViT(img_size or [16 * x for x in size['grid']], embed_dim=size['width'],
                                 depth=size['depth'], num_heads=max(1, size['width'] // 64))
        self.projectors = nn.ModuleDict()
        self.heads = nn.ModuleDict(dict(luperson=pretext(**size | changes), pose=nn.Linear(size['width'], 3)))


@pytest.fixture
def file(tmp_path):
    """A file as the authors publish it, of random values, and what is in it."""
    state = drawn(**SMALL)
    optimizer = dict(state={0: dict(step=torch.tensor(3.), exp_avg=torch.zeros(2))}, param_groups=[dict(lr=1e-3)])
    path = tmp_path / 'hap.pth'
    torch.save(dict(epoch=399, arch='pose_mae_vit_base_patch16', model=state, optimizer=optimizer,
                    scaler=dict(scale=65536.0)), path)
    return path, state


def test_our_network_and_pretext_have_the_published_names_and_shapes():
    with torch.device('meta'):
        model = Model(REAL)
    state, grid = hap.official_state(model.state_dict())
    assert {key: tuple(value.shape) for key, value in state.items()} == shapes(**REAL) and grid == (16, 8)
    assert shapes(**REAL)['pos_embed'] == (1, 129, 768) and shapes(**REAL)['decoder_blocks.7.attn.qkv.weight'] == (
        1536, 512)


@pytest.mark.parametrize('size', [SMALL, REAL], ids=['small', 'real'])
def test_names_go_there_and_back_bit_by_bit(size):
    state = {key: value.half() for key, value in drawn(**size).items()}
    ours = {f'backbone.{key}': value for key, value in hap.convert(state).items() if not key.startswith(('de', 'mask'))}
    ours |= {f'heads.luperson.{key}': value for key, value in state.items() if key.startswith(('decoder_', 'mask_'))}
    again, grid = hap.official_state(ours)
    assert set(again) == set(state) and grid == size['grid']
    assert all(torch.equal(again[key], value) for key, value in state.items())


@pytest.mark.parametrize('spec', ['hap:{}', '{}'])
def test_encoder_and_decoder_of_a_file_come_back_out_of_an_export(file, tmp_path, spec):
    path, state = file
    model = Model(SMALL)
    report = weights.load_into(model, spec.format(path), parts=('backbone', 'heads.luperson'))
    assert report.family == 'hap' and not (report.missing or report.ignored or report.resized)
    ours = weights.export(model, tmp_path / 'ours.pth')
    out = weights.export_hap(ours, tmp_path / 'again', source='luperson')
    content = torch.load(out, weights_only=True)
    assert set(content['model']) == set(state) and content['meta']['grid'] == [8, 4]
    assert all(torch.equal(content['model'][key], value) for key, value in state.items())
    again = Model(SMALL)
    weights.load_into(again, str(out), parts=('backbone', 'heads.luperson'))
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in model.state_dict().items()
               if not key.startswith('heads.pose'))


def test_the_published_name_is_written_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setitem(hap.ARCHS, (64, 2), 'small')
    out = weights.export_hap(weights.export(Model(SMALL), tmp_path / 'a.pth'), tmp_path / 'b.pth')
    assert torch.load(out, weights_only=True)['arch'] == 'small' and hap.ARCHS[768, 12] == 'pose_mae_vit_base_patch16'


def test_the_encoder_alone_goes_into_any_backbone_and_the_decoder_is_said_to_be_left(file):
    path, state = file
    model = Model(SMALL, img_size=64)  # a table of 4 x 4, as every benchmark config has a square one
    report = weights.load_into(model, f'hap:{path}')
    assert report.resized == {'backbone.pos_embed': '8x4 -> 4x4'} and not report.missing
    assert {key.removeprefix('backbone.') for key in report.ignored} == {
        key for key in state if key.startswith(('decoder', 'mask'))}
    assert torch.equal(model.backbone.cls_pos_embed, state['pos_embed'][:, :1])
    wanted = torch.nn.functional.interpolate(
        state['pos_embed'][:, 1:].reshape(1, 8, 4, 64).permute(0, 3, 1, 2), size=(4, 4), mode='bicubic')
    torch.testing.assert_close(model.backbone.pos_embed, wanted.permute(0, 2, 3, 1).reshape(1, 16, 64))


@pytest.mark.parametrize('backbone', [None, 'timm'])
def test_the_network_that_a_file_is_of(file, tmp_path, backbone):
    path, state = file
    network = weights.network_of(str(path))
    assert network['type'] is HumanViT and network['img_size'] == [128, 64] and network['num_heads'] == 1
    built = MODELS.build(network if backbone is None else dict(
        type='TimmViT', options=dict(img_size=64, patch_size=16, embed_dim=64, depth=2, num_heads=1)))
    assert not weights.load_into(built, str(path)).missing
    encoder = {key: value for key, value in state.items() if not key.startswith(('decoder', 'mask'))}
    torch.save(dict(model=encoder), tmp_path / 'encoder.pth')  # as people pass it on: no decoder, no word of HAP
    assert weights.network_of(f"hap:{tmp_path / 'encoder.pth'}") == weights.network_of(
        str(tmp_path / 'encoder.pth')) == network


def test_a_square_autoencoder_is_maes(tmp_path):
    path = tmp_path / 'mae.pth'
    torch.save(dict(model=drawn(**SMALL | dict(grid=(4, 4)))), path)
    model = Model(SMALL | dict(grid=(4, 4)))
    report = weights.load_into(model, str(path), parts=('backbone', 'heads.luperson'))
    assert report.family == 'mae' and not report.missing and not report.ignored


def without(state):
    return {key: value for key, value in state.items() if key != 'decoder_blocks.1.mlp.fc2.bias'}


@pytest.mark.parametrize('change, options, message', [
    (without, {}, 'it lacks 1 of its parameters .decoder_blocks.1.mlp.fc2.bias'),
    (dict, dict(decoder_depth=3), 'it lacks 12 of its parameters .decoder_blocks.2'),
    (dict, dict(decoder_depth=1), 'the head has no place for 12 of its parameters .decoder_blocks.1'),
    (dict, dict(decoder_width=48), 'mask_token is 1x1x32 in the file and 1x1x48 in the model'),
    (lambda state: {key: value for key, value in state.items() if key != 'blocks.0.norm1.bias'}, {},
     "lacks 1 of the backbone's inner parameters"),
    (lambda state: drawn(**SMALL | dict(width=128)), {}, 'width 128 and depth 2'),
])
def test_what_does_not_fit_changes_nothing(file, change, options, message):
    path, state = file
    torch.save(dict(model=change(state)), path)
    model = Model(SMALL, **options)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        weights.load_into(model, f'hap:{path}', parts=('backbone', 'heads.luperson'))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_an_encoder_has_nothing_for_a_pretext(file):
    path, state = file
    torch.save({key: value for key, value in state.items() if not key.startswith(('decoder', 'mask'))}, path)
    with pytest.raises(CheckpointError, match='Nothing in .* is for the model.s heads.luperson'):
        weights.load_into(Model(SMALL), f'hap:{path}', parts=('backbone', 'heads.luperson'))


def test_what_cannot_be_exported(tmp_path):
    model = Model(SMALL)
    model.heads['second'] = pretext(**SMALL)
    both = weights.export(model, tmp_path / 'both.pth')
    with pytest.raises(CheckpointError, match='Several heads have a decoder: luperson, second'):
        weights.export_hap(both, tmp_path / 'out.pth')
    with pytest.raises(UserError, match="Did you mean 'second'"):
        weights.export_hap(both, tmp_path / 'out.pth', 'secnd')
    weights.export_hap(both, tmp_path / 'out.pth', 'second')
    del model.heads['second'], model.heads['luperson']
    with pytest.raises(CheckpointError, match=r'No head has the decoder .*\(heads: pose\)'):
        weights.export_hap(weights.export(model, tmp_path / 'pose.pth'), tmp_path / 'no.pth')
    assert not (tmp_path / 'no.pth').exists()


def test_a_table_of_another_grid_is_brought_to_the_decoders(tmp_path):
    model = Model(SMALL, img_size=64)
    out = weights.export_hap(weights.export(model, tmp_path / 'a.pth'), tmp_path / 'b.pth')
    assert torch.load(out, weights_only=True)['model']['pos_embed'].shape == (1, 33, 64)
    assert weights.load_into(Model(SMALL), str(out)).resized == {}


def test_the_tool_writes_either_layout(tmp_path, capsys):
    main = runpy.run_path(str(folder('tools') / 'export.py'))['main']
    ours = str(weights.export(Model(SMALL), tmp_path / 'a.pth'))
    main([ours, str(tmp_path / 'b.pth'), '--layout', 'hap'])
    main([ours, str(tmp_path / 'c.pth')])
    assert 'b.pth' in capsys.readouterr().out
    assert 'decoder_norm.bias' in torch.load(tmp_path / 'b.pth', weights_only=True)['model']
    assert 'heads.luperson.decoder_norm.bias' in torch.load(tmp_path / 'c.pth', weights_only=True)['state_dict']
    for wrong in (['--layout', 'hap', '--modules', 'parts'], ['--source', 'luperson']):
        with pytest.raises(SystemExit):
            main([ours, str(tmp_path / 'd.pth'), *wrong])
    assert not (tmp_path / 'd.pth').exists() and 'Leave one of them out' in capsys.readouterr().err
