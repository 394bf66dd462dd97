"""Every reader on damaged files. The same with more inputs: ``python -m tests.datasets.fuzz --inputs 2000``."""
import os
import pickle
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from humanbench import datasets
from humanbench.datasets import places, safe_pickle
from humanbench.datasets.base import reading
from humanbench.errors import LONGEST, DataError, UserError

from . import native
from .damage import laughs
from .fuzz import FAILED, READ, REFUSED, Misbehaviour, fuzz, read

SEED = 1


@pytest.mark.parametrize('inputs', [8, pytest.param(60, marks=pytest.mark.slow)])
@pytest.mark.parametrize('dataset', sorted(places.readers()))
def test_damaged_files_are_read_or_named(dataset, inputs, edition):
    outcomes = fuzz(places.readers()[dataset], dataset, inputs, SEED)
    assert [x.number for x in outcomes] == list(range(inputs))
    assert not [x for x in outcomes if x.kind == FAILED]
    kinds = Counter(x.kind for x in outcomes)
    assert kinds[REFUSED] >= inputs // 8 and len({x.damage for x in outcomes}) >= min(inputs // 4, 10)


def test_a_seed_is_a_stream_of_inputs(edition):
    def inputs(seed: int) -> list[tuple]:
        return [(x.split, x.file, x.damage, x.kind) for x in fuzz(datasets.PA100K, 'pa100k', 8, seed)]
    assert inputs(3) == inputs(3) != inputs(4)


# ------------------------------------------------------------------------------------------- readers that misbehave
class _Spoilt(datasets.PA100K):
    """Fails on damaged files in its own way."""

    def load_records(self) -> list[dict]:
        try:
            return super().load_records()
        except DataError:
            self.spoil()
            raise

    def spoil(self) -> None:
        raise NotImplementedError


def _key(self):
    {}['image']


def _hang(self):
    time.sleep(60)


def _outside(self):
    (Path(self.root).parents[1] / 'outside/secret').read_bytes()


def _crash(self):
    os.kill(os.getpid(), signal.SIGSEGV)


def _exit(self):
    sys.exit(3)


def _memory(self):
    with reading(self.root / 'annotation.mat', 'less'):
        bytearray(2 << 30)


def _no_name(self):
    raise DataError('a file is damaged')


def _lines(self):
    raise UserError(f"'{self.root}' is damaged.\nOr is it?")


def _silent(self):
    pass


@pytest.mark.parametrize('spoil, text', [
    (_key, 'KeyError'), (_hang, 'hang'), (_outside, 'opened outside'), (_crash, 'crash .exit code -11'),
    (_exit, 'SystemExit'), (_memory, 'out of memory'), (_no_name, 'names no file'), (_lines, 'one line')])
def test_misbehaviour_is_seen(spoil, text, edition):
    reader = type('Spoilt', (_Spoilt,), dict(spoil=spoil, __module__=__name__))
    failed = [x for x in fuzz(reader, 'pa100k', 6, SEED, seconds=2) if x.kind == FAILED]
    assert failed and all(text.partition('.')[0] in x.text for x in failed)


def test_no_misbehaviour_is_seen_where_there_is_none(edition):
    reader = type('Sound', (_Spoilt,), dict(spoil=_silent, __module__=__name__))
    assert {x.kind for x in fuzz(reader, 'pa100k', 12, SEED)} == {READ, REFUSED}


def test_labels_that_are_no_numbers_are_seen(edition):
    class Holes(datasets.ShanghaiTech):
        def _points(self, path):
            return super()._points(path) * np.nan
    root = places.place('shanghaitech_a', 'minihuman:tiny')
    read(datasets.ShanghaiTech, 'shanghaitech_a', 'test', root)
    with pytest.raises(Misbehaviour, match='no number'):
        read(Holes, 'shanghaitech_a', 'test', root)


# ------------------------------------------------------------------------------------------- what it has found
@pytest.mark.parametrize('name', ['a\nb', 'a\x1b[2Jb', '\udcff', 'x' * 9999])
def test_messages_stay_one_line(name):
    text = str(DataError(f"'{name}' is damaged."))
    assert text.isprintable() and text.encode() and len(text) <= LONGEST
    assert text.startswith("'") and text.endswith("' is damaged.")
    assert str(DataError("'Zürich 1.jpg' is damaged.")) == "'Zürich 1.jpg' is damaged."


def _keys_of_keys() -> bytes:
    return b'\x80\x02}(K\x01\x85' + b'2\x86' * 60 + b'K\x01u.'


def _empty_texts() -> bytes:
    """An array of two billion texts of no letters, which is what its bytes hold."""
    return (b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\x01btR(K\x01(J\0\0\0\x7ft'
            b'cnumpy\ndtype\n(U\x01SK\0K\x01tRK\0U\0tb.')


def _growing_text() -> bytes:
    return b'c_codecs\nencode\n' * 40 + b'C\x01a' + b'X\x03\0\0\0hex\x86R' * 40 + b'.'


@pytest.mark.parametrize('data, text', [
    (laughs(list), 'lists hold more than'), (laughs(tuple), 'lists hold more than'),
    (_empty_texts(), 'of no bytes'), (_keys_of_keys(), 'keys other than texts'), (_growing_text(), 'it calls encode'),
    (b'cnumpy\nndarray\n(\x8a\x05\0\0\0\0\x40\x85tR.', 'it calls ndarray'),
    (b'cnumpy\nndarray\n)\x81.', 'it holds an object'), (b'\x80\x04\x8e' + b'\xff' * 7 + b'\0.', 'cannot read')])
def test_pickles_that_take_all_memory_or_forever(tmp_path, data, text):
    (tmp_path / 'x.pkl').write_bytes(data)
    with pytest.raises(DataError, match=text):
        safe_pickle.read_pickle(tmp_path / 'x.pkl', 'an array')


@pytest.mark.parametrize('protocol', [0, 1, 2, 3, 4, 5])
def test_pickles_of_arrays_are_read(tmp_path, protocol):
    value = dict(a=np.arange(6.0).reshape(2, 3), b=[np.float32(2), b'\xff', None, (1, 'x')],
                 c=np.array([None, [1]], object))
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps(value, protocol))
    assert repr(safe_pickle.read_pickle(tmp_path / 'x.pkl', 'arrays', 'latin1')) == repr(value)


@pytest.mark.parametrize('number', [float('nan'), float('inf'), 1e30])
def test_keypoints_that_are_no_pixels(tmp_path, number):
    data = native.coco(tmp_path / 'train2017', ['a.jpg'])
    path = tmp_path / 'annotations/person_keypoints_train2017.json'
    native.data(path, data)
    assert len(datasets.CocoKeypoints(tmp_path)) == 1
    data['annotations'][0]['keypoints'][3] = number
    native.data(path, data)
    with pytest.raises(DataError, match='keypoints_train2017.json.*are not in pixels'):
        datasets.CocoKeypoints(tmp_path)


def test_people_beyond_all_numbers(tmp_path):
    name = '9' * 30
    native.image(tmp_path / f'train/000001/{name}_1.jpg')
    with pytest.raises(DataError, match=f'{name}_1.jpg.*the number'):
        datasets.LaST(tmp_path)


def test_links_in_a_circle(tmp_path):
    native.image(tmp_path / '0001/a.jpg')
    (tmp_path / '0001/b.jpg').symlink_to('b.jpg')
    with pytest.raises(DataError, match='b.jpg'):
        datasets.DGMarket(tmp_path)
    (tmp_path / '0001/b.jpg').unlink()
    assert len(datasets.DGMarket(tmp_path)) == 1


def test_names_of_very_many_folders(tmp_path):
    root = native.crowdhuman(tmp_path, 'a')
    native.data(root / 'annotation_val.odgt', dict(ID='a/' * 3000 + 'a', gtboxes=[]))
    with pytest.raises(DataError, match='annotation_val.odgt, line 1.*by 6,005 letters'):
        datasets.CrowdHuman(root, 'val')


def test_label_files_are_no_links_that_lead_out(tmp_path):
    root = native.crowdhuman(tmp_path / 'data', 'a')
    place, elsewhere = root / 'annotation_train.odgt', tmp_path / 'elsewhere.odgt'
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    with pytest.raises(DataError, match="annotation_train.odgt' is a link that leads out"):
        datasets.CrowdHuman(root)
    assert len(datasets.CrowdHuman(root, ann_file=elsewhere)) == 1  # a user may name any file
    assert len(datasets.CrowdHuman(root, ann_file='annotation_train.odgt')) == 1
    (root / 'inside').mkdir()
    elsewhere.rename(root / 'inside/x.odgt')
    place.unlink()
    place.symlink_to('inside/x.odgt')  # a link that stays is fine
    assert len(datasets.CrowdHuman(root)) == 1
