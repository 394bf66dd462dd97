"""Records and statistics over them."""
import pytest

from humanbench.benchmark.compare import clear_leads, differences, leads_text
from humanbench.benchmark.files import read_json, write_json
from humanbench.benchmark.plan import Cell, Weights
from humanbench.benchmark.report import write_report
from humanbench.benchmark.results import load_records, ranks, record_digest, summarise
from humanbench.errors import UserError
from humanbench.files import write_text
from humanbench.resources import folder

from . import fakes


def record(out, row, value, seed=0, dataset='lip', protocol='head', flavor='debug', **changes):
    return fakes.write_record(out, Cell(dataset, protocol, Weights(row, 'scratch'), seed, flavor), value, **changes)


def edit(path, sign=True, **changes):
    values = read_json(path) | changes
    write_json(path, values | {'digest': record_digest(values)} if sign else values)


def test_mean_and_sample_deviation_by_hand(tmp_path):
    for seed, value in enumerate((0.60, 0.64, 0.71)):
        record(tmp_path, 'a', value, seed)
    record(tmp_path, 'b', 0.5)
    a, b = summarise(load_records(tmp_path))
    assert a.value == pytest.approx(0.65) and a.n_seeds == 3
    assert a.std == pytest.approx((0.0062 / 2) ** 0.5)  # deviations -0.05 -0.01 0.06, squares sum to 0.0062, n - 1 = 2
    assert a.std != pytest.approx((0.0062 / 3) ** 0.5)
    assert (b.value, b.std, b.n_seeds) == (0.5, None, 1)


def test_a_task_beside_the_six_has_records_and_a_place_on_the_page(tmp_path):
    """Text-to-image ReID, by the path of its config: such a cell was made, and its record then refused."""
    record(tmp_path, 'a', 0.4, dataset=str(folder('configs') / 'downstream/text_reid/rstpreid.py'), protocol='full')
    found, = load_records(tmp_path)
    assert (found.dataset, found.task, found.metric) == ('rstpreid', 'text_reid', 'rank1')
    write_report(tmp_path)
    assert 'text_reid' in (tmp_path / 'leaderboard.html').read_text()
    assert 'rstpreid' in (tmp_path / 'leaderboard.md').read_text()


@pytest.mark.parametrize('dataset, best', [('lip', 'b'), ('h36m_pose', 'a'), ('shanghaitech_a', 'a')])
def test_ranks_know_which_way_is_better_and_share_ties(tmp_path, dataset, best):
    for row, value in dict(a=0.1, b=0.9, c=0.5, d=0.5).items():
        record(tmp_path, row, value, dataset=dataset)
    places = {row: place for (row, _, _), place in ranks(summarise(load_records(tmp_path))).items()}
    assert places[best] == (1, 4)
    assert places['c'] == places['d'] == (2, 4)
    assert {x[0] for x in places.values()} == {1, 2, 4}


@pytest.mark.parametrize('change, aspect', [
    (lambda x: {'key': x['key'] | {'metric_version': '2'}}, 'metric version differs'),
    (lambda x: {'key': x['key'] | {'protocol_version': '0'}}, 'protocol version differs'),
    (lambda x: {'input_size': [480, 480]}, 'input size differs'),
    (lambda x: {'split_hash': {'test': 'other'}}, 'test split differs'),
])
def test_records_that_do_not_compare_are_refused(tmp_path, change, aspect):
    record(tmp_path, 'a', 0.5)
    path = record(tmp_path, 'b', 0.6)
    assert len(summarise(load_records(tmp_path))) == 2
    edit(path, **change(read_json(path)))
    with pytest.raises(UserError, match=aspect):
        summarise(load_records(tmp_path))


@pytest.mark.parametrize('part, aspect', [('config_hash', 'recipe differs'),
                                          ('weights_hash', 'set of weights differs')])
def test_seeds_of_different_experiments_are_not_averaged(tmp_path, part, aspect):
    record(tmp_path, 'a', 0.5)
    path = record(tmp_path, 'a', 0.6, seed=1)
    edit(path, key=read_json(path)['key'] | {part: 'other'})
    with pytest.raises(UserError, match=aspect):
        summarise(load_records(tmp_path))


@pytest.mark.parametrize('changes, message', [
    ({'value': 0.99}, 'is not metrics.mIoU'),
    ({'dataset': 'cihp'}, 'changed after it was written'),
    ({'seed': '0'}, "seed is '0'"),
    ({'higher_is_better': 1}, 'higher_is_better is 1'),
    ({'key': {}}, 'key.metric_version is missing'),
])
def test_a_record_that_was_tampered_with_is_refused(tmp_path, changes, message):
    path = record(tmp_path, 'a', 0.5)
    load_records(tmp_path)
    edit(path, sign=False, **changes)
    with pytest.raises(UserError, match=message):
        load_records(tmp_path)


@pytest.mark.parametrize('text, message', [('{"a": 1', 'is not JSON'), ('[]', 'holds a list'),
                                           ('{}', 'dataset is missing')])
def test_files_that_are_no_records_are_refused(tmp_path, text, message):
    write_text(tmp_path / 'cells' / 'x.json', text)
    with pytest.raises(UserError, match=message):
        load_records(tmp_path)


def test_a_cell_twice_is_refused(tmp_path):
    path = record(tmp_path, 'a', 0.5)
    write_json(path.with_name('copy.json'), read_json(path))
    with pytest.raises(UserError, match='One cell twice'):
        load_records(tmp_path)


def test_flavours_are_not_mixed(tmp_path):
    record(tmp_path, 'a', 0.5)
    record(tmp_path, 'a', 0.7, flavor=None)
    with pytest.raises(UserError, match='several flavours'):
        load_records(tmp_path)
    assert [x.value for x in load_records(tmp_path, 'debug')] == [0.5]
    assert [x.value for x in load_records(tmp_path, None)] == [0.7]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / 'x.json'
    write_json(path, {'a': 1})
    with pytest.raises(ValueError):
        write_json(path, {'a': float('nan')})
    assert read_json(path) == {'a': 1}
    assert [x.name for x in tmp_path.iterdir()] == ['x.json']


def test_comparison_knows_direction_and_spread(tmp_path):
    for seed, (a, b, c) in enumerate([(5.0, 9.0, 5.1), (5.2, 9.1, 5.0), (4.8, 9.2, 5.2)]):
        record(tmp_path, 'a', a, seed, 'h36m_pose')
        record(tmp_path, 'b', b, seed, 'h36m_pose')
        record(tmp_path, 'c', c, seed, 'h36m_pose')
    record(tmp_path, 'b', 0.5)
    records = load_records(tmp_path)
    clear, = differences(records, 'a', 'b')
    assert clear.better == 'a' and clear.difference == pytest.approx(-4.1) and clear.p_value < 0.001
    unclear, = differences(records, 'a', 'c')
    assert unclear.p_value > 0.3
    with pytest.raises(UserError, match="Unknown row 'aa'"):
        differences(records, 'aa', 'b')
    with pytest.raises(UserError, match='with itself'):
        differences(records, 'a', 'a')


@pytest.mark.parametrize('ours, theirs, clear', [
    ((0.60, 0.64), (0.50, 0.52), True),  # 0.11 apart, 0.04 of scatter
    ((0.60, 0.64), (0.58, 0.60), False),  # 0.03 apart, 0.04 of scatter
    ((0.50, 0.52), (0.60, 0.64), False),  # behind
    ((0.60, 0.60), (0.50, 0.50), True)])
def test_a_clear_lead_exceeds_the_scatter_of_the_seeds(tmp_path, ours, theirs, clear):
    for row, values in (('path', ours), ('scratch', theirs)):
        for seed, value in enumerate(values):
            record(tmp_path, row, value, seed)
    records = load_records(tmp_path)
    assert clear_leads(records, 'path', 'scratch') == {'head': {'lip': clear}}
    assert f'on {int(clear)} of 1 datasets' in leads_text(records, 'path', 'scratch')


def test_one_seed_is_never_a_clear_lead(tmp_path):
    record(tmp_path, 'path', 0.9)
    record(tmp_path, 'scratch', 0.1)
    assert clear_leads(load_records(tmp_path), 'path', 'scratch') == {'head': {'lip': False}}


def pretrained(out, seed, text, dataset='lip'):
    """A record of a row that has a pretraining for each seed; what is in the file of its weights."""
    file = out / 'weights' / str(seed) / f'{text}.pth'
    file.parent.mkdir(parents=True, exist_ok=True)
    fakes.write_weights(file, {'one': 1.0, 'two': 2.0}[text])
    weights = Weights('a', f'path:{file}', per_seed=True)
    return fakes.write_record(out, Cell(dataset, 'head', weights, seed, 'debug'), 0.5)


def test_a_row_may_have_a_pretraining_for_each_seed_if_it_says_so(tmp_path):
    pretrained(tmp_path, 0, 'one')
    path = pretrained(tmp_path, 1, 'two')
    one, = summarise(load_records(tmp_path))
    assert one.n_seeds == 2 and len({x.key['weights_hash'] for x in one.records}) == 2
    edit(path, weights_per_seed=False)
    with pytest.raises(UserError, match='number of pretrainings differs'):
        summarise(load_records(tmp_path))


def test_one_seed_of_such_a_row_is_one_pretraining(tmp_path):
    pretrained(tmp_path, 0, 'one')
    pretrained(tmp_path, 0, 'one', 'cihp')
    assert len(summarise(load_records(tmp_path))) == 2
    pretrained(tmp_path, 0, 'two', 'atr')
    with pytest.raises(UserError, match='set of weights differs'):
        summarise(load_records(tmp_path))
