"""Several runs at once in one folder, real processes all: no cell twice, the dead are followed, who must stop saves."""
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

from . import cell_functions

SCRATCH = Weights('scratch', 'scratch')
SECONDS = 600  # a busy machine takes minutes to start six processes
SCRIPT = '''
def main(out, workers, function, kind):  # what it needs is imported here, so that its workers need not
    import pickle
    from humanbench.benchmark.claims import Claims
    from humanbench.benchmark.run import run_cells
    from tests.benchmark import cell_functions

    class NoClaims(Claims):
        def take(self, cell):
            return True

        def release(self, cell):
            pass

    planned = pickle.loads((out / "plan.pickle").read_bytes())
    claims = (Claims if kind == "claims" else NoClaims)(out / "claims")
    outcome = run_cells(planned, out, int(workers), cell_function=getattr(cell_functions, function), claims=claims)
    print(f"{outcome.stopped or 'end'}: {len(outcome.done)} done, {len(outcome.failed)} failed")


if __name__ == "__main__":
    import sys
    from pathlib import Path
    main(Path(sys.argv[1]), *sys.argv[2:])
'''


@pytest.fixture
def start(tmp_path):
    """Starts runs of nine cells at once; none outlives its test."""
    runs = []
    yield lambda *how: runs.extend(_start(tmp_path, *how)) or runs
    for x in runs:
        x.kill()
        x.wait()
        x.stdout.close()


def _start(out: Path, function: str, runs: int, workers: int, kind: str = 'claims') -> list[subprocess.Popen]:
    planned = plan(['lip', 'cihp', 'atr'], ['full'], [SCRATCH], (0, 1, 2), 'debug', out)
    (out / 'plan.pickle').write_bytes(pickle.dumps(planned))
    (out / 'script.py').write_text(SCRIPT)
    command = [sys.executable, str(out / 'script.py'), str(out), str(workers), function, kind]
    environment = os.environ | {'PYTHONPATH': str(Path(__file__).parents[2])}
    return [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(runs)]


def starts(out: Path) -> list[int]:
    """How often each cell was started."""
    return [len(x.read_text()) for x in (out / 'work').glob('*/starts')]


def until(condition, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    assert condition()


def test_two_runs_share_a_folder_and_run_no_cell_twice(tmp_path, start):
    runs = start('counted_cell', 2, 2)
    said = [x.communicate(timeout=SECONDS)[0] for x in runs]
    assert starts(tmp_path) == [1] * 9
    records = load_records(tmp_path)
    assert len(records) == 9 and {x.values['metrics']['parent'] for x in records} <= {float(x.pid) for x in runs}
    assert sum(int(x.splitlines()[-1].split()[1]) for x in said) == 9
    assert not list((tmp_path / 'claims').iterdir())


@pytest.mark.slow
def test_without_claims_cells_run_twice(tmp_path, start):
    for x in start('counted_cell', 2, 1, 'none'):
        x.communicate(timeout=SECONDS)
    assert max(starts(tmp_path)) > 1


def test_a_run_takes_over_from_one_that_is_killed(tmp_path, start):
    doomed, heir = start('counted_cell', 2, 1)
    until(lambda: len(list((tmp_path / 'cells').glob('[!.]*.json'))) >= 2)
    doomed.kill()
    doomed.communicate()
    heir.communicate(timeout=SECONDS)
    assert len(load_records(tmp_path)) == 9
    assert sorted(starts(tmp_path))[:-1] == [1] * 8 and max(starts(tmp_path)) <= 2  # but the one that was cut short


def test_a_run_that_is_asked_to_stop_lets_cells_save_and_counts_no_failure(tmp_path, start):
    run, = start('saving_cell', 1, 2)
    until(lambda: len(list((tmp_path / 'work').glob('*/started'))) == 2)
    run.send_signal(signal.SIGTERM)
    assert run.communicate(timeout=SECONDS)[0].splitlines()[-1] == 'SIGTERM: 0 done, 0 failed'
    assert len(list((tmp_path / 'work').glob('*/saved'))) == 2
    assert not list(tmp_path.glob('cells/*')) and not list((tmp_path / 'claims').iterdir())


def several(out: Path, datasets: list[str], units: int, processes: int):
    slots = {f'sources.{x}.slots': units for x in datasets}
    planned = [y for x in datasets for y in plan([x], ['full'], [SCRATCH], [0], 'debug', out, overrides={
        f'sources.{x}.slots': slots[f'sources.{x}.slots']})]
    return run_cells(planned, out, cell_function=cell_functions.common_cell, stream=io.StringIO(), processes=processes)


@pytest.mark.parametrize('units, world', [(2, 2), (1, 1)])  # a unit runs whole: one of them keeps one process busy
def test_several_processes_run_a_cell_together(tmp_path, units, world):
    assert several(tmp_path, ['lip'], units, 2).ok
    record, = load_records(tmp_path)
    assert record.values['metrics']['world'] == world == record.values['processes']


@pytest.mark.slow
def test_the_first_of_several_processes_to_fail_is_heard(tmp_path):
    outcome = several(tmp_path, ['cihp', 'atr'], 2, 2)
    assert {x.cell.dataset for x, _ in outcome.failed} == {'cihp', 'atr'}
    notes = {x['dataset']: x for x in map(read_json, (tmp_path / 'cells').glob('*.failed.json'))}
    assert notes['cihp']['error'] == 'UserError: there is no such folder; put the data there'
    assert notes['cihp']['attempts'] == 1 and 'common_cell' in notes['cihp']['trace']
    assert 'SIGKILL' in notes['atr']['error'] and notes['atr']['attempts'] == 2


@pytest.mark.slow
def test_a_real_cell_gives_the_same_in_one_process_and_in_two(tmp_path, monkeypatch, edition):
    values = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        planned = plan(['shanghaitech_a'], ['full'], [SCRATCH], [0], 'debug', out, overrides={
            'train_cfg.max_steps': 3, 'sources.shanghaitech_a.slots': 2, 'sources.shanghaitech_a.batch_size': 4})
        outcome = run_cells(planned, out, stream=io.StringIO(), processes=processes)
        assert outcome.ok, outcome.failed
        record, = load_records(out)
        assert record.values['processes'] == processes and record.values['num_steps'] == 3
        values.append(record)
    one, two = values
    assert two.values['metrics'] == pytest.approx(one.values['metrics'], rel=1e-4)
    assert (one.key, one.values['config_hash'], one.values['split_hash'], one.values['trainable_parameters']) == (
        two.key, two.values['config_hash'], two.values['split_hash'], two.values['trainable_parameters'])
