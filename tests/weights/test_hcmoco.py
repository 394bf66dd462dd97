"""HRNets of others and HCMoCo's layout: loaded, written back, and computed with."""
import runpy

import pytest
import timm
import torch
from mmseg.models.backbones.hrnet import HRNet
from timm.models.hrnet import HighResolutionNet
from torch import nn

from humanbench import weights
from humanbench.engine.backbone import choose, name_of, of_file, other_than, same_network
from humanbench.engine.launch import load_config
from humanbench.errors import CheckpointError, UserError
from humanbench.models import HumanHRNet
from humanbench.registry import MODELS
from humanbench.resources import folder
from humanbench.weights import hcmoco

SMALL = dict(width=4, modules=(1, 2, 2), blocks=1, first_width=8, first_blocks=2)
STAGES = dict(
    stage1=dict(num_modules=1, num_branches=1, block='BOTTLENECK', num_blocks=(2,), num_channels=(8,)),
    stage2=dict(num_modules=1, num_branches=2, block='BASIC', num_blocks=(1,) * 2, num_channels=(4, 8)),
    stage3=dict(num_modules=2, num_branches=3, block='BASIC', num_blocks=(1,) * 3, num_channels=(4, 8, 16)),
    stage4=dict(num_modules=2, num_branches=4, block='BASIC', num_blocks=(1,) * 4, num_channels=(4, 8, 16, 32)))
IMAGES = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(0))


def scattered(network: nn.Module) -> nn.Module:
    """Noise on all that is kept: norms start at constants, where a mistake would go unseen."""
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.add_(0.1 * torch.rand_like(value))
    network.eval()  # mmseg's gives nothing back
    return network


def loaded(spec: str) -> tuple[nn.Module, weights.LoadReport]:
    """The network that the weights are of, with the weights."""
    network = MODELS.build(weights.network_of(spec)).eval()
    return network, weights.load_into(network, spec)


def same(network: nn.Module, state: dict) -> bool:
    """Whether a network holds exactly these tensors."""
    own = network.state_dict()
    return own.keys() == state.keys() and all(torch.equal(value, state[key]) for key, value in own.items())


POINTS = dict(type='PointNet2MSG', points=9, centres=(9, 4), radii=((0.1,), (0.2,)), neighbours=(3,),
              widths=(((4,),), ((6,),)), propagation=((8,), (8,)))


def run_of(*sources: str, depth: dict | None = None) -> nn.Module:
    """A run of HCMoCo."""
    encoder = dict(SMALL, type='HumanHRNet', merged=4)
    head = dict(type='HCMoCoPretext', num_samples=5, depth_encoder=depth or encoder,
                joint_encoder=dict(type='SemGCN', skeleton='mpii16'))
    return scattered(MODELS.build(dict(type='HumanModel', backbone=encoder, heads=dict.fromkeys(sources, head))))


@pytest.fixture
def run(tmp_path):
    """A model and the file it is in, under our names."""
    model = run_of('ntu_rgbd')
    return model, weights.export(model, tmp_path / 'run.pth')


# ----------------------------------------------------------------------------------------------------- HRNets of others
def published(names: str) -> tuple[nn.Module, dict]:
    """An HRNet as others publish it."""
    if names == 'timm':
        stages = {name: dict({key: value for key, value in stage.items() if key != 'block'}, fuse_method='SUM',
                             block_type=stage['block']) for name, stage in STAGES.items()}
        cfg = dict(stages, stem_width=64, final_conv_kernel=1)
        reference = scattered(HighResolutionNet(cfg, head='classification', num_classes=3))
        return reference, dict(reference.state_dict())
    reference = scattered(HRNet(STAGES))
    state = dict(reference.state_dict())
    if names == 'segmentor':
        state = {f'backbone.{key}': value for key, value in state.items()} | {
            'decode_head.conv_seg.weight': torch.zeros(2, 60, 1, 1)}
    if names == 'authors':
        state = {f'module.model.{key}': value for key, value in state.items()} | {
            'module.model.last_layer.0.weight': torch.zeros(60, 60, 1, 1)}
    return reference, state


@torch.no_grad()
@pytest.mark.parametrize('spec', ['hrnet:{}', '{}', 'hcmoco:{}'])
@pytest.mark.parametrize('names', ['plain', 'segmentor', 'authors'])
def test_an_hrnet_of_others_loads_and_says_its_network(tmp_path, names, spec):
    reference, state = published(names)
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    network, report = loaded(spec.format(tmp_path / 'a.pth'))
    assert same(network, reference.state_dict()) and not report.missing and not report.notes
    for one, other in zip(network(IMAGES).maps, reference(IMAGES), strict=True):
        assert torch.equal(one, other)
    assert network.sizes == SMALL and len(report.ignored) == (names != 'plain')


@torch.no_grad()
def test_timms_hrnet_computes_the_same_where_it_enlarges_alike(tmp_path):
    reference, state = published('timm')
    torch.save(state, tmp_path / 'a.pth')
    network, report = loaded(f"hrnet:{tmp_path / 'a.pth'}")
    assert not report.missing and 'bilinearly' in report.notes[0]
    assert {key.split('.')[0] for key in report.ignored} == {
        'incre_modules', 'downsamp_modules', 'final_layer', 'classifier'}
    repeated = reference.stages(reference_stem(reference))
    assert max((a - b).abs().max() for a, b in zip(network(IMAGES).maps, repeated)) > 0.01
    for module in reference.modules():
        if isinstance(module, nn.Upsample):
            module.mode, module.align_corners = 'bilinear', False
    for one, other in zip(network(IMAGES).maps, reference.stages(reference_stem(reference)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def reference_stem(reference: nn.Module) -> torch.Tensor:
    """What timm's network does before its stages."""
    x = reference.act1(reference.bn1(reference.conv1(IMAGES)))
    return reference.act2(reference.bn2(reference.conv2(x)))


def test_published_sizes_are_told_by_their_files():
    for width, name in ((18, 'hrnet_w18'), (32, 'hrnet_w32'), (48, 'HRNet-W48-1-4-3')):
        with torch.device('meta'):
            wanted = HumanHRNet(width)
        sizes = weights.hrnet.network_sizes(wanted.state_dict(), name)
        assert sizes == {key: value for key, value in wanted.architecture.items() if key in sizes}
        assert name_of(dict(type=HumanHRNet, **sizes)) == name


@pytest.mark.slow
def test_timms_names_are_the_published_ones():
    state, wanted = timm.create_model('hrnet_w18').state_dict(), HumanHRNet(18).state_dict()
    assert {key: value.shape for key, value in state.items() if key in wanted} == {
        key: value.shape for key, value in wanted.items()}


# -------------------------------------------------------------------------------------------------- HCMoCo's own layout
def test_the_layout_is_written_and_read_bit_by_bit(run, tmp_path):
    model, path = run
    tool = runpy.run_path(str(folder('tools') / 'export.py'))
    tool['main']([str(path), str(tmp_path / 'out.pth'), '--layout', 'hcmoco'])
    written = torch.load(tmp_path / 'out.pth', weights_only=True)
    head, wanted = model.heads.ntu_rgbd, {}
    for name, module in (('encoder1', model.backbone), ('encoder2', head.depth_encoder),
                         ('encoder3', head.joint_encoder), ('head1.0', head.projections.rgb),
                         ('head2.0', head.projections.depth), ('head3.0', head.projections.joints),
                         ('encoder1_linear', head.mappers.rgb), ('encoder2_linear', head.mappers.depth)):
        wanted |= {f'module.{name}.{key}': value for key, value in module.state_dict().items()}
    assert written['model'].keys() == wanted.keys()
    assert all(torch.equal(value, wanted[key]) for key, value in written['model'].items())
    assert written['model']['module.encoder1_linear.weight'].shape == (128, 60, 1, 1)
    assert written['model']['module.encoder3.gconv_input.0.gconv.e'].shape == (1, 46)
    assert len(written['contrast']) == 3
    for i, bank in enumerate(head.banks.table, start=1):
        assert torch.equal(written['contrast'][f'memory_{i}'], bank) and bank.shape == (5, 128)
    out = tmp_path / 'out.pth'
    for spec, encoder in ((f'hcmoco:{out}', model.backbone), (str(out), model.backbone),
                          (f'hcmoco:{out}@modality=rgb', model.backbone),
                          (f'hcmoco:{out}@modality=depth', head.depth_encoder)):
        again, report = loaded(spec)
        assert same(again, encoder.state_dict()) and report.family == 'hcmoco' and not report.missing
    again = scattered(run_of('ntu_rgbd'))
    report = weights.load_into(again, f'hcmoco:{out}', parts=('backbone', 'heads.ntu_rgbd'))
    assert not report.missing and torch.equal(again.heads.ntu_rgbd.banks.table, head.banks.table)
    assert same(again.heads.ntu_rgbd.joint_encoder, head.joint_encoder.state_dict())
    assert same(again.heads.ntu_rgbd.mappers, head.mappers.state_dict())
    assert same(again.backbone, model.backbone.state_dict())


def test_a_run_of_ours_gives_either_encoder(run):
    model, path = run
    depth = model.heads.ntu_rgbd.depth_encoder
    for spec, encoder in ((f'hcmoco:{path}', model.backbone), (f'path:{path}', model.backbone),
                          (str(path), model.backbone), (f'hcmoco:{path}@modality=depth', depth),
                          (f'{path}@modality=depth', depth)):
        again, report = loaded(spec)
        assert same(again, encoder.state_dict()) and not report.missing
    assert not same(again, model.backbone.state_dict())  # the control: the two differ


def test_a_file_made_for_finetuning_is_one_encoder(run, tmp_path):
    model, _ = run
    torch.save(dict(model.heads.ntu_rgbd.depth_encoder.state_dict()), tmp_path / 'depth.pth',
               _use_new_zipfile_serialization=False)
    for spec in ('hcmoco:{}@modality=depth', 'hcmoco:{}', 'hrnet:{}', '{}'):
        again, _ = loaded(spec.format(tmp_path / 'depth.pth'))
        assert same(again, model.heads.ntu_rgbd.depth_encoder.state_dict())


def test_depth_begins_with_the_weights_of_colours_where_a_file_has_no_encoder_of_it(run, tmp_path):
    reference, state = published('plain')
    torch.save(state, tmp_path / 'a.pth')
    again = scattered(run_of('ntu_rgbd'))
    report = weights.load_into(again, f"hrnet:{tmp_path / 'a.pth'}")
    for network in (again.backbone, again.heads.ntu_rgbd.depth_encoder):
        assert same(network, reference.state_dict())
    assert not report.missing
    points = scattered(run_of('ntu_rgbd', depth=POINTS))
    before = {key: value.clone() for key, value in points.heads.ntu_rgbd.depth_encoder.state_dict().items()}
    weights.load_into(points, f"hrnet:{tmp_path / 'a.pth'}")
    assert same(points.heads.ntu_rgbd.depth_encoder, before)  # of another kind
    model, path = run
    own = {key: value.clone() for key, value in again.heads.ntu_rgbd.depth_encoder.state_dict().items()}
    weights.load_into(again, f'hcmoco:{path}')
    assert same(again.backbone, model.backbone.state_dict())
    assert same(again.heads.ntu_rgbd.depth_encoder, own)  # this file has one, which is asked for by parts


def test_an_encoder_of_points_is_for_an_encoder_of_points(tmp_path):
    model = run_of('ntu_rgbd', depth=POINTS)
    run = weights.export(model, tmp_path / 'run.pth')
    out, encoder = weights.export_hcmoco(run, tmp_path / 'out.pth'), model.heads.ntu_rgbd.depth_encoder
    assert 'module.encoder2.SA_modules.0.mlps.0.layer0.conv.weight' in torch.load(out, weights_only=True)['model']
    for path in (run, out):
        again = MODELS.build(POINTS)
        weights.load_into(again, f'hcmoco:{path}@modality=depth')
        assert same(again, encoder.state_dict()) and same(loaded(f'hcmoco:{path}')[0], model.backbone.state_dict())
        with pytest.raises(CheckpointError, match='sees points.*PointNet2MSG'):
            weights.network_of(f'hcmoco:{path}@modality=depth')


def test_results_tell_the_encoders_of_a_file_apart(run):
    _, path = run
    assert weights.sha256(f'hcmoco:{path}') == weights.sha256(str(path)) == weights.sha256(f'{path}@modality=rgb')
    assert weights.sha256(f'hcmoco:{path}@modality=depth') != weights.sha256(str(path))
    _, report = loaded(f'hcmoco:{path}@modality=depth')
    assert report.sha256 == weights.sha256(f'hcmoco:{path}@modality=depth')


def test_converted_files_keep_what_they_are(run, tmp_path):
    model, path = run
    report = weights.convert_file(f'hcmoco:{path}@modality=depth', tmp_path / 'depth.pth')
    assert not [key for key in report.matched if 'depth_encoder' in key]
    again, _ = loaded(f"path:{tmp_path / 'depth.pth'}")
    assert same(again, model.heads.ntu_rgbd.depth_encoder.state_dict())


# -------------------------------------------------------------------------------------------------------------- strings
@pytest.mark.parametrize('text, scheme, modality', [
    ('hcmoco:a.pth@modality=depth', 'hcmoco', 'depth'), ('hcmoco:a.pth', 'hcmoco', None),
    ('hrnet:a.pth', 'hrnet', None), ('a@modality.pth', 'file', None)])
def test_the_string_says_the_modality(text, scheme, modality):
    spec = weights.parse(text)
    assert (spec.scheme, spec.modality, str(spec)) == (scheme, modality, text) and 'modality=' not in spec.name


@pytest.mark.parametrize('text', ['hcmoco:a.pth@modality=joints', 'a.pth@modality=', 'hrnet:a.pth@modality=rgb',
                                  'hcmoco:a.pth@modality=RGB'])
def test_a_modality_that_is_none_is_refused(text):
    with pytest.raises(UserError, match='rgb or depth'):
        weights.parse(text)


# ------------------------------------------------------------------------------------------------------ what is refused
def without(part: str):
    """A change that leaves out what has this in its name."""
    return lambda state: {key: value for key, value in state.items() if part not in key}


@pytest.mark.parametrize('change, message', [
    *((without(part), 'lacks .* inner parameters')
      for part in ('stage3.1', 'transition3', 'running_mean', 'stage4.1.fuse_layers.3', 'bn1.weight')),
    (lambda state: state | {'layer1.0.conv1.weight': torch.zeros(4, 64, 1, 1)}, '4x64x1x1 in the file'),
    (lambda state: {f'net.{key}': value for key, value in state.items()}, "Nothing in .* the model's backbone"),
])
def test_a_damaged_file_is_refused_and_changes_nothing(tmp_path, change, message):
    torch.save(change(published('plain')[1]), tmp_path / 'a.pth')
    other = HumanHRNet(**SMALL)
    before = {key: value.clone() for key, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        weights.load_into(other, f"hrnet:{tmp_path / 'a.pth'}")
    assert same(other, before)


def test_a_truncated_file_is_refused(run, tmp_path):
    data = run[1].read_bytes()
    (tmp_path / 'cut.pth').write_bytes(data[:len(data) // 2])
    with pytest.raises(CheckpointError, match='cut.pth'):
        weights.network_of(f"hcmoco:{tmp_path / 'cut.pth'}@modality=depth")


@pytest.mark.parametrize('change, message', [
    (dict(), 'no HRNet of four stages'), (dict(width=4), 'no HRNet of four stages'),
    (dict(coarsest=30), '4 to 30 channels')])
def test_files_of_other_networks_say_so(tmp_path, change, message):
    state = {'patch_embed.proj.weight': torch.zeros(1)}
    if change:
        state = published('plain')[1]
        state.pop('layer1.0.conv3.weight') if 'width' in change else state.update(
            {'stage4.0.branches.3.0.conv1.weight': torch.zeros(30, 32, 3, 3)})
    torch.save(state, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=message):
        weights.network_of(f"hrnet:{tmp_path / 'a.pth'}")


def test_networks_of_other_kinds_do_not_take_it(run, tmp_path, make_vit):
    torch.save(published('segmentor')[1], tmp_path / 'a.pth')
    for spec, title in ((f"hrnet:{tmp_path / 'a.pth'}", 'an HRNet'), (f'hcmoco:{run[1]}@modality=depth', 'HumanBench')):
        with pytest.raises(CheckpointError, match=title):
            weights.load_into(make_vit(), spec)
    vit = weights.export(make_vit(), tmp_path / 'vit.pth')
    with pytest.raises(CheckpointError, match='of a HumanViT, not of an HRNet'):
        weights.network_of(f'hrnet:{vit}')
    with pytest.raises(CheckpointError, match='no encoder of depth'):
        weights.load_into(HumanHRNet(**SMALL), f'hcmoco:{vit}@modality=depth')


def test_encoders_that_are_not_there(run, tmp_path):
    model, path = run
    official = weights.export_hcmoco(path, tmp_path / 'out.pth')
    content = torch.load(official, weights_only=True)
    content['model'] = {key: value for key, value in content['model'].items() if 'encoder2.' not in key}
    torch.save(content, official)
    with pytest.raises(CheckpointError, match='out.pth.*no encoder of depth; it has rgb'):
        weights.load_into(HumanHRNet(**SMALL), f'hcmoco:{official}@modality=depth')
    assert same(loaded(f'hcmoco:{official}')[0], model.backbone.state_dict())


def test_what_has_no_place_in_the_layout_is_refused(tmp_path, make_vit):
    with pytest.raises(CheckpointError, match='No head has an encoder of depth'):
        weights.export_hcmoco(weights.export(make_vit(), tmp_path / 'vit.pth'), tmp_path / 'out.pth')
    two = run_of('ntu_rgbd', 'other')
    path = weights.export(two, tmp_path / 'two.pth')
    with pytest.raises(CheckpointError, match='ntu_rgbd, other.*--source'):
        weights.export_hcmoco(path, tmp_path / 'out.pth')
    with pytest.raises(CheckpointError, match='ntu_rgbd, other.*--source'):
        weights.load_into(HumanHRNet(**SMALL), f'hcmoco:{path}@modality=depth')
    with pytest.raises(UserError, match="source with an encoder of depth 'ntu'"):
        hcmoco.official_state(two.state_dict(), 'ntu')
    assert not (tmp_path / 'out.pth').exists()
    out = weights.export_hcmoco(path, tmp_path / 'one', 'other')
    assert same(loaded(f'hcmoco:{out}@modality=depth')[0], two.heads.other.depth_encoder.state_dict())
    two.backbone = make_vit()
    with pytest.raises(CheckpointError, match='that of an HRNet'):
        hcmoco.official_state(two.state_dict(), 'other')


# -------------------------------------------------------------------------------------------------- networks in recipes
POSE, PARSING = 'benchmark/pose/mpii.py', 'benchmark/parsing/h36m_parsing.py'


def test_the_weights_choose_network_and_merged_map(run):
    for spec in (f'hcmoco:{run[1]}', f'hcmoco:{run[1]}@modality=depth'):
        for flavor in (None, 'debug'):
            pose, parsing = (load_config(x, flavor, 'full', start_from=spec).model.backbone for x in (POSE, PARSING))
            assert (pose.merged, parsing.merged) == (16, 4) and pose.type is HumanHRNet and pose.width == 4


def test_what_hcmocos_recipes_say():
    config = load_config(PARSING, None, 'full', backbone='hrnet_w32', start_from='scratch')
    assert config.model.backbone.width == 32 and config.model.backbone.merged == 4 and config.model.drop_path == 0.0
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.momentum, optimizer.weight_decay) == ('SGD', 0.9, 5e-4)
    assert optimizer.lr == pytest.approx(0.007 * 16 / 40) and config.optim_wrapper.clip_norm is None


def test_a_recipe_for_the_network_keeps_what_it_says_of_its_task(run):
    own = dict(type=HumanHRNet, width=18, merged=4, momentum=0.01)
    network = other_than(of_file('hrnet_w32'), own).network
    assert network['width'] == 32 and network['merged'] == 4 and network['momentum'] == 0.01
    assert other_than(of_file('hrnet_w18'), own) is None
    assert same_network(own, dict(type='HumanHRNet', modules=[1, 4, 3])) and not same_network(own, dict(own, blocks=3))
    assert choose(None, f'hcmoco:{run[1]}').name == 'HRNet-W4-1-2-2'
