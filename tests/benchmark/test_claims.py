"""Claims: one owner for each cell, however many ask, and an heir for those whose owner is gone."""
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from humanbench.benchmark.claims import Claims, _start_of

QUICK = dict(beat=0.05, patience=0.4)


def elsewhere(folder: Path, cell: str, number: int = 1, **identity) -> Path:
    """A claim of a run on another machine."""
    path = folder / f'{cell}.{number}'
    path.parent.mkdir(exist_ok=True)
    usual = dict(host='gpu07', process=os.getpid(), began='1', machine='another', run='x')
    path.write_text(json.dumps(usual | identity))
    return path


def keep_touching(path: Path, end: threading.Event) -> None:
    while not end.wait(0.05):
        os.utime(path)


def test_one_of_many_threads_and_runs_gets_a_cell(tmp_path):
    winners, start = [], threading.Barrier(16)

    def ask(claims: Claims) -> None:
        start.wait()
        winners.extend([cell] for cell in ('a', 'b', 'c') if claims.take(cell))

    runs = [Claims(tmp_path) for _ in range(16)]
    threads = [threading.Thread(target=ask, args=(x,)) for x in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(winners) == [['a'], ['b'], ['c']]


def test_a_cell_that_is_given_back_can_be_had_again(tmp_path):
    with Claims(tmp_path) as one, Claims(tmp_path) as other:
        assert one.take('a') and not other.take('a') and not one.take('a')
        assert other.is_alive('a') and f'process {os.getpid()}' in other.owner('a')
        one.release('a')
        assert other.owner('a') is None and not other.is_alive('a') and other.take('a')
        assert one.take('a.b')  # a name that begins alike is another cell
    assert not list(tmp_path.iterdir())


def test_a_dead_process_of_this_machine_is_followed_at_once(tmp_path):
    code = ('import os, sys\nfrom pathlib import Path\nfrom humanbench.benchmark.claims import Claims\n'
            'claims = Claims(Path(sys.argv[1])).__enter__()\nassert claims.take("a")\nos._exit(9)\n')
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, '-c', code, str(tmp_path)], env=os.environ | {'PYTHONPATH': str(root)})
    assert (tmp_path / 'a.1').is_file()
    with Claims(tmp_path) as claims:
        assert claims.take('a')
        assert sorted(x.name for x in tmp_path.iterdir()) == ['a.1', 'a.2']
    assert not list(tmp_path.iterdir())


def test_an_owner_that_has_just_died_is_no_longer_alive(tmp_path):
    process = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    with Claims(tmp_path) as one, Claims(tmp_path) as other:
        assert one.take('a')
        path = tmp_path / 'a.1'
        path.write_text(json.dumps(json.loads(path.read_text()) | dict(
            process=process.pid, began=_start_of(process.pid))))
        assert not other.take('a') and other.is_alive('a')
        process.kill()
        process.wait()
        assert not other.is_alive('a') and other.take('a')
    process.stdin.close()


def test_a_number_that_another_process_has_now_is_a_dead_owner(tmp_path):
    with Claims(tmp_path) as one:
        assert one.take('a')
        path = tmp_path / 'a.1'
        path.write_text(json.dumps(json.loads(path.read_text()) | dict(began='1')))
        assert Claims(tmp_path).take('a')


def test_an_owner_elsewhere_is_followed_when_its_claim_is_no_longer_touched(tmp_path):
    path = elsewhere(tmp_path, 'a')
    os.utime(path, (0, 0))  # a clock that is far off says nothing
    with Claims(tmp_path, **QUICK) as claims:
        start = time.monotonic()
        assert not claims.take('a') and not claims.is_alive('a')
        while not claims.take('a'):
            assert time.monotonic() - start < 20
            time.sleep(0.05)
        assert time.monotonic() - start > QUICK['patience']


def test_an_owner_elsewhere_that_touches_its_claim_keeps_it(tmp_path):
    path, end = elsewhere(tmp_path, 'a'), threading.Event()
    thread = threading.Thread(target=keep_touching, args=(path, end))
    thread.start()
    try:
        with Claims(tmp_path, **QUICK) as claims:
            until = time.monotonic() + 3 * QUICK['patience']
            while time.monotonic() < until:
                assert not claims.take('a')
                time.sleep(0.05)
            assert claims.is_alive('a') and claims.owner('a').startswith('gpu07')
            end.set()
            thread.join()
            time.sleep(3 * QUICK['beat'])
            claims.take('a')
            assert not claims.is_alive('a')  # silent: perhaps dead, and nobody leaves before that is known
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize('text', ['', '{"host": "gp', '[]'])
def test_a_claim_that_was_never_finished_does_not_last(tmp_path, text):
    (tmp_path / 'a.1').write_text(text)
    with Claims(tmp_path, **QUICK) as claims:
        assert not claims.take('a')
        time.sleep(QUICK['patience'] + 0.1)
        assert claims.take('a')


@pytest.mark.parametrize('how', ['another took over', 'somebody removed it', 'somebody removed it, and another has it'])
def test_a_run_that_lost_a_claim_notices_and_leaves_the_heirs_alone(tmp_path, how):
    with Claims(tmp_path, **QUICK) as claims:
        assert claims.take('a') and claims.take('b')
        if how == 'another took over':
            heir = elsewhere(tmp_path, 'a', 2)
        else:
            (tmp_path / 'a.1').unlink()
            heir = elsewhere(tmp_path, 'a') if 'another' in how else None
        until = time.monotonic() + 20
        while 'a' not in claims.lost and time.monotonic() < until:
            time.sleep(0.02)
        assert claims.lost == {'a'}  # not b
        claims.release('a')
        assert heir is None or heir.is_file()


def test_a_claim_is_touched_while_its_run_lives(tmp_path):
    with Claims(tmp_path, **QUICK) as claims:
        claims.take('a')
        os.utime(tmp_path / 'a.1', (0, 0))
        until = time.monotonic() + 20
        while (tmp_path / 'a.1').stat().st_mtime == 0 and time.monotonic() < until:
            time.sleep(0.02)
        assert (tmp_path / 'a.1').stat().st_mtime > 0
