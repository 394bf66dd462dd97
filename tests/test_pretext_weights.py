"""What a self-supervised run leaves goes wherever weights go: it has a backbone, and no head that answers anything."""
import pytest
import torch

from humanbench import weights
from humanbench.apis import HumanInferencer
from humanbench.benchmark.plan import Weights, plan
from humanbench.engine.finetune import run_cell
from humanbench.engine.launch import build_runner, load_config
from humanbench.errors import UserError
from humanbench.models import HumanViT
from humanbench.weights.files import read_file
from humanbench.weights.source import describe

RECIPE = 'hap/hap_debug.py'
SMALL = {'train_cfg.max_steps': 1, 'sources.luperson.batch_size': 4, 'sources.luperson.slots': 1,
         'sources.luperson.dataset.root': 'minihuman:tiny'}


def hap_config(folder, **options):
    config = load_config(RECIPE, options=SMALL | options)
    config.work_dir = str(folder)
    return config


@pytest.fixture(scope='module')
def trained(tmp_path_factory, edition) -> tuple[str, torch.nn.Module]:
    """The file that a HAP run of one step leaves, and its model."""
    folder = tmp_path_factory.mktemp('hap')
    runner = build_runner(hap_config(folder))
    runner.train()
    return str(folder / 'iter_1.pth'), runner.model


@pytest.fixture(scope='module')
def published(trained, tmp_path_factory) -> str:
    """The same in the layout of HAP's authors."""
    return str(weights.export_hap(trained[0], tmp_path_factory.mktemp('published') / 'hap.pth'))


@pytest.mark.parametrize('form', ['{own}', 'hap:{published}', '{published}'])
def test_the_network_is_known(trained, published, form):
    spec = form.format(own=trained[0], published=published)
    network = weights.network_of(spec)
    assert network['type'] is HumanViT and (network['embed_dim'], network['depth']) == (96, 4)
    assert network['num_heads'] == 3 and list(network['img_size']) == [128, 64]
    cell, = plan(['pa100k'], ['partial'], [Weights.parse(f'hap={spec}')], [0], 'debug')
    assert cell.status == 'run'


def test_it_says_what_it_is(trained, published):
    assert 'with backbone, heads' in describe(read_file(trained[0])) and read_file(trained[0]).metadata['heads'] == {
        'luperson': 'HAPPretext'}
    assert 'hap:FILE' in describe(read_file(published))


@pytest.mark.parametrize('form, config, protocol, metric', [
    ('{own}', 'benchmark/attribute/pa100k.py', 'partial', 'mA'),
    ('hap:{published}', 'downstream/reid/market1501_hap_lem.py', 'full', 'mAP')])
def test_cells_start_from_it(trained, published, form, config, protocol, metric, tmp_path, edition):
    spec = form.format(own=trained[0], published=published)
    dataset, = load_config(config).sources
    options = {'train_cfg.max_steps': 1, f'sources.{dataset}.dataset.root': 'minihuman:tiny',
               f'evaluations.{dataset}.dataset.root': 'minihuman:tiny', 'optim_wrapper.optimizer.lr': 0.0,
               'optim_wrapper.optimizer.weight_decay': 0.0}
    result = run_cell(config, protocol, spec, 0, 'debug', str(tmp_path), options)
    assert metric in result['metrics'] and result['weights_hash'] == weights.sha256(spec)
    left, wanted = read_file(tmp_path / 'iter_1.pth').state, trained[1].backbone.state_dict()
    for name in ('blocks.0.attn.qkv.weight', 'patch_embed.proj.weight', 'norm.bias'):
        assert torch.equal(left[f'backbone.{name}'], wanted[name]), name  # nothing moved it, and it came from there


def test_encoder_and_decoder_go_back_into_a_pretext(trained, published, tmp_path, edition):
    config = hap_config(tmp_path, weights=f'hap:{published}', weights_parts=['backbone', 'heads.luperson'], seed=5)
    model = build_runner(config).model
    other = build_runner(hap_config(tmp_path / 'other', seed=5)).model
    for name, value in trained[1].state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name
    assert not torch.equal(other.state_dict()['heads.luperson.mask_token'], model.heads.luperson.mask_token)


def test_it_answers_no_question(trained):
    with pytest.raises(UserError, match='no head'):
        HumanInferencer(trained[0], tasks=['pose'])
