"""Datasets as tar shards: packing them, and reading them as if they were folders."""
import os
import shutil
import struct
import subprocess
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from humanbench import catalog
from humanbench.datasets import READERS, Market1501, base, dataset_root, storage
from humanbench.datasets.storage import cache as caching
from humanbench.datasets.storage import packing
from humanbench.datasets.storage.index import INDEX, Entries, PackIndex, Shard, verify_index, write_index
from humanbench.datasets.transforms.depth import read_depth
from humanbench.datasets.transforms.loading import read_image
from humanbench.errors import DataError, UserError

NAMES = ['labels/train.json', 'labels/deep/er/a.mat', 'images/1.jpg', 'images/1/2.jpg', 'images/10.jpg', 'empty.txt',
         'images/' + 'long' * 40 + '.png', 'images/名前 ü.jpg', 'z.bin']


@pytest.fixture
def plain(tmp_path) -> Path:
    """A folder with files of all kinds of names."""
    root, rng = tmp_path / 'plain', np.random.default_rng(0)
    for name in NAMES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.bytes(0 if name == 'empty.txt' else int(rng.integers(1, 5000))))
    (root / 'nothing' / 'here').mkdir(parents=True)
    (root / 'images' / 'again.jpg').symlink_to('1.jpg')
    (root / 'more').symlink_to('labels')
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(x.relative_to(folder)): x.read_bytes() for x in folder.rglob('*') if x.is_file()}


def packed(root: Path, out: Path, shard_bytes: int = 6000) -> Path:
    return storage.pack(root, out, shard_bytes, progress=False).folder


# ------------------------------------------------------------------------------------------------------------ packing
def test_unpacking_all_shards_with_tar_gives_the_folder_back(plain, tmp_path):
    out, again = packed(plain, tmp_path / 'packed'), tmp_path / 'again'
    shards = sorted(out.glob('shard-*.tar'))
    again.mkdir()
    for shard in shards:
        subprocess.run(['tar', 'xf', shard, '-C', again], check=True)
    assert len(shards) > 2 and contents(again)
    assert subprocess.run(['diff', '-r', plain, again], check=False).returncode == 0  # follows links; empty folders too
    assert {x.name for x in out.iterdir()} == {INDEX, *(x.name for x in shards)}


def test_what_is_packed_is_counted(plain, tmp_path):
    made = storage.pack(plain, tmp_path / 'packed', progress=False)
    files = [x for x in NAMES if x.startswith('labels')] + NAMES + ['images/again.jpg']  # 'more' are the labels again
    assert (made.files, made.shards) == (len(files), 1)
    assert made.size == sum((plain / x).stat().st_size for x in files)


def test_equal_folders_give_equal_bytes(plain, tmp_path):
    twin = tmp_path / 'twin'
    shutil.copytree(plain, twin, symlinks=True)
    for path in twin.rglob('*.jpg'):
        os.utime(path, (1, 1))
    first, second = packed(plain, tmp_path / 'a'), packed(twin, tmp_path / 'b')
    assert contents(first) == contents(second)
    (twin / 'z.bin').write_bytes(b'other')
    assert contents(first) != contents(packed(twin, tmp_path / 'c'))


@pytest.mark.parametrize('spoil', ['out', 'chain', 'loop', 'dangling', 'pipe', 'secret'])
def test_links_out_of_the_folder_and_odd_files_are_refused(plain, tmp_path, spoil):
    (tmp_path / 'plainer').mkdir()
    (tmp_path / 'plainer' / 'secret').write_text('secret')
    path = plain / 'images' / 'odd'
    if spoil == 'pipe':
        os.mkfifo(path)
    else:
        path.symlink_to(dict(out=tmp_path / 'plainer', secret='../../plainer/secret', loop='../images', chain='chain2',
                             dangling='nowhere')[spoil])
        if spoil == 'chain':
            (plain / 'images' / 'chain2').symlink_to('/etc')
    with pytest.raises(DataError, match='(odd|chain2)\'?[ :]'):
        packed(plain, tmp_path / 'packed')
    assert not (tmp_path / 'packed' / INDEX).exists()
    path.unlink()
    (plain / 'images' / 'chain2').unlink(missing_ok=True)
    packed(plain, tmp_path / 'packed')  # control: that alone was wrong


def test_a_place_that_will_not_do_is_refused(plain, tmp_path):
    out = packed(plain, tmp_path / 'packed')
    before = contents(out)
    for root, target, words in ((plain, out, 'holds a packed dataset already'), (out, tmp_path / 'x', 'packed dataset'),
                                (plain, plain / 'images' / 'x', 'into itself'), (plain / 'no', out, 'is no folder'),
                                (plain / 'nothing' / 'here', tmp_path / 'x', 'is empty')):
        with pytest.raises(UserError, match=words):
            packed(root, target)
    with pytest.raises(UserError, match='shard_bytes'):
        packed(plain, tmp_path / 'x', 0)
    assert contents(out) == before


def interrupt(monkeypatch, after: int) -> None:
    """Packing is killed while it writes the shard after so many."""
    write, add = packing._write_shard, packing._add
    calls = []

    def dying(path, note, part, advance):
        calls.append(path)
        if len(calls) > after:
            monkeypatch.setattr(packing, '_add', lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        try:
            return write(path, note, part, advance)
        finally:
            monkeypatch.setattr(packing, '_add', add)

    monkeypatch.setattr(packing, '_write_shard', dying)


def test_an_interrupted_run_goes_on_after_its_last_whole_shard(plain, tmp_path, monkeypatch):
    whole, out = packed(plain, tmp_path / 'whole', 1), tmp_path / 'packed'
    with monkeypatch.context() as patch:
        interrupt(patch, after=4)
        with pytest.raises(KeyboardInterrupt):
            packed(plain, out, 1)
    assert not storage.exists(out / 'z.bin') and len(list(out.glob('shard-*.tar'))) == 4
    (out / '.shard-00004.tar.tmp').write_bytes(b'left by kill -9')
    written, add = [], packing._add
    monkeypatch.setattr(packing, '_add', lambda *args: written.append(args[1].name) or add(*args))
    packed(plain, out, 1)
    assert contents(out) == contents(whole) and len(written) == len(PackIndex(out / INDEX)) - 4


def test_a_file_that_changed_meanwhile_is_packed_anew(plain, tmp_path, monkeypatch):
    out = tmp_path / 'packed'
    with monkeypatch.context() as patch:
        interrupt(patch, after=4)
        with pytest.raises(KeyboardInterrupt):
            packed(plain, out, 1)
    name = PackIndex(packed(plain, tmp_path / 'whole', 1) / INDEX).member(0).name
    (plain / name).write_bytes(b'changed')
    packed(plain, out, 1)
    assert storage.read(out / name) == b'changed' and storage.verify(out, progress=False) == []


def test_a_file_that_shrinks_or_grows_while_it_is_packed_is_an_error(plain, tmp_path, monkeypatch):
    walk = packing._walk
    for change in (-1, 1):
        monkeypatch.setattr(packing, '_walk', lambda root: [
            x._replace(size=x.size + change) if x.name == b'z.bin' else x for x in walk(root)])  # noqa: B023
        with pytest.raises(DataError, match='z.bin'):
            packed(plain, tmp_path / f'packed{change}')


# ------------------------------------------------------------------------------------------------------------ reading
def test_a_packed_folder_answers_as_the_folder_does(plain, tmp_path):
    out = packed(plain, tmp_path / 'packed')
    for folder, folders, files in os.walk(plain, followlinks=True):
        name = os.path.relpath(folder, plain)
        assert storage.list_folder(out / name) == (sorted(files), sorted(folders)) == storage.list_folder(folder)
        assert storage.is_folder(out / name) and not storage.is_file(out / name)
        for file in files:
            path = out / name / file
            assert storage.read(path) == (plain / name / file).read_bytes() == storage.read(plain / name / file)
            assert storage.is_file(path) and storage.exists(path) and not storage.is_folder(path)
            assert not storage.is_remote(str(path)) and not path.exists()
            assert storage.local(path).read_bytes() == storage.read(path)
            assert storage.local(plain / name / file) == plain / name / file
    for name in ('images/2.jpg', 'image', 'images/1.jp', 'images/1.jpg/x', 'labels/deep/e', 'zz'):
        assert not storage.exists(out / name)
        with pytest.raises(OSError):
            storage.read(out / name)


def test_a_relative_path_works_too(plain, tmp_path, monkeypatch):
    packed(plain, tmp_path / 'packed')
    monkeypatch.chdir(tmp_path)
    assert storage.read('packed/images/../z.bin') == (plain / 'z.bin').read_bytes()
    assert storage.read('packed//./images//1.jpg') == (plain / 'images/1.jpg').read_bytes()


def test_only_the_bytes_of_a_file_are_read(plain, tmp_path, monkeypatch):
    out, read = packed(plain, tmp_path / 'packed', 2**30), []
    pread = os.pread
    monkeypatch.setattr(os, 'pread', lambda number, size, offset: read.append(size) or pread(number, size, offset))
    for name in NAMES:
        storage.read(out / name)
    assert read == [(plain / name).stat().st_size for name in NAMES]


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(('damage', 'words'), [
    ('truncate', r'has 1,000 bytes and should have [\d,]+'), ('flip', 'another checksum'), ('remove', 'No such file')])
def test_a_damaged_shard_is_named_with_the_file(plain, tmp_path, damage, words):
    out = packed(plain, tmp_path / 'packed', 2**30)
    member = PackIndex(out / INDEX).find('z.bin')
    shard = out / member.shard.name
    assert storage.verify(out, progress=False) == []
    if damage == 'truncate':
        os.truncate(shard, 1000)
    elif damage == 'flip':
        flip(shard, member.offset)
    else:
        shard.unlink()
    with pytest.raises(DataError, match=words) as caught:
        storage.read(out / 'z.bin')
    assert 'z.bin' in str(caught.value) and 'shard-00000.tar' in str(caught.value)
    assert len(storage.verify(out, progress=False)) == 1
    if damage == 'flip':
        assert storage.read(out / 'images/1.jpg') == (plain / 'images/1.jpg').read_bytes()


def test_a_broken_index_is_refused(plain, tmp_path):
    index = packed(plain, tmp_path / 'packed') / INDEX
    whole = index.read_bytes()
    assert verify_index(index)
    for data in (b'', whole[:7], whole[:40], whole[:60], whole[:-8], whole + b'12345678', b'X' + whole[1:],
                 whole[:48] + struct.pack('<Q', 2**40) + whole[56:], whole.replace(b'"count"', b'"cuont"')):
        index.write_bytes(data)
        assert not verify_index(index)
        with pytest.raises(DataError, match='packed.idx'):
            PackIndex(index)


@pytest.mark.parametrize(('name', 'shard', 'offset'), [
    (b'images/../../secret', 'a.tar', 0), (b'../secret', 'a.tar', 0), (b'/secret', 'a.tar', 0), (b'ok', '../a.tar', 0),
    (b'ok', '/a.tar', 0), (b'ok', 'a.tar', -4), (b'ok', 'a.tar', 4), (b'ok', 'a.tar', 2**62)])
def test_a_hostile_index_leads_nowhere(tmp_path, name, shard, offset):
    (tmp_path / 'secret').write_text('secret')
    out = tmp_path / 'packed'
    out.mkdir()
    write_index(out / INDEX, [Shard(shard, 8, '')], Entries([name], [8], [offset], [0], [zlib.crc32(b'12345678')]))
    (out / 'a.tar').write_bytes(b'12345678')
    with pytest.raises(DataError, match=r'packed\.idx.*(fit|hostile)'):
        for folder in ('', 'images', '..'):
            for found in storage.list_folder(out / folder)[0]:
                storage.read(out / folder / found)
    assert storage.local(tmp_path / 'packed' / '..' / 'secret').read_text() == 'secret'  # that is no packed file


# ------------------------------------------------------------------------------------------------------------ readers
def opened(reader: type, root: Path, dataset: str, split: str):
    return reader(root=str(root), split=split, **(dict(dataset=dataset) if len(reader.datasets) > 1 else {}))


def _picture(record: dict) -> np.ndarray:
    """The pixels of a record; of one whose images lie in a file together, its depth."""
    path = record['img_path']
    return read_depth(path, record['frame_index']) if 'frame_index' in record else np.array(read_image(path))


@pytest.mark.parametrize(('reader', 'dataset'), [(x, name) for x in READERS for name in x.datasets])
def test_every_reader_finds_the_same_in_shards(reader, dataset, edition, tmp_path):
    root = dataset_root('minihuman:tiny', catalog.card(dataset))
    out = packed(root, tmp_path / 'packed', 2**17)
    for split in reader.splits:
        try:
            expected = opened(reader, root, dataset, split)
        except DataError:  # a split that this edition lacks
            with pytest.raises(DataError):
                opened(reader, out, dataset, split)
            continue
        found = opened(reader, out, dataset, split)
        assert len(found) == len(expected) and found.fingerprint() == expected.fingerprint()
        there, here = (_picture(x.record(len(x) - 1)) for x in (expected, found))
        assert np.array_equal(there, here)


def test_other_contents_give_another_fingerprint(edition, tmp_path):
    root = tmp_path / 'market'
    shutil.copytree(dataset_root('minihuman:tiny', catalog.card('market1501')), root)
    before = Market1501(root=str(packed(root, tmp_path / 'a'))).fingerprint()
    image = next((root / 'bounding_box_train').glob('*.jpg'))
    image.rename(image.with_name('9999' + image.name[4:]))
    assert Market1501(root=str(packed(root, tmp_path / 'b'))).fingerprint() != before


def test_the_index_of_records_is_made_anew_for_other_shards(edition, tmp_path, monkeypatch):
    monkeypatch.setattr(base, 'INDEX_FROM', 5)
    root, out = tmp_path / 'market', tmp_path / 'packed'
    shutil.copytree(dataset_root('minihuman:tiny', catalog.card('market1501')), root)
    packed(root, out)
    before = len(Market1501(root=str(out)))
    with monkeypatch.context() as patch:
        patch.setattr(Market1501, 'load_records', None)  # control: it is not read again
        assert len(Market1501(root=str(out))) == before
    shutil.rmtree(out)
    time.sleep(0.01)
    next((root / 'bounding_box_train').glob('*.jpg')).unlink()
    packed(root, out)
    assert len(Market1501(root=str(out))) == before - 1


def test_what_is_missing_is_said_as_of_a_folder(edition, tmp_path):
    root = tmp_path / 'market'
    shutil.copytree(dataset_root('minihuman:tiny', catalog.card('market1501')), root)
    shutil.rmtree(root / 'query')
    with pytest.raises(DataError, match="packed/query' is missing: expected a folder of Market-1501"):
        Market1501(root=str(packed(root, tmp_path / 'packed')), split='query')


def test_copies_and_indices_that_nobody_uses_go(plain, tmp_path, monkeypatch):
    """What was packed anew leaves a copy behind, what another version has read an index: not for ever."""
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'cache'))
    copies, long_ago = tmp_path / 'cache' / 'files', time.time() - caching.UNUSED - 60

    def copied(name: str) -> Path:
        (plain / 'labels.json').write_text(name)
        return storage.local(packed(plain, tmp_path / name) / 'labels.json').parent

    used, unused = copied('one'), copied('two')
    for folder in (used, unused):
        os.utime(folder, (long_ago, long_ago))
    assert storage.local(tmp_path / 'one' / 'labels.json').is_file()  # used again
    last = copied('three')
    assert {x for x in copies.iterdir() if x.is_dir()} == {used, last}
    assert storage.local(tmp_path / 'two' / 'labels.json').read_text() == 'two'  # made again


def test_an_index_that_is_used_stays(edition, tmp_path, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr('humanbench.datasets.base.INDEX_FROM', 3)
    indices, long_ago = tmp_path / 'cache' / 'index', time.time() - caching.UNUSED - 60
    for split in ('train', 'query'):
        len(Market1501('minihuman:tiny', split))
    for folder in indices.glob('*/'):
        os.utime(folder, (long_ago, long_ago))
    len(Market1501('minihuman:tiny', 'train'))
    len(Market1501('minihuman:tiny', 'gallery'))
    assert sorted(x.name.split('-')[1] for x in indices.iterdir() if x.is_dir()) == ['gallery', 'train']
