"""Cells, what becomes of them, and what they will cost."""
import json

import pytest

from humanbench import catalog
from humanbench.benchmark.files import read_json, write_json
from humanbench.benchmark.metrics import metric_info
from humanbench.benchmark.plan import Cell, Weights, plan
from humanbench.benchmark.recipe import benchmark_datasets, recipe
from humanbench.errors import UserError

from . import fakes

SCRATCH = Weights('scratch', 'scratch')


def statuses(planned):
    return {(x.cell.dataset, x.cell.protocol, x.cell.weights.name): x.status for x in planned}


@pytest.mark.parametrize('text, name, spec', [
    ('scratch', 'scratch', 'scratch'),
    ('none=scratch', 'none', 'scratch'),
    ('timm:vit_base_patch16_224', 'timm:vit_base_patch16_224', 'timm:vit_base_patch16_224'),
    ('dino=timm:vit_base_patch14_dinov2.lvd142m', 'dino', 'timm:vit_base_patch14_dinov2.lvd142m'),
])
def test_weights_are_named_by_name_or_spec(text, name, spec):
    assert Weights.parse(text) == Weights(name, spec)


def test_a_file_name_with_an_equals_sign_is_a_file(tmp_path):
    file = tmp_path / 'lr=1.pth'
    file.write_bytes(b'weights')
    assert Weights.parse(str(file)).spec == str(file)
    assert Weights.parse(f'mine=path:{file}') == Weights('mine', f'path:{file}')


@pytest.mark.parametrize('text, message', [
    ('path=path:nowhere.pth', "no weight file 'nowhere.pth'"),
    ('pathh:file.pth', "Did you mean 'path'"),
    ('timm:vit_base_patch16_242', "Did you mean 'vit_base_patch16_2"),
    ('=scratch', 'names no weights'),
    ('a=', 'names no weights'),
])
def test_weights_that_do_not_exist_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        Weights.parse(text)


def test_a_row_of_one_pretraining_per_seed(tmp_path):
    for seed in (0, 1):
        fakes.write_weights(tmp_path / f'{seed}.pth', seed)
    row = Weights.parse(f'path=path:{tmp_path}/{{seed}}.pth')
    same = Weights.parse(f'same=path:{tmp_path}/0.pth')
    planned = plan(['lip', 'cihp'], ['head'], [row, same], [0, 1], 'debug')
    found = {(x.cell.weights.name, x.cell.seed): (x.cell.weights.spec, x.cell.weights.per_seed) for x in planned}
    assert found == {('path', seed): (f'path:{tmp_path}/{seed}.pth', True) for seed in (0, 1)} | {
        ('same', seed): (same.spec, False) for seed in (0, 1)}
    hashes = {(x.cell.weights.name, x.cell.seed): x.key['weights_hash'] for x in planned}
    assert hashes['path', 0] == hashes['same', 0] == hashes['same', 1] != hashes['path', 1]
    with pytest.raises(UserError, match='no weight file .*2.pth'):
        plan(['lip'], ['head'], [row], [2], 'debug')


def test_slugs_are_different_and_safe_for_files():
    cells = [
        Cell('lip', 'full', Weights(name, 'scratch'), seed, flavor)
        for name in ('a/b', 'a_b', 'a b', 'a:b', 'a.b', 'x' * 300, 'x' * 301) for seed in (0, 1)
        for flavor in (None, 'debug')
    ]
    slugs = {x.slug for x in cells}
    assert len(slugs) == len(cells)
    assert all(len(x) < 150 and not set(x) & set('/\\: ') for x in slugs)


def test_the_plan_is_the_product_and_puts_seeds_last():
    planned = plan(['lip', 'market1501'], ['full', 'head'], [SCRATCH, Weights('b', 'scratch')], [0, 1], 'debug')
    assert len(planned) == 16
    assert [x.cell.seed for x in planned] == [0] * 8 + [1] * 8


def test_tasks_stand_for_their_datasets():
    chosen = {x.cell.dataset for x in plan(['reid', 'lip'], ['full'], [SCRATCH], [0], 'debug')}
    assert chosen == {x for x in benchmark_datasets() if catalog.card(x).tasks[0] == 'reid'} | {'lip'}


def test_what_cannot_mean_anything_is_not_run():
    pretrained = Weights('path', 'path:file.pth')
    vars(pretrained).update(hash='h', network=None)
    found = statuses(
        plan(['market1501', 'lip', 'atr', 'shanghaitech_a'], ['head', 'direct'], [SCRATCH, pretrained], [0], 'debug'))
    assert found['market1501', 'head', 'path'] == 'not applicable'
    assert found['lip', 'head', 'path'] == 'run'
    assert found['lip', 'direct', 'scratch'] == 'not applicable'
    assert found['lip', 'direct', 'path'] == found['market1501', 'direct', 'path'] == 'run'
    assert found['atr', 'direct', 'path'] == found['shanghaitech_a', 'direct', 'path'] == 'not applicable'


def test_missing_data_is_named_and_minihuman_never_missing(tmp_path, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    missing, = plan(['lip'], ['full'], [SCRATCH], [0])
    assert missing.status == 'missing data' and str(tmp_path / catalog.card('lip').layout.root) in missing.reason
    (tmp_path / 'elsewhere').mkdir()
    places = {f'{kind}.lip.dataset.root': str(tmp_path / 'elsewhere') for kind in ('sources', 'evaluations')}
    there, = plan(['lip'], ['full'], [Weights('scratch', 'scratch')], [0], overrides=places)
    assert there.status == 'run'
    (tmp_path / catalog.card('lip').layout.root).mkdir(parents=True)
    assert plan(['lip'], ['full'], [SCRATCH], [0])[0].status == 'run'
    assert plan(['market1501'], ['full'], [SCRATCH], [0], 'debug')[0].status == 'run'


def test_only_a_record_of_the_same_recipe_and_weights_is_cached(tmp_path, monkeypatch):
    weights_file = tmp_path / 'w.pth'
    fakes.write_weights(weights_file, 1)

    def planned(**changes):
        fakes.use_config(monkeypatch, tmp_path / 'configs', **changes)
        one, = plan(['lip'], ['head'], [Weights('row', f'path:{weights_file}')], [0], 'debug', tmp_path)
        return one

    fakes.use_config(monkeypatch, tmp_path / 'configs')
    path = fakes.write_record(tmp_path, planned().cell, 0.5)
    assert planned().status == 'cached'
    assert planned(full=77).status == 'cached'  # another protocol's recipe
    changed = planned(lr=7.0)
    assert (changed.status, changed.reason) == ('run', 'the record is of another recipe')
    fakes.write_weights(weights_file, 2)
    assert planned().reason == 'the record is of another set of weights'
    fakes.write_weights(weights_file, 1)
    record = read_json(path)
    write_json(path, record | {'key': record['key'] | {'metric_version': '0'}})
    assert planned().reason == 'the record is of another metric version'
    write_json(path, record)
    other, = plan(['lip'], ['head'], [Weights('row', f'path:{weights_file}')], [0],
                  'debug',
                  tmp_path,
                  overrides={'a.b': 1})
    assert other.status == 'run'


def test_scaffolding_of_a_config_is_no_part_of_its_recipe(tmp_path, monkeypatch):
    fakes.use_config(monkeypatch, tmp_path)
    before = recipe('lip').config_hash('full')
    (tmp_path / 'parsing' / 'defaults.py').write_text('log_level = "DEBUG"\nscaffold = 2\n')
    recipe.__globals__['read_recipe'].cache_clear()
    assert recipe('lip').config_hash('full') == before


def test_cost_comes_from_finished_cells_and_else_from_published_sizes(tmp_path, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    (tmp_path / catalog.card('lip').layout.root).mkdir(parents=True)
    full, head = plan(['lip'], ['full', 'head'], [SCRATCH], [0])
    assert full.seconds == 23 * 3600 and head.seconds < full.seconds
    assert plan(['lip'], ['head'], [SCRATCH], [0], 'debug', tmp_path)[0].seconds is None
    for seed, seconds in ((0, 10.0), (1, 30.0), (2, 20.0)):
        fakes.write_record(tmp_path, Cell('lip', 'head', SCRATCH, seed, 'debug'), 0.5, seconds)
    cached, new = plan(['lip'], ['head'], [SCRATCH], [0, 9], 'debug', tmp_path)
    assert (cached.seconds, new.seconds) == (0, 20)
    path = fakes.write_record(tmp_path, Cell('lip', 'full', SCRATCH, 0, 'debug'), 0.5, 10.0, earlier_seconds=5.0)
    record = json.loads(path.read_text())
    assert record['seconds'] == 15.0 and 'earlier_seconds' not in record  # of an attempt that was interrupted, too
    path.write_text(json.dumps(record | dict(processes=4)))
    assert plan(['lip'], ['full'], [SCRATCH], [9], 'debug', tmp_path)[0].seconds == 60  # of one device


@pytest.mark.parametrize('arguments, message', [
    ((['lipp'], ['full'], [SCRATCH], [0]), "Did you mean 'lip'"),
    ((['lip'], ['ful'], [SCRATCH], [0]), "Unknown protocol 'ful'. Did you mean 'full'"),
    ((['lip'], ['full'], [SCRATCH], [0], 'debgu'), "No flavour 'debgu' for lip. All chosen datasets have: debug"),
    ((['lip'], ['full'], [SCRATCH, Weights('scratch', 'b')], [0]), 'Two of one weights: scratch'),
    ((['lip'], ['full'], [SCRATCH], [0, 0]), 'Two of one seed: 0'),
    ((['lip'], ['full'], [SCRATCH], []), 'The plan is empty'),
])
def test_mistakes_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        plan(*arguments)


def test_a_config_without_what_the_benchmark_needs_is_refused(tmp_path, monkeypatch):
    fakes.use_config(monkeypatch, tmp_path)
    path = tmp_path / 'parsing' / 'lip.py'
    path.write_text(path.read_text().replace('evaluations = ', 'evals = '))
    with pytest.raises(UserError, match='lip.py.*lacks evaluations'):
        recipe('lip')


@pytest.mark.parametrize('dataset', benchmark_datasets())
def test_every_benchmark_config_is_ready_to_be_planned(dataset):
    from humanbench import evaluation
    from humanbench.evaluation.metric import LOWER_IS_BETTER
    found = recipe(dataset)
    card = catalog.card(dataset)
    assert (found.task, found.metric) == (card.tasks[0], card.metric[0])
    assert found.group == {'counting': 'unseen'}.get(found.task, 'in' if 'pretrain' in card.role else 'out')
    assert ('head' in found.protocols) == (found.task != 'reid')
    assert {'full', 'partial'} <= set(found.protocols) and 'debug' in found.flavors
    for key in card.metric:
        assert metric_info(key).higher_is_better == (key.partition('_')[0] not in LOWER_IS_BETTER)
    assert set(evaluation.VERSIONS.values()) >= {found.metric_version}


def test_the_json_of_a_cell_has_what_others_read():
    one, = plan(['lip'], ['full'], [Weights('row', 'scratch')], [3], 'debug')
    record = json.loads(json.dumps(one.to_json()))
    assert (record['dataset'], record['protocol'], record['weights'], record['seed'], record['status']) == (
        'lip', 'full', 'row', 3, 'run')
