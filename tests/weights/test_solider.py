"""SOLIDER's published layout, and Swins of others for its network: loaded, written back, and computed with."""
import argparse
import runpy
from fractions import Fraction

import pytest
import timm
import torch
from torch import nn

from humanbench import weights
from humanbench.engine.backbone import choose, name_of, of_file, other_than
from humanbench.engine.launch import load_config
from humanbench.errors import CheckpointError, UserError
from humanbench.models import LastStage, SemanticSwin, TimmSwin
from humanbench.models.backbones.semantic_swin import ARCHS, SEMANTIC
from humanbench.registry import MODELS
from humanbench.resources import folder
from humanbench.weights.solider import official_state

SMALL = dict(embed_dims=16, depths=(1, 1, 2, 2), num_heads=(1, 2, 4, 8), window_size=4)


def shapes(embed_dims, depths, num_heads, window_size, controllers=True) -> dict[str, tuple[int, ...]]:
    """The published key list of the backbone, written out."""
    found = {'patch_embed.projection.weight': (embed_dims, 3, 4, 4), 'patch_embed.projection.bias': (embed_dims,),
             'patch_embed.norm.weight': (embed_dims,), 'patch_embed.norm.bias': (embed_dims,)}
    for i, (depth, heads) in enumerate(zip(depths, num_heads)):
        d = embed_dims * 2**i
        for j in range(depth):
            block = {'norm1.weight': (d,), 'norm1.bias': (d,), 'norm2.weight': (d,), 'norm2.bias': (d,),
                     'attn.w_msa.relative_position_bias_table': ((2 * window_size - 1)**2, heads),
                     'attn.w_msa.relative_position_index': (window_size**2, window_size**2),
                     'attn.w_msa.qkv.weight': (3 * d, d), 'attn.w_msa.qkv.bias': (3 * d,),
                     'attn.w_msa.proj.weight': (d, d), 'attn.w_msa.proj.bias': (d,),
                     'ffn.layers.0.0.weight': (4 * d, d), 'ffn.layers.0.0.bias': (4 * d,),
                     'ffn.layers.1.weight': (d, 4 * d), 'ffn.layers.1.bias': (d,)}
            found |= {f'stages.{i}.blocks.{j}.{name}': shape for name, shape in block.items()}
        if i < 3:
            found |= {f'stages.{i}.downsample.norm.weight': (4 * d,), f'stages.{i}.downsample.norm.bias': (4 * d,),
                      f'stages.{i}.downsample.reduction.weight': (2 * d, 4 * d)}
        found |= {f'norm{i}.weight': (d,), f'norm{i}.bias': (d,)}
        after = min(2 * d, embed_dims * 8)
        found |= {f'semantic_embed_{x}.{i}.{name}': shape for x in 'wb' if controllers
                  for name, shape in (('weight', (after, 2)), ('bias', (after,)))}
    return found


def head(channels: int) -> dict[str, torch.Tensor]:
    """The DINO head of a published file, narrow."""
    return {'head.mlp.0.weight': torch.randn(24, channels), 'head.mlp.0.bias': torch.randn(24),
            'head.mlp.2.weight': torch.randn(24, 24), 'head.mlp.2.bias': torch.randn(24),
            'head.mlp.4.weight': torch.randn(8, 24), 'head.mlp.4.bias': torch.randn(8),
            'head.last_layer.weight_g': torch.ones(32, 1), 'head.last_layer.weight_v': torch.randn(32, 8)}


def scattered(network: nn.Module) -> nn.Module:
    """Noise on every parameter: many start at constants, where a mistake would go unseen."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def published(network: nn.Module) -> dict[str, torch.Tensor]:
    return {f'backbone.{key}': value for key, value in network.state_dict().items()} | head(128)


@pytest.fixture
def file(tmp_path):
    """A network and the file of a run of SOLIDER's code with it, as training leaves it."""
    network = scattered(SemanticSwin(**SMALL))
    student = {f'module.{key}': torch.zeros_like(value) for key, value in published(network).items()}
    path = tmp_path / 'solider.pth'
    torch.save(dict(student=student, teacher=published(network), optimizer=dict(state={}, param_groups=[dict(lr=1e-3)]),
                    epoch=100, args=argparse.Namespace(arch='swin_tiny', lr=0.0005), fp16_scaler=dict(scale=65536.0),
                    dino_loss=dict(center=torch.zeros(1, 32))), path)
    return path, network


def loaded(spec: str) -> tuple[nn.Module, weights.LoadReport]:
    """The network that the weights are of, with the weights."""
    network = MODELS.build(weights.network_of(spec)).eval()
    return network, weights.load_into(network, spec)


class Model(nn.Module):
    """Student and a head with a teacher, as a pretraining run of ours holds them."""

    def __init__(self, **options):
        super().__init__()
        self.backbone = scattered(SemanticSwin(**SMALL, **options))
        self.heads, self.projectors = nn.ModuleDict(dict(luperson=nn.Module())), nn.ModuleDict()
        self.heads.luperson.teacher = nn.Module()
        self.heads.luperson.teacher.backbone = scattered(SemanticSwin(**SMALL, **options))
        teacher_head = self.heads.luperson.teacher.head = nn.Module()
        for key, value in head(128).items():
            module = teacher_head
            *path, name = key.removeprefix('head.').split('.')
            for part in path:
                if part not in dict(module.named_children()):
                    module.add_module(part, nn.Module())
                module = getattr(module, part)
            module.register_parameter(name, nn.Parameter(value))


# ------------------------------------------------------------------------------------------------------ the layout
@pytest.mark.parametrize('arch', [*ARCHS, SMALL], ids=[*ARCHS, 'small'])
def test_our_network_has_the_published_names_and_shapes(arch):
    sizes = ARCHS.get(arch) if isinstance(arch, str) else arch
    with torch.device('meta'):
        for semantic in (0.5, None):
            network = SemanticSwin(**sizes, semantic=semantic)
            assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == shapes(
                **sizes, controllers=semantic is not None)


@torch.no_grad()
@pytest.mark.parametrize('spec', ['solider:{}', '{}'])
def test_a_published_file_loads_and_says_its_network(file, spec):
    path, network = file
    again, report = loaded(spec.format(path))
    images = torch.randn(2, 3, 128, 64)
    for semantic in (0.0, 0.3):
        condition = dict(semantic=semantic)
        assert torch.equal(again(images, condition).pooled, network(images, condition).pooled)
    assert again.semantic == SEMANTIC and report.family == 'solider' and not report.missing
    assert {key.split('.')[0] for key in report.ignored} == {'head'} and len(report.ignored) == 8


def test_the_teacher_alone_loads_too(file, tmp_path):
    path, network = file
    torch.save(torch.load(path, weights_only=False)['teacher'], tmp_path / 'converted.pth')
    again, report = loaded(str(tmp_path / 'converted.pth'))
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in network.state_dict().items())


@torch.no_grad()
def test_one_lambda_for_all_tasks(file):
    path, network = file
    again, _ = loaded(f'solider:{path}@semantic=0.8')
    images = torch.randn(1, 3, 64, 64)
    assert again.semantic == 0.8
    for task in ('reid', 'pose'):
        assert torch.equal(again(images, dict(task=task)).pooled, network(images, dict(semantic=0.8)).pooled)
    table = SemanticSwin(**SMALL)
    weights.load_into(table, f'solider:{path}@semantic=0')
    assert table.semantic == 0.0


@pytest.mark.parametrize('text, semantic', [('solider:a.pth@semantic=0.8', 0.8), ('a.pth@semantic=1', 1.0),
                                            ('solider:a.pth', None), ('a@semantic.pth', None)])
def test_the_string_says_lambda(text, semantic):
    spec = weights.parse(text)
    assert spec.semantic == semantic and str(spec) == text and 'semantic=' not in spec.name


@pytest.mark.parametrize('value', ['', '2', '-0.1', 'much', 'nan'])
def test_a_lambda_that_is_none_is_refused(value):
    with pytest.raises(UserError, match='from 0 .appearance. to 1'):
        weights.parse(f'solider:a.pth@semantic={value}')


def test_a_lambda_for_a_network_without_controllers_is_refused(tmp_path, make_vit):
    plain = weights.export(SemanticSwin(**SMALL, semantic=None), tmp_path / 'plain.pth')
    vit = weights.export(make_vit(), tmp_path / 'vit.pth')
    for path in (plain, vit):
        with pytest.raises(UserError, match='has no controllers'):
            weights.network_of(f'{path}@semantic=0.5')
    with pytest.raises(UserError, match='has no controllers'):
        weights.load_into(SemanticSwin(**SMALL, semantic=None), f'{plain}@semantic=0.5')


# ------------------------------------------------------------------------------------------------ our own checkpoints
def test_a_pretraining_run_gives_its_teacher(tmp_path):
    model = Model()
    path = weights.export(model, tmp_path / 'run.pth')
    for spec in (f'path:{path}', f'solider:{path}', str(path)):
        network, report = loaded(spec)
        teacher = model.heads.luperson.teacher.backbone.state_dict()
        assert all(torch.equal(value, teacher[key]) for key, value in network.state_dict().items())
        assert not report.missing and 'teacher in heads.luperson' in report.notes[-1]


def test_a_run_that_goes_on_gets_its_student(tmp_path):
    model = Model()
    path = weights.export(model, tmp_path / 'run.pth')
    other = Model()
    weights.load_into(other, str(path), parts=('backbone', 'heads.luperson'))
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in other.state_dict().items())


def test_two_teachers_are_one_too_many(tmp_path):
    model = Model()
    model.heads.other = model.heads.luperson
    path = weights.export(model, tmp_path / 'run.pth')
    with pytest.raises(CheckpointError, match='luperson, other.*--source'):
        weights.load_into(SemanticSwin(**SMALL), str(path))


@torch.no_grad()
def test_the_published_layout_is_written_and_read_bit_by_bit(tmp_path, capsys):
    model = Model()
    path = weights.export(model, tmp_path / 'run.pth')
    tool = runpy.run_path(str(folder('tools') / 'export.py'))
    tool['main']([str(path), str(tmp_path / 'out.pth'), '--layout', 'solider'])
    written = torch.load(tmp_path / 'out.pth', weights_only=True)
    teacher = model.heads.luperson.teacher
    wanted = {f'backbone.{key}': value for key, value in teacher.backbone.state_dict().items()} | {
        f'head.{key}': value for key, value in teacher.head.state_dict().items()}
    assert written['teacher'].keys() == wanted.keys()
    assert all(torch.equal(value, wanted[key]) for key, value in written['teacher'].items())
    assert written['teacher'].keys() == (published(teacher.backbone) | head(128)).keys()
    again, report = loaded(f"solider:{tmp_path / 'out.pth'}")
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(again(images).pooled, teacher.backbone(images).pooled) and not report.missing


def test_a_finetuned_backbone_is_written_without_a_head(tmp_path):
    network = scattered(SemanticSwin(**SMALL, strides=(4, 2, 2, 1)))
    out = weights.export_solider(weights.export(network, tmp_path / 'own.pth'), tmp_path / 'out')
    again, _ = loaded(f'solider:{out}')
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in network.state_dict().items())
    assert again.strides == (4, 2, 2, 1)


def test_what_has_no_place_in_the_layout_is_refused(tmp_path, make_vit):
    with pytest.raises(CheckpointError, match='that of a SemanticSwin'):
        weights.export_solider(weights.export(make_vit(), tmp_path / 'vit.pth'), tmp_path / 'out.pth')
    assert not (tmp_path / 'out.pth').exists()
    with pytest.raises(UserError, match="source with a teacher 'market'"):
        official_state(Model().state_dict(), 'market')


# --------------------------------------------------------------------------------------------- Swins by other names
def timm_swin(size: int) -> nn.Module:
    return scattered(timm.models.SwinTransformer(
        img_size=size, embed_dim=16, depths=(1, 1, 2, 2), num_heads=(1, 2, 4, 8), window_size=4, num_classes=3,
        strict_img_size=False))


def original_names(state: dict) -> dict:
    """timm's names to those of the original code: its merges close a stage, and its buffers are saved."""
    found = {}
    for key, value in state.items():
        parts = key.split('.')
        if parts[0] == 'layers' and parts[2] == 'downsample':
            parts[1] = str(int(parts[1]) - 1)
        found['.'.join(parts)] = value
    return found | {'layers.0.blocks.0.attn.relative_position_index': torch.zeros(16, 16, dtype=torch.long),
                    'layers.0.blocks.1.attn_mask': torch.zeros(4, 16, 16)}


@torch.no_grad()
@pytest.mark.parametrize('names', ['timm', 'original', 'detector'])
def test_a_swin_by_other_names_computes_what_timms_does(tmp_path, names):
    """At a size where every map is larger than a window; where none is, mmdet shifts it and the others do not."""
    reference = timm_swin(256)
    state = reference.state_dict() if names == 'timm' else original_names(reference.state_dict())
    if names == 'detector':
        state = {f'backbone.{key}': value for key, value in state.items()}
    torch.save({'model': state}, tmp_path / 'swin.pth')
    network, report = loaded(f"solider:{tmp_path / 'swin.pth'}")
    images = torch.randn(2, 3, 256, 256)
    wanted = reference.forward_features(images).permute(0, 3, 1, 2)
    torch.testing.assert_close(network(images).maps[-1], wanted, atol=2e-5, rtol=0)
    assert network.semantic is None and sorted(report.missing) == sorted(
        f'norm{i}.{name}' for i in range(3) for name in ('weight', 'bias'))
    merge = network.stages[1].downsample
    merge.reduction.weight.copy_(reference.layers[2].downsample.reduction.weight)  # the control: patches as they were
    assert (network(images).maps[-1] - wanted).abs().max() > 0.01


def test_a_swin_by_timms_names_fits_a_named_network(tmp_path, monkeypatch):
    reference = timm_swin(256)
    torch.save(reference.state_dict(), tmp_path / 'swin.pth')
    monkeypatch.setattr('timm.create_model', lambda *args, **options: reference)  # what the hub would give
    for spec in (str(tmp_path / 'swin.pth'), 'timm:swin_tiny_patch4_window7_224'):
        network = SemanticSwin(**SMALL)
        report = weights.load_into(network, spec)
        mlp = reference.layers[3].blocks[1].mlp
        assert torch.equal(network.stages[3].blocks[1].ffn.layers[1].weight, mlp.fc2.weight)
        assert sum('semantic_embed' in key for key in report.missing) == 16
        assert any('have no controllers' in note and 'semantic=None' in note for note in report.notes)


@pytest.mark.parametrize('change, message', [
    (lambda state: {key: value for key, value in state.items() if 'stages.2' not in key}, "lacks .* inner parameters"),
    (lambda state: state | {'backbone.patch_embed.projection.weight': torch.zeros(8, 3, 4, 4)}, '8x3x4x4 in the file'),
    (lambda state: {key: value for key, value in state.items() if 'table' not in key}, 'lacks|family'),
])
def test_a_damaged_file_is_refused_and_changes_nothing(file, tmp_path, change, message):
    path, network = file
    torch.save(dict(teacher=change(torch.load(path, weights_only=False)['teacher'])), tmp_path / 'a.pth')
    other = SemanticSwin(**SMALL)
    before = {key: value.clone() for key, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        weights.load_into(other, f"solider:{tmp_path / 'a.pth'}")
    assert all(torch.equal(value, before[key]) for key, value in other.state_dict().items())


def test_networks_of_other_kinds_do_not_take_it(file, make_vit):
    for network in (make_vit(), TimmSwin(options=dict(embed_dim=16, depths=(1, 1, 2, 2), num_heads=(1, 2, 4, 8),
                                                      window_size=4, img_size=128))):
        with pytest.raises(CheckpointError, match="SOLIDER"):
            weights.load_into(network, f'solider:{file[0]}')


def test_a_file_of_another_family_is_none_of_solider(tmp_path, make_vit):
    torch.save({'layers.0.blocks.0.attn.logit_scale': torch.zeros(1)}, tmp_path / 'v2.pth')
    for path in (tmp_path / 'v2.pth', weights.export(make_vit(), tmp_path / 'vit.pth')):
        with pytest.raises(CheckpointError, match='no Swin of the first version|not of SOLIDER'):
            weights.network_of(f'solider:{path}')


def test_only_data_is_read(tmp_path):
    """A command line's Namespace is data; a class that is not is refused as ever."""
    torch.save(dict(teacher=published(SemanticSwin(**SMALL)), args=argparse.Namespace(lr=Fraction(1, 2))),
               tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='Fraction.*refused'):
        weights.network_of(f"solider:{tmp_path / 'a.pth'}")


# -------------------------------------------------------------------------------------------------------- detectors
def test_the_last_stage_of_a_head_gets_that_of_the_file(file):
    model = nn.Module()
    model.backbone = SemanticSwin(**SMALL, stages=3)
    model.heads, model.projectors = nn.ModuleDict(dict(prw=nn.Module())), nn.ModuleDict()
    model.heads.prw.box = LastStage(64, num_heads=8, window_size=4)
    model.heads.prw.reid = nn.ModuleList([nn.Linear(2, 2), LastStage(64, num_heads=8, window_size=4, semantic=None)])
    report = weights.load_into(model, f'solider:{file[0]}', parts=('backbone', 'heads.prw'))
    assert report.missing == ['heads.prw.reid.0.weight', 'heads.prw.reid.0.bias']
    wanted = file[1].state_dict()
    stages = model.heads.prw.box, model.heads.prw.reid[1]

    def filled() -> list[bool]:
        return [all(torch.equal(stage.state_dict()[own], wanted[there])
                    for own, there in stage.names_in_backbone().items()) for stage in stages]

    assert filled() == [True, True]
    for stage in stages:
        stage.norm.weight.data.zero_()
    assert filled() == [False, False]
    report = weights.load_into(model, f'solider:{file[0]}')  # as finetuning does: the backbone, and what continues it
    assert filled() == [True, True] and not report.missing
    assert 'heads.prw.box.norm.weight' in report.matched


# ------------------------------------------------------------------------------------------------ networks in recipes
POSE, REID = 'benchmark/pose/mpii.py', 'benchmark/reid/market1501.py'


def test_the_weights_choose_network_strides_and_lambda(file):
    spec = f'solider:{file[0]}'
    for flavor in (None, 'debug'):
        pose, reid = (load_config(x, flavor, 'full', start_from=spec).model.backbone for x in (POSE, REID))
        assert pose.strides == (4, 2, 2, 1) and 'semantic' not in pose
        assert reid.get('strides', (4, 2, 2, 2)) == (4, 2, 2, 2)  # what a SemanticSwin has by itself
        assert pose.depths == [1, 1, 2, 2]
        turned = load_config(POSE, flavor, 'full', start_from=f'{spec}@semantic=0.3').model.backbone
        assert turned.semantic == 0.3 and turned.strides == pose.strides


def test_the_stages_of_a_detector_are_turned_with_the_network(file):
    config = load_config('downstream/person_search/prw.py', None, 'full', start_from=f'solider:{file[0]}@semantic=0.3')
    assert config.model.backbone.semantic == config.sources.prw.head.stage.semantic == 0.3
    assert config.model.backbone.stages == 3 and config.model.backbone.depths == [1, 1, 2, 2]
    plain = load_config('downstream/person_search/prw.py', None, 'full', start_from=f'solider:{file[0]}')
    assert plain.sources.prw.head.stage.semantic == 0.6


def test_a_named_network_is_turned_too(file):
    spec = f'solider:{file[0]}@semantic=0.3'
    found = load_config(POSE, 'debug', 'full', backbone='semantic_swin_debug', start_from=spec).model.backbone
    assert found.semantic == 0.3 and tuple(found.strides) == (4, 2, 2, 1)
    with pytest.raises(UserError, match='has no controllers'):
        load_config(POSE, 'debug', 'full', backbone='vit_debug', start_from=spec)


def test_what_solider_sets_where_its_head_is_ours():
    tiny, small, base = (load_config(REID, None, 'full', backbone=f'solider_{x}', start_from='scratch') for x in 'tsb')
    assert [x.optim_wrapper.optimizer.lr for x in (tiny, small, base)] == [8e-4, 2e-4, 2e-4]
    assert tiny.optim_wrapper.optimizer.type == 'SGD' and tiny.optim_wrapper.clip_norm is None
    assert [x.model.backbone.arch for x in (tiny, small, base)] == ['tiny', 'small', 'base']


def test_names_of_networks(file):
    sizes = dict(ARCHS['small'], type=SemanticSwin)
    assert name_of(sizes) == name_of(dict(sizes, strides=(4, 2, 2, 1), semantic=0.2)) == 'solider_s'
    assert name_of(dict(sizes, semantic=None)) == 'Swin-96x2-2-18-2'
    assert choose(None, f'solider:{file[0]}').name == 'semantic_swin_debug'


def test_a_recipe_for_the_network_keeps_what_it_says_of_its_task():
    own = dict(type=SemanticSwin, arch='tiny', stages=3, semantic=0.6)
    wanted = of_file('solider_b')
    network = other_than(wanted, own).network
    assert network['arch'] == 'base' and network['stages'] == 3 and network['semantic'] == 0.6
    same = of_file('solider_t')
    assert other_than(same, own) is None
    turned = type(same)(same.name, dict(same.network, semantic=0.1))
    assert {**other_than(turned, own).network, 'type': SemanticSwin} == dict(own, semantic=0.1)
