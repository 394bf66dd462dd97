"""The result of a leak audit reaches records, leaderboard and page; without one nothing is claimed."""
import json

import pytest

from humanbench.benchmark.audit import audit_text, record_audit
from humanbench.benchmark.plan import Cell, Weights, plan
from humanbench.benchmark.report import write_report
from humanbench.benchmark.results import Record, load_records
from humanbench.errors import UserError

from . import fakes

CELLS = [Cell(dataset, 'full', Weights.parse('scratch'), 0, 'debug') for dataset in ('lip', 'pa100k', 'market1501')]


@pytest.fixture
def bench(tmp_path):
    """A benchmark folder of three cells, and the report of an audit that looked at two of the datasets."""
    for cell in CELLS:
        fakes.write_record(tmp_path, cell, 0.5)
    found = dict(same_bytes=0, same_looks=0, mirrored=0, by_dataset={}, names=[], images=[])
    (tmp_path / 'audit.json').write_text(json.dumps(dict(audit_version='1', datasets=dict(
        lip=dict(found, test_images=10000, leaked=17), pa100k=dict(found, test_images=10000, leaked=0)))))
    return tmp_path


def audited(bench, datasets=('lip', 'pa100k', 'market1501')) -> int:
    planned = plan(datasets, ['full'], [Weights.parse('scratch')], [0], 'debug', bench)
    return record_audit(bench, planned, bench / 'audit.json')


def records(bench) -> dict[str, Record]:
    return {x.dataset: x for x in load_records(bench)}


def test_every_record_says_what_was_found(bench):
    assert audited(bench) == 3
    found = records(bench)  # whole: digests fit
    report = found['lip'].values['audit']['report']
    assert len(report) == 16 and found['lip'].values['audit'] == dict(report=report, test_images=10000, leaked=17)
    assert found['pa100k'].values['audit']['leaked'] == 0 and found['market1501'].values['audit']['leaked'] is None
    assert audit_text(found['lip']) == f'17 of 10,000 test images in pretraining data, audit {report}'


def test_the_report_shows_it(bench):
    audited(bench)
    markdown, _, page, data = (x.read_text() for x in write_report(bench))
    for text in (markdown, page):
        assert 'scratch on lip: 17 of 10,000 test images in pretraining data' in text
        assert 'Not audited for leaks: market1501.' in text and 'scratch on pa100k: ' not in text
    results = {x['dataset']: x['audit'] for x in json.loads(data)['results']}
    assert results['lip']['leaked'] == 17 and results['pa100k']['leaked'] == 0


def test_without_an_audit_nothing_is_said(bench):
    assert all('audit' not in x.values and audit_text(x) == '' for x in records(bench).values())
    for path in write_report(bench):
        assert 'Not audited' not in path.read_text() and 'in pretraining data' not in path.read_text()


def test_only_the_cells_that_are_asked_for(bench):
    assert audited(bench, ['lip']) == 1
    assert [x for x, y in records(bench).items() if 'audit' in y.values] == ['lip']


def test_a_cell_of_another_recipe_keeps_its_record(bench):
    planned = plan(['lip'], ['full'], [Weights.parse('scratch')], [0], 'debug', bench, overrides={'seed': 3})
    assert record_audit(bench, planned, bench / 'audit.json') == 0


def test_a_file_that_is_no_audit(bench):
    (bench / 'audit.json').write_text('{}')
    with pytest.raises(UserError, match='no report of `datasets audit'):
        audited(bench)
    assert all('audit' not in x.values for x in records(bench).values())
