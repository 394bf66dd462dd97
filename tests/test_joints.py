"""The joint store: what goes in comes out by name, from a map of the file; what is no store is refused."""
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from humanbench import joints
from humanbench.errors import DataError, UserError
from humanbench.joints import JointStore, in_image, write_store

MADE_BY = dict(checkpoint='a.pth', head='coco_pose')


def crops(n: int, seed: int = 0) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, joints and sizes."""
    rng = np.random.default_rng(seed)
    found = np.concatenate([rng.uniform(-30, 250, (n, 17, 2)), rng.uniform(0, 1, (n, 17, 1))], -1)
    return [f'city/{i:08d}_0000.jpg' for i in range(n)], found, rng.integers(60, 250, (n, 2))


@pytest.fixture
def store(tmp_path) -> Path:
    write_store(tmp_path / 'a.safetensors', *crops(300), MADE_BY, 'images')
    return tmp_path / 'a.safetensors'


def test_what_goes_in_comes_out_by_name(store):
    names, expected, sizes = crops(300)
    opened = JointStore(store)
    assert len(opened) == 300 and opened.made_by == MADE_BY and opened.images == 'images' and opened.is_whole()
    for i in (0, 17, 299):
        found = opened.find(names[i])
        assert found.points.shape == (17, 2) and found.points.dtype == found.scores.dtype == np.float32
        assert np.abs(found.points - expected[i, :, :2]).max() <= 1 / 16  # half a step of 16 bits below 256
        assert np.abs(found.scores - expected[i, :, 2]).max() < 1e-3 and found.size == tuple(sizes[i])
    assert np.abs(opened.find(names[0]).points - expected[1, :, :2]).max() > 1  # control
    assert opened.find('city/00000300_0000.jpg') is None and opened.find('00000001_0000.jpg') is None


@pytest.mark.parametrize(('limit', 'step'), [(256, 1 / 16), (512, 1 / 8), (1024, 1 / 4)])
def test_sixteen_bits_are_as_fine_as_is_said(limit, step):
    values = np.random.default_rng(0).uniform(limit / 2, limit, 5000)
    error = np.abs(values.astype(np.float16).astype(float) - values).max()
    assert step * 0.9 < error <= step


def test_a_joint_that_is_not_finite_is_not_known(tmp_path):
    names, found, sizes = crops(4)
    found[1, 3, 0], found[2, 4, 2], found[3, 5, 1] = np.nan, np.inf, 1e9
    write_store(tmp_path / 'a.safetensors', names, found, sizes, {}, '')
    opened = JointStore(tmp_path / 'a.safetensors')
    assert np.isfinite(opened.find(names[0]).points).all()
    for i, joint in ((1, 3), (2, 4)):
        assert np.isnan(opened.find(names[i]).points[joint]).all()
        assert np.isfinite(np.delete(opened.find(names[i]).points, joint, 0)).all()
    assert opened.find(names[3]).points[5, 1] == 60_000  # far outside, and a number


def test_other_programs_read_it(store):
    found = load_file(store)
    assert {k: (v.shape, v.dtype) for k, v in found.items()} == dict(
        keys=((300,), np.int64), joints=((300, 17, 3), np.float16), sizes=((300, 2), np.uint16))
    assert (np.diff(found['keys']) > 0).all()


def test_equal_contents_are_equal_bytes_in_any_process(store, tmp_path):
    script = ('import sys; from tests.test_joints import *\n'
              'names, found, sizes = crops(300); order = np.random.default_rng(1).permutation(300)\n'
              'write_store(sys.argv[1], [names[i] for i in order], found[order], sizes[order], MADE_BY, "images")')
    checkout = Path(__file__).parents[1]
    subprocess.run([sys.executable, '-c', script, tmp_path / 'b.safetensors'], check=True, cwd=checkout,
                   env=os.environ | {'PYTHONHASHSEED': '7', 'PYTHONPATH': str(checkout)})
    assert store.read_bytes() == (tmp_path / 'b.safetensors').read_bytes()
    write_store(tmp_path / 'b.safetensors', *crops(300, 1), MADE_BY, 'images')
    assert store.read_bytes() != (tmp_path / 'b.safetensors').read_bytes()


def test_names_that_cannot_be_told_apart(tmp_path, monkeypatch):
    names, found, sizes = crops(3)
    with pytest.raises(UserError, match="'city/00000001_0000.jpg' occurs twice"):
        write_store(tmp_path / 'a.safetensors', [names[0], names[1], names[1]], found, sizes, {}, '')
    monkeypatch.setattr(joints, 'name_key', lambda name: 7 if name != names[0] else 1)
    with pytest.raises(UserError, match='00000001_0000.jpg.*00000002_0000.jpg.*same 64 bits'):
        write_store(tmp_path / 'a.safetensors', names, found, sizes, {}, '')
    assert not list(tmp_path.iterdir())
    with pytest.raises(UserError, match='side of 0'):
        write_store(tmp_path / 'a.safetensors', names[:1], found[:1], np.array([[0, 5]]), {}, '')


def test_a_write_that_fails_leaves_what_was_there(store, monkeypatch):
    before = store.read_bytes()
    monkeypatch.setattr('os.replace', lambda *_: (_ for _ in ()).throw(OSError('disk full')))
    with pytest.raises(OSError, match='disk full'):
        write_store(store, *crops(5), MADE_BY, 'images')
    assert store.read_bytes() == before and [x.name for x in store.parent.iterdir()] == [store.name]


# --------------------------------------------------------------------------------------------------------- damage
def _header(data: bytes, change) -> bytes:
    length, = struct.unpack('<Q', data[:8])
    header = json.loads(data[8:8 + length])
    header = change(header) or header
    text = json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data[8 + length:]


def _meta(**change):
    def put(header: dict) -> None:
        meta = json.loads(header['__metadata__']['humanbench.joints'])
        header['__metadata__']['humanbench.joints'] = json.dumps(meta | change)
    return put


DAMAGE = {
    'truncated': lambda x: x[:-100], 'empty': lambda x: b'', 'a page': lambda x: b'<html>not found</html>' * 9,
    'a header of all memory': lambda x: struct.pack('<Q', 2**62) + x[8:], 'cut in its header': lambda x: x[:60],
    'no metadata': lambda x: _header(x, lambda h: {k: v for k, v in h.items() if k != '__metadata__'}),
    'a list': lambda x: _header(x, lambda h: [1]), 'no sizes': lambda x: _header(x, lambda h: h.pop('sizes') and None),
    'another version': lambda x: _header(x, _meta(version=2)), 'a wrong count': lambda x: _header(x, _meta(count=299)),
    'a count that is none': lambda x: _header(x, _meta(count='300')),
    'beyond its end': lambda x: _header(x, lambda h: h['sizes'].update(data_offsets=[10**9, 10**9 + 1200])),
    'before its start': lambda x: _header(x, lambda h: h['keys'].update(data_offsets=[-2400, 0])),
    'deep': lambda x: struct.pack('<Q', 200_000) + b'[' * 200_000}


@pytest.mark.parametrize('how', DAMAGE)
def test_what_is_no_store_is_refused(how, store):
    assert _header(store.read_bytes(), lambda h: None) != b'' and JointStore(store)
    store.write_bytes(DAMAGE[how](store.read_bytes()))
    with pytest.raises(DataError, match=r'cannot read the joint store .*a\.safetensors.*humanbench joints'):
        JointStore(store)


def test_a_header_written_anew_is_still_one(store):
    """Control: it is the damage that is refused."""
    store.write_bytes(_header(store.read_bytes(), lambda h: None))
    assert JointStore(store).is_whole()


def test_weights_are_no_joint_store(tmp_path):
    save_file(dict(a=np.zeros(3, np.float32)), tmp_path / 'a.safetensors')
    with pytest.raises(DataError, match='cannot read the joint store'):
        JointStore(tmp_path / 'a.safetensors')


def test_changed_numbers_are_noticed_by_who_looks(store):
    data = bytearray(store.read_bytes())
    data[-5] ^= 1
    store.write_bytes(data)
    assert not JointStore(store).is_whole()


# --------------------------------------------------------------------------------------------------------- memory
def private_bytes(path: Path) -> int:
    """Memory that this process has of a mapped file for itself alone."""
    found, kilobytes = False, 0
    for line in Path('/proc/self/smaps').read_text().splitlines():
        if re.match(r'[0-9a-f]+-[0-9a-f]+ ', line):
            found = line.endswith(str(path))
        elif found and line.startswith('Private_Dirty'):
            kilobytes += int(line.split()[1])
    return 1024 * kilobytes


@pytest.mark.skipif(not Path('/proc/self/smaps').exists(), reason='asks Linux what belongs to whom')
def test_processes_share_its_pages_and_none_copies_it(tmp_path):
    path, (names, found, sizes) = tmp_path / 'large.safetensors', crops(100_000)
    write_store(path, names, found, sizes, {}, '')
    started = time.process_time()
    opened = JointStore(path)
    assert time.process_time() - started < 0.02
    for name in names[::50]:
        assert opened.find(name) is not None
    assert private_bytes(path) == 0
    assert len(pickle.dumps(opened)) < 500  # another process maps the file again
    assert (pickle.loads(pickle.dumps(opened)).find(names[3]).points == opened.find(names[3]).points).all()
    copied = np.array(opened.joints)  # control: this is what a copy takes
    assert copied.nbytes > 10_000_000 and isinstance(opened.joints.base, np.ndarray)


def test_where_an_image_begins_and_ends():
    points = np.array([[-0.6, 3], [-0.5, 3], [0, 0], [9.4, 19.4], [9.5, 3], [3, 19.5], [np.nan, 3], [3, np.nan]])
    assert in_image(points, (20, 10)).tolist() == [False, True, True, True, False, False, False, False]
