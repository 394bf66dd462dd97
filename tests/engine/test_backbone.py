"""Which network a run is of: said by the weights or by name; what its size changes in a recipe; what a row records."""
import json

import pytest
import torch
from timm.models import VisionTransformer

from humanbench import catalog, weights
from humanbench.benchmark.commands import plan_text
from humanbench.benchmark.plan import GPU_HOURS, Weights, plan
from humanbench.benchmark.results import Record, check_comparable
from humanbench.engine.backbone import choose, name_of, of_file, other_than, same_network
from humanbench.engine.launch import complete, load_config
from humanbench.errors import UserError
from humanbench.models import HumanViT, TimmSwin, TimmViT
from humanbench.registry import MODELS
from humanbench.resources import folder
from humanbench.schema import mistakes_in

SHIPPED = sorted(path.stem for path in (folder('configs') / '_base_' / 'models').glob('*.py'))
MPII = 'benchmark/pose/mpii.py'


def network(path=MPII, protocol='full', flavor=None, **asked) -> dict:
    return load_config(path, flavor, protocol, **asked).model.backbone


@pytest.mark.parametrize('name', SHIPPED)
def test_every_shipped_network_is_named_checked_and_built(name):
    shipped = of_file(name)
    assert shipped.name == name == name_of(shipped.network)
    for flavor in (None, 'debug'):
        config = load_config(MPII, flavor, 'full', backbone=name, start_from='scratch')
        assert name_of(config.model.backbone) == name and mistakes_in(config) == []
        assert complete(config).model.backbone == config.model.backbone
    with torch.device('meta'):
        built = MODELS.build(dict(shipped.network))
    assert {built.layer_id(key) for key, _ in built.named_parameters()} == set(range(built.depth + 2))


def test_swin_b_has_the_published_size():
    with torch.device('meta'):
        built = MODELS.build(dict(of_file('swin_b').network))
    assert sum(p.numel() for p in built.parameters()) == 86_743_224  # without its classifier
    assert built.out_channels == 1024


def test_the_weights_say_the_network():
    assert network(start_from='scratch').type is HumanViT
    dino = network(start_from='timm:vit_base_patch14_dinov2')
    assert dino == dict(type=TimmViT, name='vit_base_patch14_dinov2')
    assert network(start_from='timm:swin_small_patch4_window7_224').type is TimmSwin
    assert network('path/path_vit-b_37sets.py', None, start_from='timm:vit_base_patch16_224').type is HumanViT


def test_a_file_of_the_recipes_own_network_leaves_the_recipe_as_it_is(tmp_path):
    file = weights.export(MODELS.build(dict(of_file('vit_debug').network)), tmp_path / 'a.pth')
    asked = dict(start_from=f'path:{file}')
    assert load_config(MPII, 'debug', 'full', **asked).to_dict() == load_config(MPII, 'debug', 'full').to_dict()
    assert network(flavor=None, **asked).embed_dim == 96  # at real size it is another network than the recipe's


def test_a_named_network_wins_over_the_weights():
    found = network(backbone='timm:vit_small_patch16_224', start_from='timm:vit_base_patch16_224')
    assert found.name == 'vit_small_patch16_224'
    assert network('path/path_vit-b_37sets.py', None, backbone='swin_b').name == 'swin_base_patch4_window7_224'


def test_a_config_file_of_yours(tmp_path):
    file = tmp_path / 'mine.py'
    file.write_text('from humanbench.models import HumanModel, TimmViT\n'
                    "model = dict(type=HumanModel, backbone=dict(type=TimmViT, name='vit_tiny_patch16_224'))\n"
                    'finetuning = dict(pose=dict(optim_wrapper=dict(optimizer=dict(lr=7.0))))\n')
    config = load_config(MPII, None, 'full', backbone=str(file))
    assert config.model.backbone.name == 'vit_tiny_patch16_224' and config.optim_wrapper.optimizer.lr == 7.0
    file.write_text('model = dict()\n')
    with pytest.raises(UserError, match='says no backbone'):
        load_config(MPII, None, 'full', backbone=str(file))


@pytest.mark.parametrize('backbone, message', [
    ('vit_bb', "Did you mean 'vit_b'.*swin_b"),
    ('timm:vit_base_patch16_242', 'Did you mean'),
    ('timm:resnet50', 'cannot be measured'),
    ('nowhere.py', 'timm:NAME, or a config file'),
])
def test_networks_that_do_not_exist(backbone, message):
    with pytest.raises(UserError, match=message):
        network(backbone=backbone)


@pytest.mark.parametrize('path, protocol, large, swin', [
    (MPII, 'full', (0.5, 5e-4, 1.0, 0.8), (0.0, 2e-4, 1.0, 1.0)),
    (MPII, 'partial', (0.1, 5e-4, 1.0, 0.8), (0.1, 2e-4, 1.0, 1.0)),
    (MPII, 'head', (0.5, 1e-3, 1.0, 0.8), (0.0, 1e-3, 1.0, 1.0)),
    ('benchmark/attribute/pa100k.py', 'full', (0.4, 5e-3, None, 0.8), (0.2, 1e-2, None, 1.0)),
    ('benchmark/attribute/rapv2.py', 'full', (0.2, 5e-3, None, 0.8), (0.2, 1e-2, None, 1.0)),
    ('benchmark/attribute/peta.py', 'full', (0.2, 1e-3, None, 0.8), (0.2, 1e-3, None, 1.0)),
    ('benchmark/detection/caltech.py', 'full', (0.2, 5e-4, None, 0.8), (0.2, 5e-4, None, 1.0)),
])
def test_size_changes_drop_path_rate_clipping_and_layer_decay(path, protocol, large, swin):
    for name, values in {'vit_l': large, 'timm:vit_large_patch14_dinov2': large, 'swin_b': swin,
                         'timm:swinv2_tiny_window8_256': swin}.items():
        config = load_config(path, None, protocol, backbone=name)
        wrapper = config.optim_wrapper
        assert (config.model.drop_path, wrapper.optimizer.lr, wrapper.get('clip_norm'),
                wrapper.paramwise_cfg.layer_decay) == values
        assert wrapper.paramwise_cfg.layer_decay_rule == 'path'
    caltech = load_config('benchmark/detection/caltech.py', None, 'full', backbone='vit_l').optim_wrapper
    assert caltech.optimizer.clip_threshold == 0.5 and caltech.paramwise_cfg.backbone_multiplier == 0.1


def test_a_smaller_vit_keeps_the_recipe():
    mine = load_config(MPII, None, 'full', start_from='timm:vit_small_patch16_224')
    own = load_config(MPII, None, 'full')
    assert mine.optim_wrapper == own.optim_wrapper and mine.model.drop_path == own.model.drop_path


def test_one_network_under_two_descriptions():
    own = of_file('vit_b').network
    other = dict(type='humanbench.models.HumanViT', img_size=[384, 384], depth=12, class_token_tasks=None)
    assert same_network(own, other) and other_than(choose('vit_b', 'scratch'), other) is None
    assert not same_network(own, dict(other, num_heads=6)) and not same_network(own, of_file('swin_b').network)


def test_a_name_for_a_network_that_has_none(tmp_path):
    torch.save(VisionTransformer(img_size=32, embed_dim=64, depth=2, num_heads=1, reg_tokens=2).state_dict(),
               tmp_path / 'a.pth')
    assert choose(None, str(tmp_path / 'a.pth')).name == 'ViT-64x2/16-registers'


# ------------------------------------------------------------------------------------------------------ leaderboard
def test_another_network_is_another_row_and_another_recipe(tmp_path):
    asked = [('scratch', None), ('scratch', 'swin_debug'), ('mine=scratch', 'vit_debug')]
    rows = [Weights.parse(*x) for x in asked]
    planned = plan(['lip'], ['full'], rows, [0], 'debug')
    assert [x.cell.weights.name for x in planned] == ['scratch', 'scratch (swin_debug)', 'mine']
    assert [x.backbone for x in planned] == ['vit_debug', 'swin_debug', 'vit_debug']
    own, swin, same = (x.key['config_hash'] for x in planned)
    assert own == same != swin
    assert json.loads(json.dumps([x.to_json() for x in planned]))[1]['backbone'] == 'swin_debug'
    assert 'scratch (swin_debug) is measured in the network swin_debug' in plan_text(planned, tmp_path)


def test_a_plan_names_the_network_of_timms_weights():
    one, = plan(['lip'], ['full'], [Weights.parse('timm:vit_large_patch14_dinov2')], [0])
    assert one.backbone == 'timm:vit_large_patch14_dinov2'
    base, = plan(['lip'], ['full'], [Weights.parse('timm:vit_base_patch14_dinov2')], [0])
    assert one.key['config_hash'] != base.key['config_hash']


def test_a_larger_network_costs_more(tmp_path, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    (tmp_path / catalog.card('lip').layout.root).mkdir(parents=True)
    rows = [Weights.parse('scratch', name) for name in ('vit_b', 'vit_l', 'swin_b', 'timm:vit_small_patch16_224')]
    base, large, swin, small = (x.seconds for x in plan(['lip'], ['full'], rows, [0]))
    assert base == 3600 * GPU_HOURS['lip']
    assert 3.4 < large / base < 3.7 and 0.2 < small / base < 0.3 and 1.2 < swin / base < 1.5  # computed operations


def test_rows_of_two_networks_do_not_compare(tmp_path):
    from tests.benchmark import fakes
    rows = [fakes.write_record(tmp_path, plan([dataset], ['full'], [Weights('row', 'scratch', backbone=backbone)], [0],
                                              'debug')[0].cell, 0.5)
            for dataset, backbone in (('lip', ''), ('cihp', 'swin_debug'))]
    records = [Record.read(path) for path in rows]
    assert [x.values['backbone'] for x in records] == ['vit_debug', 'swin_debug']
    check_comparable(records[:1])
    with pytest.raises(UserError, match=r'their backbone differs \(swin_debug and vit_debug\)'):
        check_comparable(records)


PRW = 'downstream/person_search/prw.py'


@pytest.mark.parametrize('options, expected', [
    ({}, 0.6), ({'model.backbone.semantic': 0.2}, 0.2), ({'model.backbone.semantic': None}, None),
    ({'model.backbone.semantic': 0.2, 'sources.prw.head.stage.semantic': 0.9}, 0.9)])
def test_stages_of_a_head_are_turned_as_the_network_is(options, expected):
    assert load_config(PRW, options=options).sources.prw.head.stage.semantic == expected
