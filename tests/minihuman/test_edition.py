"""The edition on disk: the same bytes whoever writes it, whole or not there, and never over somebody's data."""
import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from humanbench import catalog
from humanbench.errors import UserError
from humanbench.minihuman import SIZES, edition, ensure
from humanbench.minihuman.writers import WRITERS
from humanbench.minihuman.writers.market1501 import Market1501

FORK = multiprocessing.get_context('fork')
MARKET = 'Market-1501-v15.09.15'


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below ``folder``, the folder of locks aside."""
    return {str(x.relative_to(folder)): hashlib.sha256(x.read_bytes()).hexdigest()
            for x in sorted(folder.rglob('*')) if x.is_file() and x.relative_to(folder).parts[0] != '.minihuman'}


def leftovers(base: Path) -> list[str]:
    return [x.name for x in (base / '.minihuman').iterdir() if x.suffix != '.lock']


def test_every_dataset_with_a_card_has_a_writer_and_every_size():
    assert set(WRITERS) == set(catalog.ids())
    for size in SIZES.values():
        assert set(size) == set(WRITERS)


@pytest.mark.parametrize('dataset', list(WRITERS))
def test_each_dataset_lies_where_its_card_says_and_is_stamped(tiny, dataset):
    stamp = json.loads((tiny / catalog.card(dataset).layout.root / edition.STAMP).read_text())
    assert stamp == {'dataset': dataset, 'version': edition.VERSION + edition.REVISIONS.get(dataset, 0),
                     'size': 'tiny', 'seed': 0}


def test_files_do_not_depend_on_the_number_of_workers(tiny, tmp_path):
    ensure(tmp_path, 'tiny', seed=0, workers=3)
    one, three = digests(tiny), digests(tmp_path)
    assert len(one) > 400
    assert one == three


def test_files_do_not_depend_on_the_other_datasets_made(tiny, tmp_path):
    ensure(tmp_path, 'tiny', seed=0, datasets=['lip'], workers=1)
    assert digests(tmp_path / 'LIP') == digests(tiny / 'LIP')


def test_another_seed_gives_other_pictures(tiny, tmp_path):
    ensure(tmp_path, 'tiny', seed=1, datasets=['market1501'], workers=1)
    one, other = digests(tiny / MARKET), digests(tmp_path / MARKET)
    same = [x for x in one.keys() & other.keys() if x.endswith('.jpg') and one[x] == other[x]]
    assert len(one.keys() & other.keys()) > 5 and not same


def test_a_finished_dataset_is_left_alone(tiny, tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(edition, '_make', lambda base, *_: made.append(base))
    before = {path: path.stat().st_mtime_ns for path in tiny.rglob('*')}
    ensure(tiny, 'tiny', seed=0)
    assert made == [] and {path: path.stat().st_mtime_ns for path in tiny.rglob('*')} == before
    ensure(tmp_path, 'tiny', 0, ['market1501', 'lip'])  # nothing is there
    assert made == [tmp_path, tmp_path]


@pytest.mark.parametrize('change', [{'seed': 1}, {'version': edition.VERSION + 1}], ids=['seed', 'version'])
@pytest.mark.parametrize('whose', ['VERSION', 'REVISIONS'])
def test_a_stale_dataset_is_made_anew(tmp_path, monkeypatch, change, whose):
    ensure(tmp_path, 'tiny', 0, ['market1501'], 1)
    (tmp_path / MARKET / 'left from before').touch()
    version = change.get('version', edition.VERSION)
    monkeypatch.setattr(edition, whose, {'market1501': version - edition.VERSION} if whose == 'REVISIONS' else version)
    ensure(tmp_path, 'tiny', change.get('seed', 0), ['market1501'], 1)
    stamp = json.loads((tmp_path / MARKET / edition.STAMP).read_text())
    assert {**stamp, **change} == stamp
    assert not (tmp_path / MARKET / 'left from before').exists() and not leftovers(tmp_path)


class Crash(Exception):
    """What goes wrong in these tests."""


def crash(*_):
    raise Crash


def write_until_20(self, job):
    if job.index == 20:
        raise Crash
    return write(self, job)


write = Market1501.write
write_until_20.__name__ = 'write'  # a method travels to the workers by its name
BREAKS = [('write', write_until_20), ('finish', crash)]


@pytest.mark.parametrize('workers', [1, 2])
@pytest.mark.parametrize('name, broken', BREAKS, ids=[x[0] for x in BREAKS])
def test_a_crash_leaves_nothing_and_the_next_call_makes_it_whole(tiny, tmp_path, monkeypatch, name, broken, workers):
    with monkeypatch.context() as patch:
        patch.setattr(Market1501, name, broken)
        with pytest.raises(Crash):
            ensure(tmp_path, 'tiny', 0, ['market1501'], workers)
    assert [x.name for x in tmp_path.iterdir()] == ['.minihuman'] and not leftovers(tmp_path)
    ensure(tmp_path, 'tiny', 0, ['market1501'], workers)
    assert digests(tmp_path / MARKET) == digests(tiny / MARKET)


def test_a_crash_leaves_the_edition_before_it(tmp_path, monkeypatch):
    ensure(tmp_path, 'tiny', 0, ['market1501'], 1)
    before = digests(tmp_path)
    monkeypatch.setattr(Market1501, 'finish', crash)
    with pytest.raises(Crash):
        ensure(tmp_path, 'tiny', 1, ['market1501'], 1)
    assert digests(tmp_path) == before


def make_and_note(base: Path, barrier, made: Path) -> None:
    make = edition._make

    def noted(*args):
        with open(made, 'a') as file:
            file.write(f'{os.getpid()}\n')
        make(*args)

    edition._make = noted
    barrier.wait()
    ensure(base, 'tiny', 0, ['market1501'], 1)
    assert (base / MARKET / edition.STAMP).is_file()


def test_of_several_processes_at_once_one_makes_it_and_all_find_it(tiny, tmp_path):
    barrier, made = FORK.Barrier(3), tmp_path / 'made'
    processes = [FORK.Process(target=make_and_note, args=(tmp_path / 'base', barrier, made)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [x.exitcode for x in processes] == [0, 0, 0]
    assert len(made.read_text().split()) == 1
    assert digests(tmp_path / 'base' / MARKET) == digests(tiny / MARKET)


def stop_at_20(self, job):
    if job.index == 20:
        (self.root.parent / 'reached').touch()
        time.sleep(60)
    return write(self, job)


stop_at_20.__name__ = 'write'


def make_until_killed(base: Path) -> None:
    Market1501.write = stop_at_20
    ensure(base, 'tiny', 0, ['market1501'], 2)


def test_after_a_kill_the_next_process_neither_waits_nor_trips(tiny, tmp_path):
    process = FORK.Process(target=make_until_killed, args=(tmp_path,))
    process.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / '.minihuman' / 'reached').exists():
        assert time.monotonic() < deadline and process.is_alive()
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert any(x.endswith('.tmp') for x in leftovers(tmp_path))  # what the killed one left
    started = time.monotonic()
    ensure(tmp_path, 'tiny', 0, ['market1501'], 1)
    assert time.monotonic() - started < 30  # its workers sleep longer than that
    assert digests(tmp_path / MARKET) == digests(tiny / MARKET)


def test_a_folder_that_is_not_ours_is_not_touched(tmp_path):
    (tmp_path / MARKET).mkdir()
    (tmp_path / MARKET / 'precious.jpg').write_bytes(b'a real photograph')
    with pytest.raises(UserError, match='was not made by MiniHuman'):
        ensure(tmp_path, 'tiny', 0, ['market1501'], 1)
    assert (tmp_path / MARKET / 'precious.jpg').read_bytes() == b'a real photograph'


@pytest.mark.parametrize('arguments, message', [
    ({'size': 'smal'}, "Did you mean 'small'"), ({'datasets': ['market15']}, "Did you mean 'market1501'"),
    ({'seed': -1}, 'seed -1'), ({'workers': 0}, 'workers 0')])
def test_a_wrong_argument_is_named(tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        ensure(tmp_path, **{'size': 'tiny', **arguments})


def test_the_reader_s_way_to_it(tmp_path, monkeypatch):
    """'minihuman:tiny@3' as a data root makes one dataset below $HUMANBENCH_DATA."""
    from humanbench.datasets.roots import dataset_root
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    root = dataset_root('minihuman:tiny@3', catalog.card('lip'))
    assert root == tmp_path / 'minihuman/tiny@3/LIP'
    assert json.loads((root / edition.STAMP).read_text())['seed'] == 3


def run(arguments: list[str]) -> subprocess.CompletedProcess:
    tool = Path(__file__).parents[2] / 'tools' / 'minihuman.py'
    return subprocess.run([sys.executable, tool, *arguments], capture_output=True, text=True)


def test_the_command_line(tiny, tmp_path):
    made = run(['--root', str(tmp_path), '--size', 'tiny', '--datasets', 'atr', '--workers', '1'])
    assert made.returncode == 0 and 'atr, 12 images' in made.stderr
    assert digests(tmp_path) == {f'humanparsing/{k}': v for k, v in digests(tiny / 'humanparsing').items()}
    wrong = run(['--root', str(tmp_path), '--size', 'tinny'])
    assert wrong.returncode == 2 and "Did you mean 'tiny'" in wrong.stderr and 'Traceback' not in wrong.stderr
