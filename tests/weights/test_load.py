"""Naming, reporting, refusing and exporting weights."""
from collections import OrderedDict

import pytest
import torch
from mmengine.logging.history_buffer import HistoryBuffer
from torch import nn

from humanbench import weights
from humanbench.errors import CheckpointError, UserError
from humanbench.registry import MODELS

from .conftest import DEPTH, WIDTH


class ToyModel(nn.Module):
    """The parts of a HumanModel, as small as they can be."""

    def __init__(self, backbone, tasks=('pose', 'reid'), sources=('coco', 'market')):
        super().__init__()
        self.backbone = backbone
        self.projectors = nn.ModuleDict({task: nn.Linear(WIDTH, WIDTH) for task in tasks})
        self.heads = nn.ModuleDict(
            {source: nn.Sequential(nn.Linear(WIDTH, 4), nn.BatchNorm1d(4)) for source in sources}
        )


@pytest.fixture
def toy(make_vit):
    def make(backbone=None, **parts):
        return ToyModel(backbone or make_vit(), **parts)
    return make


@pytest.fixture
def saved(make_timm, tmp_path):
    """A file of a timm ViT."""
    path = tmp_path / 'vit.pth'
    torch.save({'model': make_timm().state_dict()}, path)
    return path


def snapshot(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def unchanged(model, before):
    return all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(
    ('text', 'scheme', 'name'),
    [
        ('scratch', 'scratch', ''),
        ('timm:vit_base_patch16_224.mae', 'timm', 'vit_base_patch16_224.mae'),
        ('mae:/data/a b.pth', 'mae', '/data/a b.pth'),
        ('path:x:y.pth', 'path', 'x:y.pth'),
        ('work/last.pth', 'file', 'work/last.pth'),
    ],
)
def test_parse(text, scheme, name):
    spec = weights.parse(text)
    assert (spec.scheme, spec.name, str(spec)) == (scheme, name, text)


def test_unknown_scheme_offers_the_nearest():
    with pytest.raises(UserError, match="Unknown weights scheme 'tim'. Did you mean 'timm'?"):
        weights.parse('tim:vit_base_patch16_224')


@pytest.mark.parametrize('text', ['', 'mae:', 'timm:'])
def test_nothing_named(text):
    with pytest.raises(CheckpointError):
        weights.parse(text)


def test_scratch_changes_nothing(toy):
    model = toy()
    before = snapshot(model)
    report = weights.load_into(model, 'scratch')
    assert unchanged(model, before) and not report.matched
    assert report.missing == [f'backbone.{key}' for key in model.backbone.state_dict()]


def test_report_is_a_short_table(toy, saved):
    model = toy()
    text = str(weights.load_into(model, f'mae:{saved}'))
    assert f'matched {len(model.backbone.state_dict()):5d}' in text and weights.sha256(str(saved))[:12] in text
    assert 'missing' not in text and len(text.splitlines()) < 8


def test_sha256_is_that_of_the_file(saved):
    import hashlib
    assert weights.sha256(f'mae:{saved}') == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert weights.sha256('scratch') == hashlib.sha256(b'').hexdigest()


def test_a_model_without_class_token_ignores_the_files(make_vit, saved):
    report = weights.load_into(make_vit(class_token_tasks=()), str(saved))
    assert sorted(report.ignored) == ['cls_pos_embed', 'cls_token'] and not report.missing


def test_a_file_without_class_token_leaves_the_models(make_vit, make_timm, tmp_path):
    torch.save(make_timm(class_token=False).state_dict(), tmp_path / 'a.pth')
    report = weights.load_into(make_vit(), str(tmp_path / 'a.pth'))
    assert sorted(report.missing) == ['cls_pos_embed', 'cls_token']


@pytest.mark.parametrize(('changes', 'words'), [
    ({'embed_dim': 64}, (f'width {WIDTH}', 'width 64')), ({'depth': 5}, (f'depth {DEPTH}', 'depth 5'))])
def test_other_size_says_both(make_vit, saved, changes, words):
    model = make_vit(**changes)
    before = snapshot(model)
    with pytest.raises(CheckpointError) as error:
        weights.load_into(model, f'mae:{saved}')
    assert all(word in str(error.value) for word in words) and unchanged(model, before)


def test_other_mlp_says_which_parameter(make_vit, saved):
    with pytest.raises(CheckpointError, match=r'blocks.0.mlp.fc1.weight is 128x32 in the file and 64x32 in the model'):
        weights.load_into(make_vit(mlp_ratio=2), str(saved))


def test_missing_inner_layers_are_refused(make_vit, make_timm, tmp_path):
    state = {key: value for key, value in make_timm().state_dict().items() if 'mlp' not in key}
    torch.save(state, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='lacks 12 of the backbone'):
        weights.load_into(make_vit(), f"mae:{tmp_path / 'a.pth'}")


def test_other_number_of_heads_is_refused(make_vit, tmp_path):
    path = weights.export(make_vit(), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='2 attention heads; the model has 4'):
        weights.load_into(make_vit(num_heads=4), str(path))


@pytest.mark.parametrize(('state', 'seems'), [
    ({'layer1.0.conv1.weight': torch.zeros(1)}, 'a ResNet'),
    ({'layers.0.blocks.0.attn.relative_position_bias_table': torch.zeros(1)}, 'a Swin transformer'),
    ({'a.b': torch.zeros(1)}, 'something else')])
@pytest.mark.parametrize('scheme', ['', 'mae:', 'path:'])
def test_a_file_of_another_network(make_vit, tmp_path, state, seems, scheme):
    torch.save(state, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=f'seems to be {seems}'):
        weights.load_into(make_vit(), f"{scheme}{tmp_path / 'a.pth'}")


def test_wrong_family_names_the_right_one(make_vit, make_timm, tmp_path):
    state = {f'backbone.{key}': value for key, value in make_timm().state_dict().items()}
    torch.save(state, tmp_path / 'a.pth')
    with pytest.raises(
        CheckpointError, match=r'Nothing in .* seems to be .*path:FILE.* of width 32 and depth 3 with backbone'
    ):
        weights.load_into(make_vit(), f"mae:{tmp_path / 'a.pth'}")


def test_truncated_file(make_vit, saved):
    content = saved.read_bytes()
    saved.write_bytes(content[:len(content) // 2])
    with pytest.raises(CheckpointError, match='truncated or damaged'):
        weights.load_into(make_vit(), str(saved))


def test_truncated_old_format(make_vit, make_timm, tmp_path):
    path = tmp_path / 'old.pth'
    torch.save(make_timm().state_dict(), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match='truncated or damaged'):
        weights.load_into(make_vit(), str(path))


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'<!DOCTYPE html><html>404</html>', 'a web page'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'Git LFS pointer'),
        (b'hello, I am no checkpoint at all', 'not a PyTorch weight file'),
        (b'', 'is empty'),
    ],
)
def test_not_a_checkpoint(make_vit, tmp_path, content, words):
    path = tmp_path / 'a.pth'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        weights.load_into(make_vit(), str(path))


@pytest.mark.parametrize(('content', 'words'), [([1, 2], 'holds a list'), ({'epoch': 3}, 'holds no weights')])
def test_a_file_without_tensors(make_vit, tmp_path, content, words):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=words):
        weights.load_into(make_vit(), str(tmp_path / 'a.pth'))


def test_missing_file_folder_and_timm_name(make_vit, tmp_path):
    with pytest.raises(CheckpointError, match='no weight file'):
        weights.load_into(make_vit(), f'path:{tmp_path}/no.pth')
    with pytest.raises(CheckpointError, match='is a folder'):
        weights.load_into(make_vit(), str(tmp_path))
    with pytest.raises(CheckpointError, match='timm:vit_base_patch16_224'):
        weights.load_into(make_vit(), 'vit_base_patch16_224')


class Unwelcome:
    """Any class of a foreign project; with weights_only=False its reduce would run."""
    ran = False

    def __reduce__(self):
        return (_mark, ())


def _mark():
    Unwelcome.ran = True
    return 1


def test_a_file_that_needs_more_is_refused_and_not_run(make_vit, make_timm, tmp_path):
    path = tmp_path / 'a.pth'
    torch.save({'state_dict': make_timm().state_dict(), 'extra': Unwelcome()}, path)
    with pytest.raises(CheckpointError, match=r"asks for '[\w.]+_mark'.*weights_only=False"):
        weights.load_into(make_vit(), str(path))
    assert not Unwelcome.ran


def test_torchscript_is_refused(make_vit, tmp_path):
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / 'a.pt')
    with pytest.raises(CheckpointError, match='TorchScript'):
        weights.load_into(make_vit(), f"clip:{tmp_path / 'a.pt'}")


def test_timm_offline_and_unknown(make_vit, monkeypatch):
    def offline(name, **_):
        raise OSError('no route to host')
    monkeypatch.setattr('timm.create_model', offline)
    with pytest.raises(CheckpointError, match='neither in the local cache.*FILE --backbone timm:vit'):
        weights.load_into(make_vit(), 'timm:vit_base_patch16_224')
    with pytest.raises(CheckpointError, match="Did you mean 'vit_base_patch16_224'"):
        weights.load_into(make_vit(), 'timm:vit_bse_patch16_224')


def test_checkpoints_of_our_runner(toy, tmp_path):
    model, other = toy(), toy()
    torch.save({'meta': {'iter': 3}, 'state_dict': model.state_dict(), 'optimizer': {'state': {}},
                'message_hub': {'log_scalars': {}}}, tmp_path / 'iter_3.pth')
    report = weights.load_into(other, str(tmp_path / 'iter_3.pth'), parts=('backbone', 'projectors', 'heads'))
    assert unchanged(other, snapshot(model)) and not report.missing and not report.ignored


def test_a_message_hub_of_mmengine_needs_more_than_weights(toy, tmp_path):
    hub = {'log_scalars': OrderedDict(loss=HistoryBuffer([1.0, 2.0], [1, 1]))}
    torch.save({'state_dict': toy().state_dict(), 'message_hub': hub}, tmp_path / 'iter_3.pth')
    with pytest.raises(CheckpointError, match='needs more than tensors and plain values'):
        weights.load_into(toy(), str(tmp_path / 'iter_3.pth'))


def test_parts_of_a_checkpoint(toy, tmp_path):
    model = toy()
    path = weights.export(model, tmp_path / 'all.pth')
    one = toy(tasks=('pose',), sources=('coco',))
    before = snapshot(one)
    report = weights.load_into(one, f'path:{path}', parts=('backbone', 'projectors.pose'))
    assert torch.equal(one.projectors['pose'].weight, model.projectors['pose'].weight)
    assert torch.equal(one.heads['coco'][0].weight, before['heads.coco.0.weight'])
    assert 'heads.market.0.weight' in report.ignored and 'projectors.pose.weight' in report.matched


def test_nothing_for_a_wanted_part_is_refused(toy, saved, tmp_path):
    model = toy(sources=('lip',))
    before = snapshot(model)
    with pytest.raises(CheckpointError, match="Nothing in .* heads"):
        weights.load_into(model, f'mae:{saved}', parts=('backbone', 'heads'))
    assert unchanged(model, before)
    path = weights.export(toy(), tmp_path / 'all.pth')
    with pytest.raises(CheckpointError, match="heads.lip"):
        weights.load_into(model, f'path:{path}', parts=('heads.lip',))


def test_a_head_of_other_size_is_refused(toy, tmp_path):
    model = toy()
    path = weights.export(model, tmp_path / 'all.pth')
    model.heads['coco'][0] = nn.Linear(WIDTH, 5)
    with pytest.raises(CheckpointError, match='heads.coco.*0.weight is 4x32 in the file and 5x32'):
        weights.load_into(model, str(path), parts=('heads',))


@pytest.mark.parametrize(('part', 'words'), [('neck', 'Unknown part'), ('heads.cocoo', "Did you mean 'coco'")])
def test_unknown_part(toy, saved, part, words):
    with pytest.raises(UserError, match=words):
        weights.load_into(toy(), str(saved), parts=(part,))


def test_export_writes_one_file_and_its_modules(toy, tmp_path):
    model = toy()
    path = weights.export(model, tmp_path / 'out' / 'model', metadata={'recipe': 'path_debug', 'steps': 10})
    assert path == tmp_path / 'out' / 'model.pth'
    found = sorted(str(x.relative_to(path.parent)) for x in path.parent.rglob('*') if x.is_file())
    assert found == ['model.pth', 'model/backbone.pth', 'model/heads/coco.pth', 'model/heads/market.pth',
                     'model/projectors/pose.pth', 'model/projectors/reid.pth']
    content = torch.load(path, weights_only=True)
    assert (
        content['meta']['recipe'] == 'path_debug'
        and content['meta']['width'] == WIDTH
        and content['meta']['grid'] == [4, 4]
    )
    other = toy()
    for name, part in (('backbone', 'backbone'), ('heads/coco', 'heads.coco'), ('projectors/reid', 'projectors.reid')):
        weights.load_into(other, f'path:{path.with_suffix("") / name}.pth', parts=(part,))
    torch.testing.assert_close(other.heads['coco'].state_dict(), model.heads['coco'].state_dict(), atol=0, rtol=0)
    torch.testing.assert_close(other.backbone.state_dict(), model.backbone.state_dict(), atol=0, rtol=0)


def test_export_refuses_metadata_that_is_not_plain(toy, tmp_path):
    with pytest.raises(UserError, match=r'metadata.a\[1\] is a Tensor'):
        weights.export(toy(), tmp_path / 'a.pth', metadata={'a': [1, torch.zeros(1)]})
    assert not list(tmp_path.iterdir())


def test_export_leaves_no_half_file(toy, tmp_path, monkeypatch):
    path = weights.export(toy(), tmp_path / 'a.pth')
    before = path.read_bytes()

    def full_disk(content, file):
        file.write(b'half')
        raise OSError('no space left on device')
    monkeypatch.setattr(torch, 'save', full_disk)
    with pytest.raises(CheckpointError, match='a.pth.* cannot be written: no space'):
        weights.export(toy(), path)
    assert path.read_bytes() == before and not list(tmp_path.glob('.a*'))


def test_a_real_human_model_goes_out_and_comes_back(tmp_path):
    def build(seed):
        torch.manual_seed(seed)
        head = dict(type='ReIDHead', num_identities=5)
        return MODELS.build(dict(
            type='HumanModel', heads=dict(a=head, b=head), projectors=dict(reid=dict(type='LadderProjector')),
            backbone=dict(type='HumanViT', img_size=(32, 16), patch_size=8, embed_dim=32, depth=2, num_heads=2)))
    model, other = build(1), build(2)
    assert not unchanged(other, snapshot(model))
    path = weights.export(model, tmp_path / 'all.pth')
    report = weights.load_into(other, f'path:{path}', parts=('backbone', 'projectors', 'heads'))
    assert unchanged(other, snapshot(model)) and not report.missing and not report.ignored
    assert torch.load(path, weights_only=True)['meta']['heads'] == dict(a='ReIDHead', b='ReIDHead')
