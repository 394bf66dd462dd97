"""The command line: its verbs, its mistakes, and the form without a verb."""
import importlib.util
import json
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from humanbench import resources
from humanbench.benchmark import commands
from humanbench.benchmark.commands import plan_text
from humanbench.benchmark.plan import Cell, Weights, plan
from humanbench.benchmark.run import run_cells

from . import cell_functions, fakes

TOOL = resources.folder('tools') / 'benchmark.py'


def load_main():
    spec = importlib.util.spec_from_file_location('benchmark_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture(scope='module')
def main():
    return load_main()


@pytest.fixture
def quick(monkeypatch):
    def run(planned, out, workers, retries, processes):
        return run_cells(planned, out, workers, retries, cell_functions.quick_cell)

    monkeypatch.setattr(commands, 'run_cells', run)


def test_help_imports_nothing_heavy():
    code = f'''
import runpy, sys
sys.argv = ['benchmark', '-h']
try:
    runpy.run_path({str(TOOL)!r}, run_name='__main__')
except SystemExit as end:
    assert end.code == 0
assert 'torch' not in sys.modules and 'humanbench' not in sys.modules
'''
    start = time.monotonic()
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'plan' in done.stdout and '--protocol head partial' in done.stdout
    assert time.monotonic() - start < 30


def test_plan_prints_cells_and_cost_and_writes_records(main, tmp_path, capsys):
    file = tmp_path / 'plan.json'
    status = main([
        'plan', '--weights', 'path=scratch', 'scratch', '--datasets', 'lip', 'market1501', '--protocol', 'head', 'full',
        '--seeds', '0', '1', '--flavor', 'debug', '--out',
        str(tmp_path), '--json',
        str(file)
    ])
    text = capsys.readouterr().out
    assert status == 0 and '16 cells' in text and '12 to run' in text and 'n/a' in text and 'Estimated cost' in text
    assert 'not applicable (4 cells): the tested feature lies before the head' in text
    records = json.loads(file.read_text())
    assert len(records) == 16
    assert all((x['disk']['kept'] > 0) == (x['status'] == 'run') for x in records)
    assert {(x['dataset'], x['protocol'], x['weights'])
            for x in records} >= {('lip', 'head', 'path'), ('market1501', 'full', 'scratch')}


def test_json_alone_goes_to_standard_output(main, tmp_path, capsys):
    main([
        'plan', '--weights', 'scratch', '--datasets', 'lip', '--flavor', 'debug', '--out',
        str(tmp_path), '--json', '-'
    ])
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_without_a_verb_it_plans_runs_and_reports(main, quick, tmp_path, capsys):
    command = [
        '--weights', 'scratch', '--datasets', 'lip', 'market1501', '--protocol', 'head', 'partial', '--flavor', 'debug',
        '--out',
        str(tmp_path)
    ]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert '4 cells: ' in text and '3 cells done' in text and '[3/3] done' in text and 'leaderboard.html' in text
    assert {x.name
            for x in tmp_path.glob('leaderboard.*')} == {f'leaderboard.{x}'
                                                         for x in ('md', 'csv', 'json', 'html')}
    assert main(command) == 0
    assert 'Nothing to run.' in capsys.readouterr().out


def test_failures_give_a_status_and_a_line(main, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(commands, 'run_cells', lambda *x, processes: run_cells(*x, cell_functions.troubled_cell))
    status = main([
        'run', '--weights', 'scratch', '--datasets', 'pa100k', '--protocols', 'full', '--flavor', 'debug', '--retries',
        '0', '--out',
        str(tmp_path)
    ])
    text = capsys.readouterr().out
    assert status == 1
    assert 'FAILED scratch on pa100k, full, seed 0 (debug): RuntimeError: out of ideas' in text.splitlines()


def test_report_validate_and_compare(main, full_board, capsys):
    assert main(['report', '--out', str(full_board)]) == 0
    assert 'leaderboard.csv' in capsys.readouterr().out
    assert main(['validate', '--out', str(full_board)]) == 1
    assert 'not run: scratch on aic, partial' in capsys.readouterr().out
    assert main(['compare', 'path', 'scratch', '--out', str(full_board)]) == 0
    assert 'path is better in 16 of 16 cells' in capsys.readouterr().out


def test_a_complete_row_is_valid(main, debug_board, capsys):
    assert main(['validate', '--out', str(debug_board)]) == 0
    assert '0 cells absent' in capsys.readouterr().out


def test_columns_of_the_plan_do_not_touch(tmp_path):
    first, *others = plan(['lip'], ['full', 'partial'], [Weights('a', 'scratch')], [0, 1], 'debug')
    table = [line for line in plan_text([replace(first, status='cached'), *others], tmp_path).splitlines()
             if line.startswith(('dataset', 'lip'))]
    assert [re.split('  +', line) for line in table] == [
        ['dataset', 'weights', 'full', 'partial', '(2 seeds)'], ['lip', 'a', '1 cached, 1 to run', 'to run']]
    assert table[0].index('partial') == table[1].rindex('to run')


@pytest.mark.parametrize('command, message', [
    (['--weights', 'scratch', '--datasets', 'lipp'], "Unknown benchmark dataset 'lipp'. Did you mean 'lip'"),
    (['plan', '--weights', 'scratch', '--protocol', 'haed'], "Did you mean 'head'"),
    (['run', '--weights', 'x=path:none.pth'], "no weight file 'none.pth'"),
    (['plan', '--weights', 'scratch', '--cfg-options', 'lr'], '--cfg-options takes KEY=VALUE; got lr'),
    (['report'], 'holds no finished cell'),
    (['compare', 'a', 'b'], 'Unknown row'),
])
def test_mistakes_are_one_message_without_a_trace(main, command, message, tmp_path, capsys):
    assert main([*command, '--out', str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error and 'Traceback' not in error and len(error.splitlines()) == 1


def test_config_options_reach_every_cell(main, quick, tmp_path):
    main([
        'run', '--weights', 'scratch', '--datasets', 'lip', '--protocol', 'head', '--flavor', 'debug', '--out',
        str(tmp_path), '--cfg-options', 'train_cfg.max_steps=2', 'frozen=[backbone.cls_token,backbone.pos_embed]'
    ])
    path, = (tmp_path / 'cells').glob('*.json')
    assert json.loads(path.read_text())['overrides'] == {
        'train_cfg.max_steps': 2, 'frozen': ['backbone.cls_token', 'backbone.pos_embed']}


def test_several_flavours_need_a_choice(main, tmp_path, capsys):
    for flavor in (None, 'debug'):
        fakes.write_record(tmp_path, Cell('lip', 'full', Weights('a', 'scratch'), 0, flavor), 0.5)
    assert main(['report', '--out', str(tmp_path)]) == 2
    assert '--flavor' in capsys.readouterr().err
    assert main(['report', '--out', str(tmp_path), '--flavor', 'none']) == 0
    assert 'DEBUG' not in (tmp_path / 'leaderboard.md').read_text()
