"""What can be given wrongly to the benchmark, or happen to its files: one clear message each, and nothing is broken."""
import errno
import json
import os

import pytest

from humanbench import files
from humanbench.benchmark.claims import Claims
from humanbench.benchmark.files import _CANNOT_WRITE, explained
from humanbench.benchmark.plan import Cell, Weights
from humanbench.benchmark.results import RECORD_VERSION, load_records
from humanbench.benchmark.run import run_cells
from humanbench.errors import UserError

from . import cell_functions, fakes
from .test_command import load_main

LIP = ['--weights', 'scratch', '--datasets', 'lip', '--protocol', 'full', '--flavor', 'debug']
SCRATCH = Weights('scratch', 'scratch')


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a command with cells that take no time; gives its status and its only line of complaint."""
    from humanbench.benchmark import commands
    monkeypatch.setattr(commands, 'run_cells', lambda *given, processes: run_cells(
        *given, cell_functions.quick_cell, processes=processes))
    main = load_main()

    def command(*words):
        status = main([str(x) for x in words])
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == (status == 2), lines
        return status, ''.join(lines)

    return command


@pytest.mark.parametrize('words, message', [
    (['--datasets', 'lipp'], "Unknown benchmark dataset 'lipp'. Did you mean 'lip'"),
    (['--datasets', 'market1501_attribute'], 'Unknown benchmark dataset'),  # known, but nothing to benchmark on
    (['--datasets', 'none.py'], 'none.py'),
    (['--protocols', 'fulll'], "Did you mean 'full'"),
    (['--flavor', 'debgu'], "No flavour 'debgu' for lip"),
    (['--weights', 'tim:vit_base_patch16_224'], "Did you mean 'timm'"),
    (['--weights', 'timm:vit_base_patch16_242'], "Did you mean 'vit_base_patch16_224'"),
    (['--weights', 'path:none.pth'], "no weight file 'none.pth'"),
    (['--weights', 'scratch', 'scratch'], 'Two of one weights: scratch'),
    (['--weights', 'a=scratch', 'a=timm:vit_base_patch16_224'], 'Two of one weights: a'),
    (['--seeds', '1', '2', '1'], 'Two of one seed: 1'),
    (['--cfg-options', 'lr'], '--cfg-options takes KEY=VALUE'),
], ids=str)
def test_names_that_mean_nothing(run, tmp_path, words, message):
    for verb in ('plan', 'run'):
        status, said = run(verb, *LIP, *words, '--out', tmp_path)
        assert status == 2 and message in said


@pytest.mark.parametrize('words, message', [
    (['--workers', '0'], '0 workers cannot run anything'), (['--gpus-per-cell', '0'], '0 processes cannot run'),
    (['--audit', 'none.json'], 'none.json')])
def test_numbers_and_files_that_cannot_be_meant(run, tmp_path, words, message):
    status, said = run('run', *LIP, *words, '--out', tmp_path)
    assert status == 2 and message in said


def test_more_gpus_for_a_cell_than_there_are(run, tmp_path, monkeypatch):
    from humanbench.benchmark import run as running
    monkeypatch.setattr(running, 'device_count', lambda: 2)
    status, said = run('run', *LIP, '--gpus-per-cell', '4', '--out', tmp_path)
    assert status == 2 and '4 GPUs for each cell, and this machine has 2' in said


BROKEN = {'half': lambda text: text[:100], 'empty': lambda text: '', 'a list': lambda text: '[1]',
          'no text': lambda text: '\0\1', 'of another version': lambda text: text.replace(
              f'"record_version": {RECORD_VERSION}', '"record_version": 9')}


@pytest.mark.parametrize('breaking', BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize('verb', ['report', 'validate', 'compare'])
def test_a_record_that_is_broken_is_named(run, tmp_path, capsys, verb, breaking):
    whole = fakes.write_record(tmp_path, Cell('lip', 'full', Weights('whole', 'scratch'), 0, 'debug'), 0.4)
    path = fakes.write_record(tmp_path, Cell('lip', 'full', SCRATCH, 0, 'debug'), 0.5)
    path.write_text(breaking(path.read_text()))
    if verb == 'validate':  # it looks at everything, and lists what it finds
        assert load_main()([verb, '--out', str(tmp_path)]) == 1
        said = capsys.readouterr().out
        assert said.startswith('WRONG: ')
    else:
        status, said = run(verb, *(['scratch', 'whole'] if verb == 'compare' else []), '--out', tmp_path)
        assert status == 2
    assert str(path) in said and 'elete' in said and str(whole) not in said


@pytest.mark.parametrize('text', ['{', '{}', '{"attempts": "x", "key": {}}'])
def test_a_broken_note_of_a_failure_is_named(run, tmp_path, text):
    path = tmp_path / 'cells' / f'{Cell("lip", "full", SCRATCH, 0, "debug").slug}.failed.json'
    files.write_text(path, text)
    status, said = run('plan', *LIP, '--out', tmp_path)
    assert status == 2 and str(path) in said and 'Delete it' in said


@pytest.mark.parametrize('verb', ['run', 'report'])
def test_a_file_in_the_place_of_the_folder(run, tmp_path, verb):
    (tmp_path / 'out').write_text('')
    status, said = run(verb, *(LIP if verb == 'run' else []), '--out', tmp_path / 'out')
    assert status == 2 and str(tmp_path / 'out') in said


def test_a_plan_that_cannot_be_written(run, tmp_path):
    (tmp_path / 'file').write_text('')
    status, said = run('plan', *LIP, '--out', tmp_path, '--json', tmp_path / 'file' / 'plan.json')
    assert status == 2 and 'a file is in the place of a folder' in said


@pytest.mark.parametrize('number', _CANNOT_WRITE)
def test_every_reason_not_to_write_says_what_to_do(tmp_path, number):
    with pytest.raises(UserError, match='cannot be written: .* give the same command again'), explained(tmp_path):
        raise OSError(number, os.strerror(number), str(tmp_path))


def test_what_is_no_matter_of_writing_is_not_explained_away(tmp_path):
    with pytest.raises(OSError) as error, explained(tmp_path):
        raise OSError(errno.EIO, 'Input/output error')
    assert not isinstance(error.value, UserError)


def full_disk(monkeypatch, suffix):
    """No file of this kind can be brought to the disk."""
    sync = os.fsync

    def fsync(descriptor):
        if os.readlink(f'/proc/self/fd/{descriptor}').endswith(suffix):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(files.os, 'fsync', fsync)


def test_a_full_disk_leaves_no_half_record_and_the_same_command_goes_on(run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        full_disk(patch, '.json')
        status, said = run('run', *LIP, '--out', tmp_path)
    assert status == 2 and 'No space left on device' in said and 'free some space' in said
    assert not list((tmp_path / 'cells').iterdir()) and not list((tmp_path / 'claims').iterdir())
    assert run('run', *LIP, '--out', tmp_path)[0] == 0
    assert [x.value for x in load_records(tmp_path)] == [0.5]


def test_a_full_disk_leaves_the_old_leaderboard(run, tmp_path, monkeypatch):
    fakes.write_record(tmp_path, Cell('lip', 'full', SCRATCH, 0, 'debug'), 0.5)
    assert run('report', '--out', tmp_path)[0] == 0
    before = (tmp_path / 'leaderboard.html').read_bytes()
    fakes.write_record(tmp_path, Cell('lip', 'full', Weights('b', 'scratch'), 0, 'debug'), 0.6)
    with monkeypatch.context() as patch:
        full_disk(patch, '.html')
        status, said = run('report', '--out', tmp_path)
    assert status == 2 and 'No space left' in said and (tmp_path / 'leaderboard.html').read_bytes() == before


def test_a_disk_that_is_full_for_a_claim_leaves_none(tmp_path, monkeypatch):
    def refuse(value, file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Claims(tmp_path) as claims:
        with monkeypatch.context() as patch:
            patch.setattr(json, 'dump', refuse)
            with pytest.raises(OSError):
                claims.take('a')
        assert not list(tmp_path.iterdir()) and claims.take('a')
