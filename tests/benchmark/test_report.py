"""The leaderboard in its four formats."""
import csv
import json
import re

import pytest

from humanbench import catalog
from humanbench.benchmark import plots
from humanbench.benchmark.files import read_json, write_json
from humanbench.benchmark.leaderboard import leaderboard
from humanbench.benchmark.metrics import metric_info
from humanbench.benchmark.plan import Cell, Weights, plan
from humanbench.benchmark.published import published_results
from humanbench.benchmark.report import CSV_COLUMNS, write_report
from humanbench.benchmark.results import record_digest
from humanbench.errors import UserError

from . import fakes


def rows_of(folder):
    with open(folder / 'leaderboard.csv', encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def test_csv_columns_are_a_contract(full_board):
    first = (full_board / 'leaderboard.csv').read_text().splitlines()[0]
    assert first == 'weights,dataset,task,protocol,metric,higher_is_better,value,std,n_seeds,published'
    assert tuple(first.split(',')) == CSV_COLUMNS


def test_csv_has_measured_and_published_values_in_one_unit(full_board):
    rows = rows_of(full_board)
    own = [x for x in rows if x['published'] == 'false']
    one, = (x for x in own if (x['weights'], x['dataset'], x['protocol']) == ('path', 'coco_pose', 'full'))
    assert 0.6 < float(one['value']) < 0.8 and one['n_seeds'] == '3' and float(one['std']) > 0
    paper, = (x for x in rows
              if x['published'] == 'true' and (x['weights'], x['dataset'], x['protocol'],
                                               x['metric']) == ('PATH ViT-B', 'coco_pose', 'head', 'AP'))
    assert float(paper['value']) == pytest.approx(0.752) and paper['n_seeds'] == ''
    pixels, = (x for x in rows if x['published'] == 'true' and (x['weights'], x['dataset'], x['protocol']) == (
        'PATH ViT-B', 'h36m_pose', 'head'))
    assert float(pixels['value']) == 6.1 and pixels['higher_is_better'] == 'false'


def test_a_debug_csv_has_no_published_values(debug_board):
    assert {x['published'] for x in rows_of(debug_board)} == {'false'}
    assert {x['weights'] for x in rows_of(debug_board)} == {'path', 'scratch'}


def test_debug_runs_say_so_everywhere(debug_board, full_board):
    for suffix, mark in (('md', 'DEBUG RUNS'), ('html', 'Debug runs: not comparable'),
                         ('json', 'do not compare with any published')):
        assert mark in (debug_board / f'leaderboard.{suffix}').read_text()
        assert mark not in (full_board / f'leaderboard.{suffix}').read_text()
    assert 'published:' not in (debug_board / 'leaderboard.md').read_text()
    assert read_json(debug_board / 'leaderboard.json')['comparable_with_published'] is False


def test_holes_are_said_and_never_averaged_over(full_board):
    board = leaderboard(full_board)
    absent = {(x.weights, x.dataset, x.protocol): x.status for x in board.absent}
    assert absent['scratch', 'aic', 'partial'] == 'not run'
    assert absent['path', 'market1501', 'head'] == 'not applicable'
    assert len(absent) == 4
    ranks = {(x.weights, x.group): x for x in board.group_ranks}
    assert ranks['scratch', 'in'].mean_rank is None and (ranks['scratch', 'in'].cells, ranks['scratch',
                                                                                             'in'].of) == (10, 11)
    assert ranks['path', 'in'].mean_rank == 1 and ranks['path', 'in'].of == 11  # ReID under head counts nowhere
    averages = {(x.weights, x.task, x.protocol): x for x in board.averages}
    assert averages['scratch', 'pose', 'partial'].value is None
    both = [
        x.value for x in board.summaries
        if (x.weights, x.protocol) == ('path', 'partial') and x.dataset in ('aic', 'coco_pose')
    ]
    assert averages['path', 'pose', 'partial'].value == pytest.approx(sum(both) / 2)
    assert averages['path', 'pose', 'partial'].datasets == ('aic', 'coco_pose')  # not with the pixels of h36m_pose
    markdown = (full_board / 'leaderboard.md').read_text()
    assert '- aic, partial, scratch: not run' in markdown and 'incomplete: 10 of 11 cells' in markdown
    assert not any(
        (x['weights'], x['dataset'], x['protocol']) == ('scratch', 'aic', 'partial') for x in rows_of(full_board))


def test_planned_cells_and_failures_are_part_of_the_leaderboard(tmp_path):
    rows = [Weights('a', 'scratch'), Weights('b', 'scratch')]
    fakes.write_record(tmp_path, Cell('lip', 'full', rows[0], 0, 'debug'), 0.5)
    planned = plan(['lip', 'cihp'], ['full'], rows, [0], 'debug', tmp_path)
    key = dict(planned[1].key)
    write_json(
        tmp_path / 'cells' / f'{planned[1].cell.slug}.failed.json',
        dict(dataset=planned[1].cell.dataset,
             protocol='full',
             weights=planned[1].cell.weights.name,
             seed=0,
             flavor='debug',
             key=key,
             attempts=1,
             error='RuntimeError: out of ideas'))
    board = leaderboard(tmp_path, planned=planned)
    absent = {(x.weights, x.dataset): (x.status, x.reason) for x in board.absent}
    failed = planned[1].cell
    assert absent.pop((failed.weights.name, failed.dataset)) == ('failed', 'RuntimeError: out of ideas')
    assert set(absent.values()) == {('not run', '')} and len(absent) == 2
    assert board.rows == ('a', 'b')


def test_mixed_versions_are_refused_and_nothing_is_written(tmp_path):
    fakes.write_record(tmp_path, Cell('lip', 'full', Weights('a', 'scratch'), 0), 0.5)
    path = fakes.write_record(tmp_path, Cell('lip', 'full', Weights('b', 'scratch'), 0), 0.6)
    values = read_json(path)
    values['key']['metric_version'] = '2'
    write_json(path, values | {'digest': record_digest(values)})
    with pytest.raises(UserError, match='metric version differs'):
        write_report(tmp_path)
    assert not list(tmp_path.glob('leaderboard.*'))


def test_nothing_to_report_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match='holds no finished cell'):
        write_report(tmp_path)


def test_json_holds_every_seed_and_metric(full_board):
    found = json.loads((full_board / 'leaderboard.json').read_text())
    one, = (x for x in found['results'] if (x['weights'], x['dataset'], x['protocol']) == ('path', 'atr', 'head'))
    assert one['metric'] == 'pixel_accuracy' and set(one['seeds']) == {'0', '1', '2'
                                                                       } and one['rank'] == 1 and one['of'] == 3
    assert {x['row'] for x in found['published']} >= {'PATH ViT-B', 'MAE ViT-B'}
    assert 'lip' in found['datasets_without_any_cell']


def test_names_are_escaped(full_board):
    page = (full_board / 'leaderboard.html').read_text()
    assert 'vit_<b>' not in page and 'vit_&lt;b&gt;' in page.replace('<wbr>', '')


def test_published_results_are_whole():
    results = published_results()
    assert len(results) == 510
    assert {x.task for x in results} >= set(catalog.TASKS)
    for x in results:
        assert x.higher_is_better == metric_info(x.metric).higher_is_better, x
        assert 0 < x.value <= 1 or metric_info(x.metric).unit != '%', x
    for dataset in catalog.ids():
        ranked = {x.metric for x in results if x.dataset == dataset}
        assert not ranked or ranked & {*catalog.card(dataset).metric, 'MR_heavy_legacy'}, dataset


@pytest.mark.parametrize('largest, top', [(100, 100), (83.2, 100), (11.0, 15), (0.4, 0.4), (0.41, 0.5), (620, 800),
                                          (0, 1)])
def test_axes_start_at_zero_and_end_round(largest, top):
    end, ticks = plots.axis(largest)
    assert end == pytest.approx(top) and ticks[0] == 0 and ticks[-1] == pytest.approx(end) and len(ticks) <= 7


def test_bars_are_as_long_as_their_values(full_board):
    board = leaderboard(full_board)
    panel, = (x for x in plots.panels(board, 'pose') if x.dataset == 'coco_pose')
    top = float(panel.ticks[-1][1])
    for section in panel.sections:
        for bar in section.items:
            shown = float(re.match(r'[\d.]+', bar.text)[0])
            assert bar.length / plots.WIDTH == pytest.approx(shown / top, abs=2e-3)
            assert bar.low < bar.length < bar.high and len(bar.dots) == 3
    gaps = [x for s in next(p for p in plots.panels(board, 'pose') if p.dataset == 'aic').sections for x in s.items
            if isinstance(x, plots.Gap)]
    assert [(x.name, x.text) for x in gaps] == [('scratch', 'not run')]
    assert all(section.rug for section in panel.sections)


def test_of_many_rows_the_best_are_drawn_and_the_others_counted(tmp_path, monkeypatch):
    fakes.write_board(tmp_path, {f'row{i}': i / 6 for i in range(7)}, datasets=('coco_pose', 'h36m_pose'),
                      protocols=['full'], seeds=[0])
    monkeypatch.setattr(plots, 'MAX_ROWS', 4)
    for panel in plots.panels(leaderboard(tmp_path), 'pose'):
        section, = panel.sections
        assert [x.name for x in section.items] == ['row3', 'row4', 'row5', 'row6'] and section.more == 3
    monkeypatch.setattr(plots, 'MAX_ROWS', 7)
    assert all(len(x.sections[0].items) == 7 and not x.sections[0].more
               for x in plots.panels(leaderboard(tmp_path), 'pose'))


def test_debug_plots_have_no_published_values(debug_board):
    assert not any(section.rug for task in ('reid', 'pose', 'counting')
                   for panel in plots.panels(leaderboard(debug_board), task) for section in panel.sections)


@pytest.mark.parametrize('name, value, text', [('mIoU', 0.6543, '65.4'), ('EPE', 6.123, '6.12'), ('EPE', 12.34, '12.3'),
                                               ('MAE', 91.66, '91.7'), ('MR_heavy', 0.301, '30.1')])
def test_values_read_in_the_usual_units(name, value, text):
    assert metric_info(name).text(value) == text
