"""Text-to-image re-identification: who is described how in the native lists, on hand-made files."""
import json

import pytest

from humanbench import datasets
from humanbench.errors import DataError

from . import native

CUHK = ('reid_raw.json', 'file_path', datasets.CUHKPEDES)
RSTP = ('data_captions.json', 'img_path', datasets.RSTPReid)
ICFG = ('ICFG-PEDES.json', 'file_path', datasets.ICFGPEDES)


def write(root, kind: tuple, *rows: tuple) -> type:
    """A dataset of rows (id, image, split, captions); gives its reader."""
    name, key, reader = kind
    for _, image, _, _ in rows:
        native.image(root / 'imgs' / image)
    native.data(root / name, [{'id': a, key: b, 'split': c, 'captions': d} for a, b, c, d in rows])
    return reader


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def pairs(dataset) -> list[tuple]:
    return [(x['pid'], x['identity'], x['img_path'].rsplit('/', 1)[1], x['caption']) for x in records(dataset)]


def test_training_records_are_pairs_and_others_images(tmp_path):
    reader = write(tmp_path, CUHK, (1, 'cam_a/1.png', 'train', ['a', 'b']), (12004, 'cam_b/9.jpg', 'test', ['c'] * 3),
                   (7, 'Market/2.jpg', 'train', ['d']), (11500, 'CUHK03/5.png', 'val', ['e', 'f']))
    assert pairs(reader(tmp_path)) == [(1, 0, '1.png', 'a'), (1, 0, '1.png', 'b'), (7, 1, '2.jpg', 'd')]
    assert pairs(reader(tmp_path, 'trainval')) == [
        (1, 0, '1.png', 'a'), (1, 0, '1.png', 'b'), (7, 1, '2.jpg', 'd'), (11500, 2, '5.png', 'e'),
        (11500, 2, '5.png', 'f')]
    assert reader(tmp_path, 'trainval').metainfo['num_ids'] == 3
    for split, person, captions in (('val', 11500, ['e', 'f']), ('test', 12004, ['c'] * 3)):
        found, = records(reader(tmp_path, split))
        assert (found['pid'], found['captions'], found['split']) == (person, captions, split)
        assert 'caption' not in found and 'identity' not in found
    assert {x['split'] for x in records(reader(tmp_path, 'trainval'))} == {'train', 'val'}


def test_ids_from_0_are_raised_by_one(tmp_path):
    reader = write(tmp_path, RSTP, (0, '0000_c1_0000.jpg', 'train', ['a']), (5, '0005_c2_0001.jpg', 'train', ['b']))
    assert [x[:2] for x in pairs(reader(tmp_path))] == [(1, 0), (6, 1)]
    reader = write(tmp_path, CUHK, (0, 'cam_a/1.png', 'train', ['a']))
    with pytest.raises(DataError, match='the id 0 of a person, where the lowest is 1'):
        reader(tmp_path)


@pytest.mark.parametrize('name', ['ICFG-PEDES.json', 'ICFG_PEDES.json'])
def test_the_folders_of_icfg_are_not_its_split(tmp_path, name):
    reader = write(tmp_path, (name, *ICFG[1:]), (3, 'test/0003/a.jpg', 'train', ['a']),
                   (4, 'train/0004/b.jpg', 'test', ['b']))
    assert [x['img_path'][len(f'{tmp_path}/imgs/'):] for split in ('train', 'test') for x in records(
        reader(tmp_path, split))] == ['test/0003/a.jpg', 'train/0004/b.jpg']


def test_people_who_are_left_out(tmp_path):
    reader = write(tmp_path, CUHK, *((i, f'cam_a/{i}.png', 'train', ['a']) for i in (1, 1369, 2000)))
    assert [x[:2] for x in pairs(reader(tmp_path, exclude=[1369]))] == [(1, 0), (2000, 1)]
    assert len(reader(tmp_path)) == 3


def test_a_list_of_ones_own(tmp_path):
    reader = write(tmp_path, CUHK, (1, 'cam_a/1.png', 'train', ['a']))
    native.data(tmp_path / 'mine.json', [dict(id=1, file_path='1.png', split='train', captions=['other'])])
    assert pairs(reader(tmp_path, ann_file='mine.json', img_dir='imgs/cam_a'))[0][3] == 'other'


WRONG = {
    'no list': ({}, 'holds a dict; expected a list'),
    'a record that is none': ([3], 'a record of .* is 3; expected an object'),
    'the key of another dataset': ([dict(id=1, img_path='x', captions=['a'], split='train')], 'lacks file_path'),
    'an unknown split': ([dict(id=1, file_path='x', captions=['a'], split='trian')], "split 'trian'; expected one of "
                         'train, val, test'),
    'the name of our own split': ([dict(id=1, file_path='x', captions=['a'], split='trainval')], 'expected one of'),
    'an id in words': ([dict(id='1', file_path='x', captions=['a'], split='train')], "the id '1' of a person"),
    'an id that is true': ([dict(id=True, file_path='x', captions=['a'], split='train')], 'the id True'),
    'no caption': ([dict(id=1, file_path='x', captions=[], split='train')], 'one at least, as captions'),
    'one caption without a list': ([dict(id=1, file_path='x', captions='abc', split='train')], "the captions 'abc'"),
    'half a character': ([dict(id=1, file_path='x', captions=['\ud800'], split='train')], 'UnicodeEncodeError'),
    'a name that is none': ([dict(id=1, file_path=None, captions=['a'], split='train')], "as 'file_path'"),
    'a name that leads out': ([dict(id=1, file_path='../x', captions=['a'], split='train')], 'leads out'),
}


@pytest.mark.parametrize('content, message', WRONG.values(), ids=WRONG)
def test_a_list_that_is_wrong(tmp_path, content, message):
    reader = write(tmp_path, CUHK, (1, 'cam_a/1.png', 'train', ['a']))
    assert len(reader(tmp_path)) == 1
    (tmp_path / 'reid_raw.json').write_text(json.dumps(content))
    with pytest.raises(DataError, match=message) as error:
        reader(tmp_path)
    assert 'reid_raw.json' in str(error.value)
