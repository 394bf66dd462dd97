"""Damaged MATLAB files are refused before SciPy parses them: its parser would take the whole process along."""
import faulthandler
import io
import multiprocessing
import signal
import warnings

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from humanbench import datasets
from humanbench.errors import DataError
from humanbench.matlab import check

from .datasets import native

FORK = multiprocessing.get_context('fork')
VALUES = {
    'numbers': np.arange(12.0).reshape(3, 4), 'small': np.array([[7]], np.uint8), 'logical': np.array([[True, False]]),
    'complex': np.array([[1 + 2j, 3]]), 'single': np.ones((2, 2, 2), np.float32), 'empty': np.zeros((0, 3)),
    'text': 'bowl', 'letter': 'x', 'none': '', 'texts': np.array(['ab', 'cdefghijk']),
    'cells': native.cells('a', np.ones((2, 2)), native.cells('deep')), 'sparse': scipy.sparse.eye(4, format='csc'),
    'struct': {'a': 1, 'long_name': {'b': 'text', 'c': native.cells('x')}}}


def file(compressed: bool = False, **values: object) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, values, do_compression=compressed)
    return stream.getvalue()


@pytest.mark.parametrize('compressed', [False, True])
@pytest.mark.parametrize('name', VALUES)
def test_sound_files_pass(name, compressed):
    data = file(compressed, x=VALUES[name], y=VALUES['numbers'])
    check(data)
    for cut in (len(data) - 1, len(data) - 20, 129):
        with pytest.raises(ValueError):
            check(data[:cut])


def test_files_of_both_byte_orders_and_of_other_versions():
    numbers = np.arange(6, dtype='>i4')
    words = [14, 72, 6, 8, 12, 0, 5, 8, 1, 6, 0x00010001, ord('x') << 24, 5, 24]  # 32-bit numbers, 1 x 6, named x
    data = b'MATLAB 5.0 MAT-file'.ljust(124) + b'\x01\x00MI' + np.array(words, '>u4').tobytes() + numbers.tobytes()
    assert scipy.io.loadmat(io.BytesIO(data))['x'].tolist() == [list(range(6))]
    check(data)
    with pytest.raises(ValueError):
        check(data[:-4])
    check(b'')
    check(b'\0' * 200)                                                   # version 4
    check(b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM' + b'\x89HDF')  # HDF5


@pytest.mark.parametrize('real', ['peta/PETA.mat', 'pa100k/annotation/annotation.mat',
                                  'shanghaitech_format/ground-truth/GT_IMG_1.mat'])
def test_real_files_pass(realdata, real):
    data = (realdata / real).read_bytes()
    check(data)
    with pytest.raises(ValueError):  # the control: the same file without its last byte
        check(data[:-1])


@pytest.mark.parametrize('old, new, message', [
    ((16, 4), (177, 4), 'type 177 where numbers'),           # the type of a short text
    ((9, 96), (200, 96), 'type 200 where numbers'),          # the type of a matrix's numbers
    ((9, 96), (14, 96), 'type 14 where numbers'),            # a matrix in the place of numbers
    ((9, 96), (9, 1 << 30), 'an element of 1,073,741,824 bytes'),
    ((5, 8, 3, 4), (5, 8, -3, 4), r'\(-3, 4\)'), ((5, 8, 3, 4), (5, 800, 3, 4), '800 bytes'),
    ((6, 8, 6), (6, 8, 99), 'unknown class 99'), ((6, 8, 4), (6, 8, 1), 'arrays|array is expected')])
def test_damage_is_named(old, new, message):
    data = file(numbers=VALUES['numbers'], text='bowl')

    def packed(values):
        if len(values) == 2 and values[1] == 4:
            return np.array(values, '<u2').tobytes()  # a tag that holds its bytes
        return np.array(values, '<i4').tobytes()
    assert data.count(packed(old)) >= 1
    with pytest.raises(ValueError, match=message):
        check(data.replace(packed(old), packed(new), 1))


def test_sizes_that_no_bytes_hold():
    huge = file(x=native.cells('a', 'b')).replace(np.array([5, 8, 2, 1], '<i4').tobytes(),
                                                  np.array([5, 8, 1 << 30, 1], '<i4').tobytes())
    with pytest.raises(ValueError, match='1,073,741,824 arrays in'):
        check(huge)
    blanks = file(x='').replace(np.array([5, 8, 0, 0], '<i4').tobytes(),
                                np.array([5, 8, 1 << 15, 1 << 16], '<i4').tobytes())
    with pytest.raises(ValueError, match='2,147,483,648 characters in 0 bytes'):
        check(blanks)
    deep = 'x'
    for _ in range(60):
        deep = native.cells(deep)
    with pytest.raises(ValueError, match='more than 40 deep'):
        check(file(x=deep))


def test_a_bomb_is_not_inflated(monkeypatch):
    data = file(compressed=True, x=np.zeros((1000, 1000)))
    check(data)
    monkeypatch.setattr('humanbench.matlab.MOST_UNPACKED', 1 << 20)
    with pytest.raises(ValueError, match='absurdly large'):
        check(data)


def test_every_reader_names_the_damaged_file(tmp_path):
    data = bytearray(file(anno_train_aligned=native.cells({'cityname': 'aachen', 'im_name': 'x.png'})))
    data[-60:-56] = b'\xff\xff\xff\xff'
    (tmp_path / 'leftImg8bit/train').mkdir(parents=True)
    for reader, name in ((datasets.CityPersons, 'anno_train.mat'), (datasets.PA100K, 'annotation.mat')):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=f"cannot read '.*{name}'"):
            reader(tmp_path)


def _read_damaged(data: bytes, count: int, checked: bool) -> None:
    warnings.simplefilter('ignore')
    faulthandler.disable()  # what is expected needs no report
    rng = np.random.default_rng(0)
    for _ in range(count):
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[rng.integers(128, len(data), rng.integers(1, 5))] = rng.integers(256)
        try:
            if checked:
                check(damaged.tobytes())
            scipy.io.loadmat(io.BytesIO(damaged.tobytes()))
        except Exception:  # whatever SciPy finds to say is fine; that it can say it is what is tested
            continue


@pytest.mark.parametrize('checked, end', [(True, 0), (False, -signal.SIGSEGV)])
def test_no_damaged_file_ends_the_process(checked, end):
    """Without the check one does. (When that fails SciPy is mended, and the check can go.)"""
    data = file(**{name: VALUES[name] for name in ('numbers', 'text', 'cells', 'struct', 'complex', 'small')})
    process = FORK.Process(target=_read_damaged, args=(data, 2000, checked))
    process.start()
    process.join(120)
    assert process.exitcode == end
