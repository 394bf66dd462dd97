"""Packed datasets behind HTTP and S3: what comes is right, whatever the network does, and the cache keeps its bound."""
import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
import zlib
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from humanbench import catalog
from humanbench.datasets import CrowdHuman, Market1501, dataset_root, storage
from humanbench.datasets.storage import cache as caching
from humanbench.datasets.storage import files, packed, remote
from humanbench.datasets.storage.cache import BlockCache
from humanbench.datasets.storage.index import HEAD, INDEX, PackIndex
from humanbench.errors import DataError, StorageError, UserError

from .stores import FAULTS, Store, serve

BLOCK = 4096


@pytest.fixture(autouse=True)
def impatient(monkeypatch, tmp_path):
    """Small blocks, short time-outs, and a cache for each test."""
    monkeypatch.setattr(packed, 'BLOCK', BLOCK)
    monkeypatch.setattr(remote, 'REQUEST_TIMEOUT', 0.5)
    monkeypatch.setattr(remote, 'DEADLINE', 3.0)
    monkeypatch.setattr(remote, 'FIRST_PAUSE', 0.01)
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('HUMANBENCH_CACHE_BYTES', '100M')


@pytest.fixture
def plain(tmp_path) -> Path:
    root, rng = tmp_path / 'plain', np.random.default_rng(0)
    for i in range(40):
        path = root / f'images/{i % 3}/{i:03d}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.bytes(int(rng.integers(100, 3 * BLOCK))))
    (root / 'labels.json').write_bytes(rng.bytes(50_000))
    return root


@pytest.fixture
def store(plain, tmp_path):
    """A server of that folder, packed, as ``data``."""
    storage.pack(plain, tmp_path / 'www' / 'data', 60_000, progress=False)
    with serve(tmp_path / 'www') as server:
        yield server


def names_of(plain: Path) -> list[str]:
    return sorted(str(x.relative_to(plain)) for x in plain.rglob('*') if x.is_file())


def mounted(store: Store) -> Path:
    return storage.folder_of(f'{store.url}/data')


def everything(root: Path, plain: Path) -> bool:
    return all(storage.read(root / name) == (plain / name).read_bytes() for name in names_of(plain))


def empty_cache() -> None:
    shutil.rmtree(storage.cache_folder() / 'blocks')
    files.forget()


# --------------------------------------------------------------------------------------------------------- what comes
def test_files_behind_a_url_answer_as_the_folder_does(plain, store):
    root = mounted(store)
    assert root.is_dir() and everything(root, plain)
    for folder, folders, found in os.walk(plain):
        assert storage.list_folder(root / os.path.relpath(folder, plain)) == (sorted(found), sorted(folders))
    assert storage.is_remote(str(root / 'images/0/000.jpg')) and not storage.exists(root / 'images/0/001.jpg')
    assert storage.described(root / 'images/0/x.jpg') == f'{store.url}/data/images/0/x.jpg'
    assert storage.local(root / 'labels.json').read_bytes() == (plain / 'labels.json').read_bytes()


def test_only_ranges_are_asked_for_and_each_block_once(plain, store):
    root = mounted(store)
    names = names_of(plain)
    random.Random(0).shuffle(names)
    for name in names * 2:
        storage.read(root / name)
    blocks = [(shard, n) for shard, first, last in store.requests if shard.endswith('.tar')
              for n in range(first // BLOCK, last // BLOCK + 1)]
    assert len(blocks) == len(set(blocks)) and len({shard for shard, _ in blocks}) > 3
    assert max(last - first for name, first, last in store.requests if name.endswith('.tar')) < 60_000


def test_without_a_cache_no_more_than_a_file_is_fetched(plain, store, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_CACHE_BYTES', '0')
    root = mounted(store)
    assert everything(root, plain) and everything(root, plain)
    asked = [last - first + 1 for name, first, last in store.requests if name.endswith('.tar')]
    assert asked == [(plain / name).stat().st_size for name in names_of(plain)] * 2
    assert BlockCache(storage.cache_folder() / 'blocks', 0).size() == 0


def test_a_large_file_comes_in_pieces_beside_the_cache(plain, store, monkeypatch):
    monkeypatch.setattr(packed, '_PIECE', 10_000)
    store.break_next([None, 'wrong'])
    assert storage.local(mounted(store) / 'labels.json').read_bytes() == (plain / 'labels.json').read_bytes()
    assert store.shards_asked_for() == 10  # all five pieces again, as their checksum is of the whole
    assert BlockCache(storage.cache_folder() / 'blocks', 0).size() == 0
    store.always = {'.tar': '500'}
    assert storage.local(mounted(store) / 'labels.json').stat().st_size == 50_000  # it is here now
    assert store.shards_asked_for() == 10


@pytest.mark.parametrize('reader', [Market1501, CrowdHuman])
def test_a_reader_takes_a_url_for_its_root(reader, edition, tmp_path, monkeypatch):
    card = catalog.card(reader.datasets[0])
    plain = dataset_root('minihuman:tiny', card)
    storage.pack(plain, tmp_path / 'www' / card.layout.root, 2**17, progress=False)
    with serve(tmp_path / 'www') as store:
        given = reader(root=f'{store.url}/{card.layout.root}')
        monkeypatch.setenv('HUMANBENCH_DATA', store.url)
        usual = reader()
        for found in (given, usual):
            assert found.fingerprint() == reader(root=str(plain)).fingerprint()
        with pytest.raises(DataError, match=f"{store.url}/{card.layout.root}/nothing.*Unpack.*'{store.url}/"):
            reader(root=f'{store.url}/{card.layout.root}', img_dir='nothing')
        with pytest.raises(DataError, match='packed.idx.* is missing'):
            reader(root=f'{store.url}/elsewhere')


# ------------------------------------------------------------------------------------------------------------- faults
@pytest.mark.parametrize('fault', FAULTS)
def test_a_fault_that_passes_changes_nothing(fault, plain, store):
    root = mounted(store)
    store.break_next([fault, None] * (2 if fault == 'hang' else 8))
    assert everything(root, plain)
    assert next(store.faults, 'over') == 'over'  # all of them have happened


@pytest.mark.parametrize('fault', [x for x in FAULTS if x != 'wrong'])
def test_control_a_single_attempt_would_fail(fault, plain, store, monkeypatch):
    monkeypatch.setattr(remote, 'DEADLINE', 0.0)
    root = mounted(store)
    store.break_next([fault] * 2)  # a client repeats a request by itself when a connection that it kept is closed
    with pytest.raises(StorageError, match=r"shard-0000\d.tar' \(for '.*'\) cannot.*1 attempts.*can be resumed"):
        everything(root, plain)


def test_faults_at_random(plain, store, monkeypatch):
    root, rng = mounted(store), random.Random(1)
    monkeypatch.setattr(remote, 'DEADLINE', 30.0)
    store.break_next(rng.choice(('500', 'refuse', 'cut', 'short', *[None] * 8)) for _ in repeat(None))
    for _ in range(3):
        assert everything(root, plain)
        empty_cache()


def test_a_server_that_comes_back_is_waited_for(plain, store):
    root = mounted(store)
    store.always = {'.tar': '503'}
    threading.Timer(0.5, store.always.clear).start()
    assert everything(root, plain) and store.shards_asked_for() > 3


@pytest.mark.parametrize(('fault', 'error', 'words', 'attempts'), [
    ('500', StorageError, 'ClientResponseError 500', None), ('hang', StorageError, 'Timeout', None),
    ('refuse', StorageError, 'ServerDisconnected', None), ('404', DataError, 'is missing', 1),
    ('403', StorageError, '403', 1), ('no ranges', StorageError, "knows 'Range' requests", 1),
    ('short', DataError, r'truncated: from byte [\d,]+ on only 6,144 of 12,288 bytes', 3),
    ('416', DataError, 'truncated', 1), ('wrong', DataError, 'damaged.*twice', 2)])
def test_a_fault_that_stays_is_one_error_in_time(fault, error, words, attempts, plain, store, monkeypatch):
    monkeypatch.setattr(remote, 'DEADLINE', 1.2)
    root, began = mounted(store), time.monotonic()
    store.always = {'.tar': fault}
    with pytest.raises(error, match=words) as caught:
        storage.read(root / 'images/0/036.jpg')
    shard = PackIndex(root / INDEX).find('images/0/036.jpg').shard.name
    assert type(caught.value) is error and f"'{store.url}/data/{shard}'" in str(caught.value)
    assert 'images/0/036.jpg' in str(caught.value) and time.monotonic() - began < 5
    assert store.shards_asked_for() == attempts if attempts else store.shards_asked_for() > 1


def test_a_truncated_shard_on_the_server_is_named_with_the_file(plain, store):
    root = mounted(store)
    member = PackIndex(root / INDEX).find('images/2/038.jpg')
    os.truncate(store.folder / 'data' / member.shard.name, member.offset + 10)
    with pytest.raises(DataError, match=f"{member.shard.name}' .*images/2/038.jpg.* is truncated"):
        storage.read(root / 'images/2/038.jpg')
    assert storage.read(root / 'images/0/000.jpg') == (plain / 'images/0/000.jpg').read_bytes()


def test_a_damaged_shard_spoils_only_its_own_files(plain, store):
    root = mounted(store)
    member = PackIndex(root / INDEX).find('images/1/007.jpg')
    path = store.folder / 'data' / member.shard.name
    data = bytearray(path.read_bytes())
    data[member.offset] ^= 1
    path.write_bytes(data)
    for name in names_of(plain):
        if name == 'images/1/007.jpg':
            with pytest.raises(DataError, match=f"{member.shard.name}' is damaged: 'images/1/007.jpg'.*twice"):
                storage.read(root / name)
        else:
            assert storage.read(root / name) == (plain / name).read_bytes()


@pytest.mark.parametrize('damage', ['flip', 'truncate', 'other', 'empty', 'remove'])
def test_a_damaged_index_on_the_server_is_refused(damage, store):
    path = store.folder / 'data' / INDEX
    data = bytearray(path.read_bytes())
    if damage == 'flip':
        data[len(data) // 2] ^= 1
    path.write_bytes(dict(flip=data, truncate=data[:HEAD + 100], other=b'<html>' * 100, empty=b'')[damage]
                     if damage != 'remove' else b'')
    if damage == 'remove':
        path.unlink()
    with pytest.raises(DataError, match=INDEX):
        mounted(store)


def test_shards_that_are_packed_anew_are_seen_by_the_next_process(plain, store, monkeypatch):
    root = mounted(store)
    assert everything(root, plain)
    (plain / 'images/0/000.jpg').write_bytes(b'other')
    shutil.rmtree(store.folder / 'data')
    storage.pack(plain, store.folder / 'data', 60_000, progress=False)
    monkeypatch.setattr(files, '_mounted', {})
    asked = store.shards_asked_for()
    assert mounted(store) == root and everything(root, plain)
    assert store.shards_asked_for() > asked


def test_what_is_secret_is_not_said(store, monkeypatch):
    monkeypatch.setattr(remote, 'DEADLINE', 0.1)
    store.always = {'.tar': '500'}
    root = storage.folder_of(f'{store.url}/data'.replace('//', '//user:secret@'))
    with pytest.raises(StorageError) as caught:
        storage.read(root / 'images/0/000.jpg')
    assert 'secret' not in str(caught.value) and 'secret' not in storage.described(root / 'x/y')
    assert (root / packed.ORIGIN).stat().st_mode & 0o77 == 0


def test_a_url_that_cannot_be_opened_says_why(monkeypatch):
    with pytest.raises(UserError, match='nonsense'):
        storage.folder_of('nonsense://host/data')
    monkeypatch.setattr(remote.fsspec.core, 'url_to_fs', lambda url: (_ for _ in ()).throw(ImportError('aiohttp')))
    with pytest.raises(UserError, match=r"humanbench\[remote\]"):
        storage.folder_of('http://127.0.0.1:1/data')


# -------------------------------------------------------------------------------------------------------------- cache
def test_a_damaged_block_of_the_cache_is_fetched_again(plain, store):
    root = mounted(store)
    assert everything(root, plain)
    blocks = [x for x in (storage.cache_folder() / 'blocks').glob('??/*') if x.parent.name != 'locks']
    for number, block in enumerate(blocks):
        block.write_bytes(block.read_bytes()[:-1] if number % 2 else bytes(block.stat().st_size))
    assert everything(root, plain)


def test_a_cache_that_cannot_be_written_is_an_error_or_done_without(plain, store, monkeypatch, tmp_path):
    root = mounted(store)
    monkeypatch.setattr(caching.os, 'replace', lambda *_: (_ for _ in ()).throw(OSError(28, 'No space left on device')))
    assert storage.read(root / 'images/0/000.jpg') == (plain / 'images/0/000.jpg').read_bytes()
    monkeypatch.undo()
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'file'))
    with pytest.raises(UserError, match='HUMANBENCH_CACHE'):
        storage.folder_of(f'{store.url}/data/')


@pytest.mark.parametrize(('text', 'size'), [('0', 0), ('1000', 1000), ('2k', 2048), ('3G', 3 * 2**30), ('', None)])
def test_the_bound_is_said_in_bytes(text, size, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_CACHE_BYTES', text)
    assert caching.cache_bound() == size
    monkeypatch.setenv('HUMANBENCH_CACHE_BYTES', '3 apples')
    with pytest.raises(UserError, match='HUMANBENCH_CACHE_BYTES'):
        caching.cache_bound()


def test_the_longest_unused_blocks_go_first(tmp_path):
    cache = BlockCache(tmp_path / 'blocks', 10_000)
    for i in range(60):
        assert cache.put(f'{i}', bytes([i]) * 1000)
        time.sleep(0.002)
        assert cache.get('0', 1000) == bytes(1000)  # in use all the time
        assert cache.size() <= 10_000
    assert cache.has('59') and not cache.has('1') and cache.size() >= 8000
    assert cache.get('59', 999) is None and not cache.put('large', bytes(10_001))
    cache.remove('59')
    assert not cache.has('59')


def test_what_a_crash_left_behind_counts_and_goes(tmp_path):
    cache = BlockCache(tmp_path / 'blocks', 10_000)
    cache.put('a', bytes(1000))
    left = Path(cache._path('b')).with_name('b.123.tmp')
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(bytes(9500))
    os.utime(left, (1, 1))
    (tmp_path / 'blocks' / 'bytes').unlink()  # the counter, too
    assert cache.put('c', bytes(1000)) and not left.exists() and cache.has('a') and cache.size() == 2000


def read_all(root: Path, expected: dict[str, int], seed: int, failures) -> None:
    names = [*expected] * 2
    random.Random(seed).shuffle(names)
    wrong = [name for name in names if zlib.crc32(storage.read(root / name)) != expected[name]]
    failures.put(wrong)


@pytest.mark.parametrize('bound', [40_000, 10_000_000])
def test_processes_share_a_cache_and_its_bound_holds(bound, plain, store, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_CACHE_BYTES', str(bound))
    faults = random.Random(2)
    store.break_next(faults.choice(('500', 'cut', *[None] * 18)) for _ in range(200))
    root, context = mounted(store), multiprocessing.get_context('fork')
    storage.read(root / 'labels.json')  # this process has connections, which its children must not use
    expected, failures = {x: zlib.crc32((plain / x).read_bytes()) for x in names_of(plain)}, context.Queue()
    processes = [context.Process(target=read_all, args=(root, expected, seed, failures)) for seed in range(4)]
    for process in processes:
        process.start()
    largest, cache = 0, BlockCache(storage.cache_folder() / 'blocks', bound)
    while any(process.is_alive() for process in processes):
        with cache._counted():  # nobody adds or removes meanwhile
            largest = max(largest, cache.size())
        time.sleep(0.01)
    assert [failures.get(timeout=5) for _ in processes] == [[]] * 4
    assert [process.exitcode for process in processes] == [0] * 4
    if bound == 40_000:
        assert 20_000 < largest <= bound
    else:  # control: with room for all, more is kept, and hardly anything comes twice
        size = sum(x.stat().st_size for x in (store.folder / 'data').glob('*.tar'))
        asked = sum(last - first + 1 for name, first, last in store.requests if name.endswith('.tar'))
        assert 40_000 < largest <= size and asked < 2 * size


def test_many_threads_fetch_a_block_once(plain, store):
    root = mounted(store)
    store.delay = 0.05
    prefetcher = storage.Prefetcher(threads=8)
    prefetcher.want([str(root / 'images/0/000.jpg')] * 50)
    assert storage.read(root / 'images/0/000.jpg') == (plain / 'images/0/000.jpg').read_bytes()
    assert store.shards_asked_for() == 1


def test_a_prefetcher_leaves_errors_to_the_reader(plain, store, monkeypatch):
    monkeypatch.setattr(remote, 'DEADLINE', 0.2)
    root = mounted(store)
    store.always = {'.tar': '500'}
    prefetcher = storage.Prefetcher(threads=2)
    prefetcher.want([str(root / name) for name in names_of(plain)[:6]] + [str(root / 'nowhere')])
    while store.shards_asked_for() < 6:
        time.sleep(0.01)
    with pytest.raises(StorageError):
        storage.read(root / 'images/0/000.jpg')
    store.always.clear()
    prefetcher.want([str(root / 'images/2/038.jpg')])  # it is still at work
    shards, member = files.pack_of(str(root)).shards, PackIndex(root / INDEX).find('images/2/038.jpg')
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not all(
            shards._cache.has(shards._key(member.shard, x)) for x in shards._numbers(member)):
        time.sleep(0.01)
    store.always = {'.tar': '404'}
    assert storage.read(root / 'images/2/038.jpg') == (plain / 'images/2/038.jpg').read_bytes()


# ----------------------------------------------------------------------------------------------------------------- S3
def free_port() -> int:
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return server.getsockname()[1]


@pytest.fixture(scope='module')
def s3_server():
    """A process that speaks S3."""
    port = free_port()
    process = subprocess.Popen([sys.executable, '-m', 'moto.server', '-H', '127.0.0.1', '-p', str(port)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as client:
            if client.connect_ex(('127.0.0.1', port)) == 0:
                break
        time.sleep(0.1)
    yield process, f'http://127.0.0.1:{port}'
    process.kill()
    process.wait()


@pytest.fixture
def bucket(s3_server, plain, tmp_path, monkeypatch):
    """A bucket with the packed folder as ``data``."""
    import boto3
    for name, value in dict(AWS_ACCESS_KEY_ID='x', AWS_SECRET_ACCESS_KEY='x', AWS_DEFAULT_REGION='us-east-1',
                            AWS_ENDPOINT_URL=s3_server[1]).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(remote, 'REQUEST_TIMEOUT', 2.0)
    client = boto3.client('s3')
    client.create_bucket(Bucket='people')
    storage.pack(plain, tmp_path / 'packed', 60_000, progress=False)
    for path in (tmp_path / 'packed').iterdir():
        client.upload_file(str(path), 'people', f'data/{path.name}')
    return client


def test_an_s3_bucket_is_a_root_too(bucket, plain):
    root = storage.folder_of('s3://people/data')
    assert everything(root, plain) and storage.list_folder(root)[1] == ['images']
    assert storage.local(root / 'labels.json').read_bytes() == (plain / 'labels.json').read_bytes()


def test_what_is_wrong_in_a_bucket_is_named(bucket, plain, monkeypatch):
    monkeypatch.setattr(remote, 'DEADLINE', 0.5)
    root = storage.folder_of('s3://people/data')
    bucket.put_object(Bucket='people', Key='data/shard-00000.tar', Body=b'x' * 1000)
    with pytest.raises(DataError, match="'s3://people/data/shard-00000.tar' .*truncated"):
        storage.read(root / 'images/0/000.jpg')
    bucket.delete_object(Bucket='people', Key='data/shard-00001.tar')
    name = next(x.name for x in map(PackIndex(root / INDEX).member, range(41)) if x.shard.name == 'shard-00001.tar')
    with pytest.raises(DataError, match="'s3://people/data/shard-00001.tar' .*is missing"):
        storage.read(root / name)
    with pytest.raises(DataError, match='s3://people/nothing/packed.idx'):
        storage.folder_of('s3://people/nothing')


def test_an_s3_server_that_is_killed_ends_in_an_error(bucket, s3_server, plain, monkeypatch):
    monkeypatch.setattr(remote, 'DEADLINE', 1.0)
    root = storage.folder_of('s3://people/data')
    assert storage.read(root / 'images/0/000.jpg') == (plain / 'images/0/000.jpg').read_bytes()
    s3_server[0].kill()
    s3_server[0].wait()
    began = time.monotonic()
    with pytest.raises(StorageError, match=r"'s3://people/data/shard-\d+.tar' .*cannot be read"):
        everything(root, plain)
    assert time.monotonic() - began < 20
