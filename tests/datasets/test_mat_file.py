"""Damaged MATLAB files are told before SciPy reads them, and sound ones are let through."""
import io
import signal
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from humanbench import datasets
from humanbench.datasets.mat_file import check_mat
from humanbench.errors import DataError

from . import native

DAMAGED = (ValueError, struct.error, zlib.error)
SOUND = {
    'numbers': {'x': np.ones((3, 4)), 'y': np.arange(5, dtype=np.uint16), 'z': np.array([1 + 2j])},
    'texts': {'x': 'a.jpg', 'y': native.cells('a', 'bb', 'ü'), 'empty': ''},
    'nested': {'x': {'name': 'a.jpg', 'v': native.cells({'deep': np.eye(2)}, np.zeros((0, 0)))}, 'long_name' * 3: 1},
    'sparse and logical': {'x': scipy.sparse.eye(3).tocsc(), 'y': np.array([True, False])},
}


def saved(variables: dict, compressed: bool) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=compressed)
    return file.getvalue()


@pytest.mark.parametrize('compressed', [False, True])
@pytest.mark.parametrize('variables', SOUND.values(), ids=SOUND)
def test_sound_files_pass_and_cut_ones_do_not(tmp_path, variables, compressed):
    data, path = saved(variables, compressed), tmp_path / 'x.mat'
    path.write_bytes(data)
    check_mat(path)
    ends = {128}  # where a variable ends, a shorter file is a whole one
    while max(ends) < len(data):
        ends.add(max(ends) + 8 + struct.unpack('<I', data[max(ends) + 4:max(ends) + 8])[0])
    for end in sorted(set(range(129, len(data))) - ends):
        path.write_bytes(data[:end])
        with pytest.raises(DAMAGED):
            check_mat(path)


def test_files_by_matlab_itself_pass(realdata):
    found = sorted(realdata.rglob('*.mat'))
    assert len(found) >= 5
    for path in found:
        check_mat(path)


def test_what_ends_the_process_in_scipy_is_an_error_here(tmp_path):
    path, data = tmp_path / 'x.mat', bytearray(saved({'x': {'name': 'a.jpg', 'v': np.ones(3)}}, compressed=False))
    path.write_bytes(data)
    load = [sys.executable, '-c', 'import sys, scipy.io; scipy.io.loadmat(sys.argv[1])', str(path)]
    assert subprocess.run(load, check=False).returncode == 0
    data[256:260] = bytes(4)  # the type of an element
    path.write_bytes(data)
    if sys.platform == 'linux':
        assert subprocess.run(load, check=False, capture_output=True).returncode == -signal.SIGSEGV
    with pytest.raises(ValueError, match='type 0'):
        check_mat(path)


def rewritten(path, where: int, word: int):
    """A file of twelve numbers with four other bytes at one place."""
    data = bytearray(saved({'x': np.ones((3, 4))}, compressed=False))
    data[where:where + 4] = struct.pack('<I', word)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize('where, word', [(132, 0x7fffffff), (140, 0), (144, 99), (160, 5), (164, 0xffffffff), (176, 0),
                                         (180, 0xffffffff)])
def test_words_that_lie(tmp_path, where, word):
    """A size, a type, a class or a dimension."""
    with pytest.raises(DAMAGED):
        check_mat(rewritten(tmp_path / 'x.mat', where, word))


@pytest.mark.parametrize('where', [100, 172, 184])
def test_words_that_say_nothing_of_the_layout(tmp_path, where):
    """The text at the top, the name of a variable, a number."""
    check_mat(rewritten(tmp_path / 'x.mat', where, 0xffffffff))


def test_a_bomb_is_not_inflated(tmp_path, monkeypatch):
    (tmp_path / 'x.mat').write_bytes(saved({'x': np.zeros((1000, 1000))}, compressed=True))
    check_mat(tmp_path / 'x.mat')
    monkeypatch.setattr('humanbench.datasets.mat_file.LARGEST', 1 << 20)
    with pytest.raises(ValueError, match='larger than'):
        check_mat(tmp_path / 'x.mat')


def test_readers_name_the_damaged_file(tmp_path):
    (tmp_path / 'leftImg8bit/train').mkdir(parents=True)
    data = bytearray(saved({'anno_train_aligned': native.cells({'cityname': 'aachen', 'im_name': 'x.png'})}, False))
    data[-60:-56] = b'\xff\xff\xff\xff'
    (tmp_path / 'anno_train.mat').write_bytes(data)
    with pytest.raises(DataError, match="cannot read '.*anno_train.mat'"):
        datasets.CityPersons(tmp_path)
