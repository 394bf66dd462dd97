"""Cells in real worker processes, with stand-ins for training."""
import io
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from humanbench.benchmark.files import read_json
from humanbench.benchmark.plan import Weights, plan
from humanbench.benchmark.results import load_records
from humanbench.benchmark.run import run_cells
from humanbench.errors import UserError

from . import cell_functions, fakes

SCRATCH = Weights('scratch', 'scratch')


def cells(out, datasets, seeds=(0,), retries=1):
    return plan(datasets, ['full'], [SCRATCH], seeds, 'debug', out, retries)


def failure(out, dataset):
    path, = (out / 'cells').glob(f'*__{dataset}__*.failed.json')
    return read_json(path)


def test_records_hold_what_makes_them_comparable(tmp_path):
    stream = io.StringIO()
    outcome = run_cells(cells(tmp_path, ['lip', 'h36m_pose'], (0, 1)),
                        tmp_path,
                        2,
                        cell_function=cell_functions.quick_cell,
                        stream=stream)
    assert len(outcome.done) == 4 and outcome.ok
    records = load_records(tmp_path)
    assert {(x.dataset, x.seed, x.value, x.higher_is_better) for x in records} == {
        ('lip', 0, 0.5, True), ('lip', 1, 0.51, True), ('h36m_pose', 0, 0.5, False), ('h36m_pose', 1, 0.51, False)}
    values = records[0].values
    assert values['versions']['torch'] and values['device'] and values['git_hash'] and values['date'] and values[
        'task'] == 'pose'
    assert len({x.values['metrics']['process'] for x in records}) == 2  # two workers, each used for more than one cell
    assert os.getpid() not in {x.values['metrics']['process'] for x in records}
    lines = stream.getvalue().splitlines()
    assert len(lines) == 4 and lines[-1].startswith('[4/4] done') and 'mIoU 50.0' in stream.getvalue()
    log, *_ = (tmp_path / 'work').glob('*__lip__*/log.txt')
    assert log.read_text() == 'training lip from scratch\n'


def test_finished_cells_do_not_run_again(tmp_path):
    run_cells(cells(tmp_path, ['lip']), tmp_path, cell_function=cell_functions.quick_cell, stream=io.StringIO())
    planned = cells(tmp_path, ['lip', 'cihp'])
    assert [x.status for x in planned] == ['cached', 'run']
    outcome = run_cells(planned, tmp_path, cell_function=cell_functions.quick_cell, stream=io.StringIO())
    assert [x.cell.dataset for x in outcome.done] == ['cihp'] and [x.cell.dataset for x in outcome.skipped] == ['lip']


def test_weights_that_change_while_a_cell_runs_are_no_result(tmp_path):
    file = tmp_path / 'mine.pth'
    fakes.write_weights(file, 1.0)
    planned = plan(['lip'], ['full'], [Weights('mine', f'path:{file}')], [0], 'debug', tmp_path, 0)
    fakes.write_weights(file, 2.0)
    outcome = run_cells(planned, tmp_path, cell_function=cell_functions.quick_cell, stream=io.StringIO())
    assert not outcome.done and 'was changed after the plan was made' in failure(tmp_path, 'lip')['error']
    again = plan(['lip'], ['full'], [Weights('mine', f'path:{file}')], [0], 'debug', tmp_path, 0)
    assert run_cells(again, tmp_path, cell_function=cell_functions.quick_cell, stream=io.StringIO()).ok


def test_every_kind_of_failure_is_recorded_and_stops_nothing_else(tmp_path):
    wanted = ['market1501', 'pa100k', 'coco_pose', 'lip', 'cihp', 'atr']
    outcome = run_cells(cells(tmp_path, wanted),
                        tmp_path,
                        2,
                        cell_function=cell_functions.troubled_cell,
                        stream=io.StringIO())
    assert not outcome.ok and [x.cell.dataset for x in outcome.done] == ['atr']
    assert {x.cell.dataset for x, _ in outcome.failed} == set(wanted) - {'atr'}
    assert 'put the data there' in failure(tmp_path, 'market1501')['error']
    assert 'RuntimeError: out of ideas' in failure(tmp_path, 'pa100k')['error']
    assert 'in troubled_cell' in failure(tmp_path, 'pa100k')['trace']
    assert 'exit status 9' in failure(tmp_path, 'coco_pose')['error']
    assert 'not a finite number' in failure(tmp_path, 'lip')['error']
    assert "gave no 'mIoU'" in failure(tmp_path, 'cihp')['error']
    assert [x.dataset for x in load_records(tmp_path)] == ['atr']


def test_failures_are_tried_again_as_often_as_allowed_and_no_more(tmp_path):
    def tries(dataset):
        folder, = (tmp_path / 'work').glob(f'*__{dataset}__*')
        return len((folder / 'tries').read_text())

    wanted = ['market1501', 'pa100k']
    run_cells(cells(tmp_path, wanted), tmp_path, cell_function=cell_functions.troubled_cell, stream=io.StringIO())
    assert (tries('market1501'), tries('pa100k')) == (1, 2)  # a user's mistake is not tried twice in one run
    for _ in range(3):
        outcome = run_cells(cells(tmp_path, wanted),
                            tmp_path,
                            cell_function=cell_functions.troubled_cell,
                            stream=io.StringIO())
        assert len(outcome.failed) == 2
    assert (tries('market1501'), tries('pa100k')) == (2, 2)
    run_cells(cells(tmp_path, wanted, retries=2),
              tmp_path,
              retries=2,
              cell_function=cell_functions.troubled_cell,
              stream=io.StringIO())
    assert (tries('market1501'), tries('pa100k')) == (3, 3)
    outcome = run_cells(cells(tmp_path, wanted, retries=9),
                        tmp_path,
                        retries=9,
                        cell_function=cell_functions.quick_cell,
                        stream=io.StringIO())
    assert outcome.ok and not list((tmp_path / 'cells').glob('*.failed.json'))


SCRIPT = '''
import dataclasses, pickle, sys
from pathlib import Path
from humanbench.benchmark.run import run_cells
from tests.benchmark import cell_functions
if __name__ == '__main__':
    out = Path(sys.argv[1])
    planned = pickle.loads((out / 'plan.pickle').read_bytes())
    done = {x.stem for x in (out / 'cells').glob('*.json')}
    planned = [x for x in planned if x.cell.slug not in done]
    run_cells(planned, out, 2, cell_function=cell_functions.slow_cell)
'''


def write_plan(out):
    """Leave nine cells for the script, which would take long to plan them itself."""
    out.joinpath('plan.pickle').write_bytes(pickle.dumps(cells(out, ['lip', 'cihp', 'atr'], (0, 1, 2))))


def test_killed_at_any_point_the_same_command_goes_on(tmp_path):
    write_plan(tmp_path)
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)
    root = Path(cell_functions.__file__).parents[2]
    command = [sys.executable, str(script), str(tmp_path)]
    environment = os.environ | {'PYTHONPATH': str(root)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    folder = tmp_path / 'cells'
    deadline = time.monotonic() + 120
    while len(list(folder.glob('[!.]*.json'))) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {x.name: x.stat().st_mtime_ns for x in folder.glob('[!.]*.json')}
    assert 3 <= len(before) < 9
    assert len(load_records(tmp_path)) == len(before)  # whole records, every one
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 9 - len(before)
    assert len(load_records(tmp_path)) == 9
    assert {name: (folder / name).stat().st_mtime_ns for name in before} == before


def test_workers_end_with_the_process_that_started_them(tmp_path):
    write_plan(tmp_path)
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT.replace('cell_functions.slow_cell', 'cell_functions.endless_cell'))
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=os.environ | {
        'PYTHONPATH': str(Path(cell_functions.__file__).parents[2])}, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(found := list((tmp_path / 'work').glob('*/process'))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.1)
    numbers = [int(x.read_text()) for x in found]
    assert all(Path(f'/proc/{x}').exists() for x in numbers)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(_alive(x) for x in numbers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(x) for x in numbers)


def _alive(process: int) -> bool:
    try:
        return Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_no_worker_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match='0 workers'):
        run_cells(cells(tmp_path, ['lip']), tmp_path, 0)


@pytest.mark.slow
def test_the_real_cell_function_gives_a_record(tmp_path, monkeypatch):
    pytest.importorskip('humanbench.engine.finetune', reason='humanbench.engine.finetune is not there yet')
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path / 'data'))
    planned = plan(['shanghaitech_a'], ['head'], [SCRATCH], [0],
                   'debug',
                   tmp_path,
                   overrides={'train_cfg.max_steps': 2})
    outcome = run_cells(planned, tmp_path, stream=io.StringIO())
    assert outcome.ok, outcome.failed
    record, = load_records(tmp_path)
    assert record.metric == 'MAE' and record.value > 0 and record.values['num_steps'] == 2
    assert 0 < record.values['trainable_parameters'] < record.values['total_parameters']
