"""What a folder of records proves: every way of tampering with it is named, and an honest one passes."""
import shutil

import pytest

from humanbench.benchmark.files import read_json, write_json
from humanbench.benchmark.plan import Cell, Weights
from humanbench.benchmark.results import record_digest
from humanbench.benchmark.validate import check_folder
from humanbench.errors import UserError

from . import fakes

ROWS = {'a': 0.9, 'b': 0.4}


@pytest.fixture(scope='module')
def honest(tmp_path_factory):
    out = tmp_path_factory.mktemp('honest')
    fakes.write_board(out, ROWS, datasets=('lip', 'h36m_pose'), protocols=('full', 'head'), seeds=(0, 1))
    return out


@pytest.fixture
def folder(honest, tmp_path):
    return shutil.copytree(honest, tmp_path / 'out')


def path_of(folder, row='a', dataset='lip', protocol='full', seed=0):
    return folder / 'cells' / f'{Cell(dataset, protocol, Weights(row, "scratch"), seed).slug}.json'


def forge(path, sign, **changes):
    """Change a record; ``sign`` gives it a digest that fits."""
    values = read_json(path) | changes
    write_json(path, values | {'digest': record_digest(values)} if sign else values)


def swap(folder):
    one, other = path_of(folder, 'a'), path_of(folder, 'b')
    text = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(text)


def key(path, **parts):
    return read_json(path)['key'] | parts


WRONG = {
    'a number': (lambda x: forge(path_of(x), False, value=0.99, metrics={'mIoU': 0.99}), 'its digest does not fit'),
    'a number, not its copy in the metrics': (lambda x: forge(path_of(x), True, value=0.99), 'is not metrics.mIoU'),
    'a number no such metric has': (
        lambda x: forge(path_of(x), True, value=1.7, metrics={'mIoU': 1.7}), 'mIoU = 1.7, which it cannot be'),
    'two records swapped': (swap, 'is the record of another cell'),
    'another seed': (lambda x: forge(path_of(x), False, seed=7), 'its digest does not fit'),
    'another seed, signed': (lambda x: forge(path_of(x), True, seed=7), 'is the record of another cell'),
    'one cell as two seeds': (
        lambda x: shutil.copy(path_of(x), path_of(x, seed=5)), 'is the record of another cell'),
    'another dataset': (lambda x: forge(path_of(x), True, dataset='cihp'), 'is the record of another cell'),
    'another metric version': (
        lambda x: forge(path_of(x), True, key=key(path_of(x), metric_version='0')), 'their metric version differs'),
    'another protocol version': (
        lambda x: forge(path_of(x), True, key=key(path_of(x), protocol_version='0')), 'their protocol version differs'),
    'one row of two networks': (
        lambda x: forge(path_of(x), True, backbone='another'), 'their backbone differs'),
    'seeds of two recipes': (
        lambda x: forge(path_of(x), True, key=key(path_of(x), config_hash='0')), 'their recipe differs'),
    'seeds of two sets of weights': (
        lambda x: forge(path_of(x), True, key=key(path_of(x), weights_hash='0')), 'their set of weights differs'),
    'other test images': (lambda x: forge(path_of(x), True, split_hash={'test': '0'}), 'their test split differs'),
    'another input size': (lambda x: forge(path_of(x), True, input_size=[480, 480]), 'their input size differs'),
    'a record of another version': (
        lambda x: forge(path_of(x), True, record_version=9), 'is a record of version 9; this HumanBench reads'),
    'half a file': (lambda x: path_of(x).write_text(path_of(x).read_text()[:200]), 'is not JSON'),
    'no record': (lambda x: path_of(x).write_text('{}'), 'is not a record of a finished cell'),
    'an unknown group': (lambda x: forge(path_of(x), True, group='best'), "group is 'best'"),
}


def test_an_honest_folder_is_valid(folder):
    found = check_folder(folder)
    assert found.ok and found.records == 16 and not found.wrong
    assert '16 records are whole and comparable; 0 cells absent, 0 with fewer seeds.' in str(found)


@pytest.mark.parametrize('change, message', WRONG.values(), ids=WRONG)
def test_whatever_is_changed_is_named(folder, change, message):
    change(folder)
    found = check_folder(folder)
    assert not found.ok and any(message in x for x in found.wrong), found.wrong
    assert 'this folder proves nothing' in str(found)


def test_every_fault_is_named_at_once(folder):
    WRONG['a number'][0](folder)
    path_of(folder, 'b', 'h36m_pose').write_text('{}')
    found = check_folder(folder)
    assert len(found.wrong) == 2 and found.records == 14


def test_an_absent_cell_and_an_absent_seed_are_named(folder):
    path_of(folder, 'b', 'lip', 'head', 1).unlink()
    found = check_folder(folder)
    assert not found.ok and found.uneven == ('fewer seeds: b on lip, head: 1 of 2',) and not found.absent
    path_of(folder, 'b', 'lip', 'head', 0).unlink()
    found = check_folder(folder)
    assert found.absent == ('not run: b on lip, head',) and not found.uneven


def test_a_copy_under_another_seed_is_pointed_at(folder):
    values = read_json(path_of(folder)) | {'seed': 1}
    write_json(path_of(folder, seed=1), values | {'digest': record_digest(values)})
    found = check_folder(folder)
    assert any('seeds 0 and 1 have equal metrics to the last digit' in x for x in found.notes)


def test_records_that_are_all_of_an_older_metric_are_valid_and_said_to_be_old(folder):
    for path in (folder / 'cells').glob('*__lip__*.json'):
        forge(path, True, key=key(path, metric_version='0'))
    found = check_folder(folder)
    assert found.ok and any('of lip are of metric version 0' in x for x in found.notes)


def test_nothing_to_look_at_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match='holds no finished cell'):
        check_folder(tmp_path)
