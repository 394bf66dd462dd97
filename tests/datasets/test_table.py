"""The index of a large dataset: the same records, mapped from disk, and made anew when what it was made of changes."""
import json
import multiprocessing
import os
import pickle
import shutil

import numpy as np
import pytest

from humanbench import datasets
from humanbench.datasets import base, safe_pickle
from humanbench.datasets.table import TableWriter, open_table
from humanbench.errors import DataError, UserError
from humanbench.minihuman import ensure

READERS = {id: reader for reader in datasets.READERS for id in reader.datasets}
RECORDS = [
    dict(img_path='/data/set/a/1.jpg', pid=3, keypoints=np.arange(6, dtype=np.float32).reshape(1, 3, 2)),
    dict(img_path='/data/set/ä b\udcff.jpg', pid=-1, instances=[dict(bbox=[1.0, 2.5], ignore_flag=1)],
         text='/data/settings'),
    dict(img_path='/elsewhere/2.jpg', pid=2**40, empty=np.zeros((0, 2)), nothing=None),
]


@pytest.fixture
def indexed(monkeypatch, tmp_path):
    """From two records on a dataset is large, and its index lies in a cache of this test alone."""
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(base, 'INDEX_FROM', 2)
    return tmp_path / 'cache' / 'index'


def filled(folder=None) -> TableWriter:
    writer = TableWriter('/data/set/', ('pid',))
    for i, record in enumerate(RECORDS):
        if folder is not None and i == 1:
            writer.spill(folder)
        writer.add(record)
    return writer


def same(a: dict, b: dict) -> bool:
    return repr(sorted(a.items())) == repr(sorted(b.items()))


def market(tmp_path, edition):
    """A copy of a tiny dataset that a test may change."""
    ensure(edition / 'minihuman/tiny', 'tiny', datasets=['market1501'])
    root = tmp_path / 'market'
    shutil.copytree(edition / 'minihuman/tiny/Market-1501-v15.09.15', root)
    return root


@pytest.mark.parametrize('spilled', [False, True])
def test_records_come_back_as_they_were(spilled, tmp_path):
    folder = tmp_path / 'table' if spilled else None
    writer = filled(folder)
    table = writer.finish(writer.columns(), dict(note='kept'))
    assert len(table) == 3 and all(same(table[i], record) for i, record in enumerate(RECORDS))
    assert table.columns['pid'].tolist() == [3, -1, 2**40] and table.header == dict(note='kept')
    assert (b'/data/set/a' in bytes(table.data)) is False and b'/elsewhere' in bytes(table.data)
    if spilled:
        assert same(open_table(folder)[1], RECORDS[1]) and os.listdir(tmp_path) == ['table']


def test_a_table_of_another_version_is_not_opened(tmp_path):
    filled(tmp_path / 'table').finish({}, {})
    header = tmp_path / 'table/header.json'
    header.write_text(json.dumps(dict(json.loads(header.read_text()), version=0)))
    assert open_table(tmp_path / 'table') is None and open_table(tmp_path / 'nothing') is None


def test_what_is_not_finished_leaves_nothing(tmp_path):
    writer = filled(tmp_path / 'table')
    assert os.listdir(tmp_path)
    writer.discard()
    assert not os.listdir(tmp_path)


def test_another_process_maps_the_same_file(tmp_path):
    spilled, in_memory = filled(tmp_path / 'table').finish({}, {}), filled().finish({}, {})
    assert len(pickle.dumps(spilled)) < 300
    for table in (spilled, in_memory):
        assert same(pickle.loads(pickle.dumps(table))[2], RECORDS[2])


@pytest.mark.parametrize('id, split', [(id, reader.splits[0]) for id, reader in READERS.items()])
def test_an_index_gives_what_the_native_files_give(id, split, edition, indexed, monkeypatch):
    def read(expected_index: bool) -> tuple:
        dataset = READERS[id]('minihuman:tiny', split, dataset=id)
        assert (dataset._table.folder is not None) == expected_index
        return dataset.fingerprint(), dataset.metainfo, [x.path for x in dataset._folders]

    made = read(True)
    with monkeypatch.context() as patch:
        patch.setattr(READERS[id], 'load_records', None)  # the native files are not read again
        opened = read(True)
    monkeypatch.setattr(base, 'INDEX_FROM', 10**6)
    monkeypatch.setenv('HUMANBENCH_CACHE', str(indexed.parent / 'empty'))
    plain = read(False)
    assert made[0] == opened[0] == plain[0]
    assert repr(made[1]) == repr(opened[1]) == repr(plain[1]) and made[2] == opened[2] == plain[2]


def test_it_is_made_anew_when_a_file_comes_or_goes(tmp_path, edition, indexed):
    root = market(tmp_path, edition)
    count = len(datasets.Market1501(root))
    name = next((root / 'bounding_box_train').glob('*.jpg'))
    shutil.copy(name, name.with_name('0042_c1s1_000001_01.jpg'))
    after = datasets.Market1501(root)
    assert len(after) == count + 1 and after.metainfo['num_ids'] == len({x['pid'] for x in map(
        after.get_data_info, range(len(after)))})
    assert len([x for x in os.listdir(indexed) if not x.endswith('.lock')]) == 1


def test_every_split_argument_and_place_has_its_own(tmp_path, edition, indexed):
    root = market(tmp_path, edition)
    shutil.copytree(root, tmp_path / 'other')
    for dataset in (datasets.Market1501(root), datasets.Market1501(root, 'query'),
                    datasets.Market1501(root, img_dir='bounding_box_test'), datasets.Market1501(tmp_path / 'other'),
                    datasets.Market1501(root, indices=3),  # this and the next read the index of the first
                    datasets.Market1501(split='train', root=str(root), ann_file=None, dataset='market1501')):
        assert dataset.get_data_info(0)['img_path'].startswith(str(dataset.root))
    assert len([x for x in os.listdir(indexed) if not x.endswith('.lock')]) == 4


def test_an_argument_of_one_reader_has_its_own(edition, indexed):
    kinds = {boxes: datasets.CUHK03('minihuman:tiny', boxes=boxes).fingerprint() for boxes in ('detected', 'labeled')}
    assert len(set(kinds.values())) == 2 == len([x for x in os.listdir(indexed) if not x.endswith('.lock')])


def test_a_record_that_cannot_be_read_leaves_no_index(tmp_path, edition, indexed):
    root = market(tmp_path, edition)
    (root / 'bounding_box_train/zzz.jpg').touch()
    with pytest.raises(DataError, match='zzz.jpg'):
        datasets.Market1501(root)
    assert all(x.endswith('.lock') for x in os.listdir(indexed)) if indexed.is_dir() else True


def test_a_cache_that_cannot_be_written_is_said(tmp_path, edition, indexed):
    indexed.parent.mkdir()
    indexed.touch()  # a file where the folder would be
    with pytest.raises(UserError, match='HUMANBENCH_CACHE'):
        datasets.Market1501(market(tmp_path, edition))


def _open(root: str, results) -> None:
    results.put(datasets.Market1501(root).fingerprint())


def test_processes_that_open_it_at_once_agree(tmp_path, edition, indexed):
    root, context = str(market(tmp_path, edition)), multiprocessing.get_context('fork')
    results = context.Queue()
    processes = [context.Process(target=_open, args=(root, results)) for _ in range(4)]
    for process in processes:
        process.start()
    found = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert len(found) == 1 and not [x for x in os.listdir(indexed) if x.endswith('.tmp')]


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_every_pickle_protocol_are_read(protocol, tmp_path):
    value = dict(array=np.arange(6.0).reshape(2, 3), number=np.float32(2.5), objects=np.array(['a', None], object),
                 texts=['x', ('y', b'')], empty=np.zeros((2, 0), int))
    path = tmp_path / 'values.pkl'
    path.write_bytes(pickle.dumps(value, protocol))
    assert repr(safe_pickle.read_pickle(path, 'a dict')) == repr(value)


class Program:
    """Says what to call when it is unpickled."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize('call', [(os.mkdir, 'ran'), (eval, '1'), (getattr, 'x', 'upper'), (bytearray, 9)])
def test_a_pickle_that_would_run_a_program_is_refused(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / 'bad.pkl'
    path.write_bytes(pickle.dumps([Program(*call)]))
    with pytest.raises(DataError, match=f"'.*{call[0].__name__}'.*could run a program"):
        safe_pickle.read_pickle(path, 'a list')
    assert not os.path.exists('ran')
    pickle.loads(path.read_bytes())  # the control: Python's own loader calls it
    assert os.path.exists('ran') == (call[0] is os.mkdir)


@pytest.mark.parametrize('data', [b'', b'\x80\x04', b'not a pickle', pickle.dumps(list(range(1000)))[:-20]])
def test_a_broken_pickle_is_said(data, tmp_path):
    (tmp_path / 'bad.pkl').write_bytes(data)
    with pytest.raises(DataError, match=r"bad\.pkl.*Expected a list"):
        safe_pickle.read_pickle(tmp_path / 'bad.pkl', 'a list')
