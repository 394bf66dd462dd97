"""Whatever is wrong on disk ends in one DataError that names the file. Every case has its sound twin."""
import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from humanbench import datasets
from humanbench.datasets.roots import Folder, dataset_root
from humanbench.datasets.transforms import LoadImage, LoadLabelMap, loading
from humanbench.errors import DataError, UserError

from . import native

LOAD = [dict(type=LoadImage)]


# ---------------------------------------------------------------------------------------------- what is not there
def test_missing_root_says_where_to_unpack(tmp_path, monkeypatch):
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    with pytest.raises(DataError) as error:
        datasets.LIP()
    for part in (f'{tmp_path}/LIP', 'is missing', 'http://sysu-hcp.net/lip/', 'minihuman:tiny', 'data/train_id.txt'):
        assert part in str(error.value)


@pytest.mark.parametrize('reader', datasets.READERS, ids=lambda x: x.__name__)
def test_empty_folder_names_what_is_expected(reader, tmp_path):
    for split in reader.splits:
        with pytest.raises(DataError, match='is missing: expected .* of ') as error:
            reader(tmp_path, split)
        assert str(tmp_path) in str(error.value)


def test_half_unpacked_images(tmp_path):
    ids = [f'{i:03d}' for i in range(90)]
    datasets.CrowdHuman(native.crowdhuman(tmp_path, *ids))  # all there
    for i in range(60, 90):
        (tmp_path / f'Images/{i:03d}.jpg').unlink()
    with pytest.raises(DataError, match=r"Images/0[678]\d.jpg' is missing: expected a file that the annotation lists"):
        datasets.CrowdHuman(tmp_path)
    assert len(datasets.CrowdHuman(tmp_path, img_dir='Images')) == 90  # who names the folder is not second-guessed
    assert len(datasets.CrowdHuman(tmp_path, indices=range(20))) == 20
    with pytest.raises(UserError, match='indices name record 90; there are 90'):
        datasets.CrowdHuman(tmp_path, indices=[3, 90])


def test_half_unpacked_labels(tmp_path):
    native.image(tmp_path / 'data/train_images/1.jpg')
    native.text(tmp_path / 'data/train_id.txt', '1')
    with pytest.raises(DataError, match="train_segmentations' is missing"):
        datasets.LIP(tmp_path)
    native.labels(tmp_path / 'TrainVal_parsing_annotations/train_segmentations/1.png', np.zeros((40, 30)))
    assert len(datasets.LIP(tmp_path)) == 1
    (tmp_path / 'TrainVal_parsing_annotations/train_segmentations/1.png').rename(tmp_path / 'other.png')
    with pytest.raises(DataError, match='1.png.* is missing'):
        datasets.LIP(tmp_path)


def test_shanghaitech_image_without_points(tmp_path):
    native.image(tmp_path / 'test_data/images/IMG_1.jpg')
    (tmp_path / 'test_data/ground_truth').mkdir()
    with pytest.raises(DataError, match='GT_IMG_1.mat.* is missing'):
        datasets.ShanghaiTech(tmp_path, 'test')


def test_empty_annotation(tmp_path):
    native.crowdhuman(tmp_path, 'a')
    (tmp_path / 'annotation_train.odgt').write_text('')
    with pytest.raises(DataError, match="no record for split 'train' of CrowdHuman"):
        datasets.CrowdHuman(tmp_path)


# ------------------------------------------------------------------------------------------- what cannot be parsed
def _damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    path.write_bytes({'truncated': whole[:len(whole) // 2], 'empty': b'', 'binary': bytes(range(256)) * 4}[how])


@pytest.mark.parametrize('how', ['truncated', 'empty', 'binary'])
def test_unreadable_json(tmp_path, how):
    path = tmp_path / 'annotations/person_keypoints_train2017.json'
    native.data(path, native.coco(tmp_path / 'train2017', ['a.jpg']))
    assert len(datasets.CocoKeypoints(tmp_path)) == 1
    _damage(path, how)
    with pytest.raises(DataError, match="cannot read '.*person_keypoints_train2017.json'"):
        datasets.CocoKeypoints(tmp_path)


@pytest.mark.parametrize('how', ['truncated', 'empty', 'binary'])
def test_unreadable_mat(tmp_path, how):
    path = tmp_path / 'annotation.mat'
    native.image(tmp_path / 'data/000001.jpg')
    native.mat(path, train_images_name=native.cells('000001.jpg'), train_label=np.ones((1, 26)))
    assert datasets.PA100K(tmp_path).get_data_info(0)['attributes'].tolist() == [1] * 26
    _damage(path, how)
    with pytest.raises(DataError, match="cannot read '.*annotation.mat'"):
        datasets.PA100K(tmp_path)


def test_mat_of_another_dataset(tmp_path):
    native.mat(tmp_path / 'annotation.mat', something=np.ones(3))
    with pytest.raises(DataError, match='annotation.mat.*train_images_name'):
        datasets.PA100K(tmp_path)
    native.image(tmp_path / 'data/1.jpg')
    native.mat(tmp_path / 'annotation.mat', train_images_name=native.cells('1.jpg'), train_label=np.ones((1, 25)))
    with pytest.raises(DataError, match=r'shape \(1, 25\); expected \(1, 26\)'):
        datasets.PA100K(tmp_path)


def test_odgt_line_is_named(tmp_path):
    native.crowdhuman(tmp_path, 'a', 'b')
    lines = (tmp_path / 'annotation_train.odgt').read_text().splitlines()
    native.text(tmp_path / 'annotation_train.odgt', lines[0], lines[1][:-5])
    with pytest.raises(DataError, match='annotation_train.odgt, line 2'):
        datasets.CrowdHuman(tmp_path)


@pytest.mark.parametrize('change, message', [
    (lambda x: x['annotations'][0].pop('bbox'), 'lacks bbox'),
    (lambda x: x['annotations'][0].update(image_id=99), 'does not list'),
    (lambda x: x['annotations'][0].update(keypoints=[1, 2, 2] * 16), '17 keypoints'),
    (lambda x: x.pop('images'), "KeyError: 'images'"),
])
def test_broken_records_name_the_file(tmp_path, change, message):
    data = native.coco(tmp_path / 'train2017', ['a.jpg'])
    change(data)
    native.data(tmp_path / 'annotations/person_keypoints_train2017.json', data)
    with pytest.raises(DataError, match='person_keypoints_train2017.json') as error:
        datasets.CocoKeypoints(tmp_path)
    assert message in str(error.value)


def test_market_name_without_identity(tmp_path):
    native.image(tmp_path / 'query/holiday.jpg')
    with pytest.raises(DataError, match="holiday.jpg'.*0002_c1s1_000451_03.jpg"):
        datasets.Market1501(tmp_path, 'query')


# ------------------------------------------------------------------------------------------- what leads outside
OUTSIDE = ['../secret.jpg', 'a/../../secret.jpg', '/etc/passwd', 'a/../b.jpg', '']


@pytest.mark.parametrize('name', OUTSIDE)
def test_names_in_annotations_stay_inside(tmp_path, name):
    data = native.coco(tmp_path / 'train2017', ['a.jpg'])
    native.data(tmp_path / 'annotations/person_keypoints_train2017.json', data)
    data['images'][0]['file_name'] = name
    native.data(tmp_path / 'annotations/person_keypoints_val2017.json', data)
    (tmp_path / 'val2017').mkdir()
    assert len(datasets.CocoKeypoints(tmp_path)) == 1
    with pytest.raises(DataError, match='leads out of'):
        datasets.CocoKeypoints(tmp_path, 'val')


def test_other_formats_stay_inside_too(tmp_path):
    crowd = native.crowdhuman(tmp_path / 'crowd', '../../x')
    (crowd / 'Images').mkdir()
    native.text(tmp_path / 'msmt/list_query.txt', '../../0000_000_01_x.jpg 0')
    (tmp_path / 'msmt/test').mkdir()
    native.mat(tmp_path / 'pa/annotation.mat', train_images_name=native.cells('../1.jpg'), train_label=np.ones((1, 26)))
    (tmp_path / 'pa/data').mkdir()
    native.text(tmp_path / 'h36m/flist_2hz_train.txt', 'protocol_1/rgb/../../../x.png')
    native.text(tmp_path / 'lip/data/train_id.txt', '../../x')
    (tmp_path / 'lip/data/train_images').mkdir()
    (tmp_path / 'lip/TrainVal_parsing_annotations/train_segmentations').mkdir(parents=True)
    for reader, root, split in ((datasets.CrowdHuman, 'crowd', 'train'), (datasets.MSMT17, 'msmt', 'query'),
                                (datasets.PA100K, 'pa', 'train'), (datasets.Human36MParsing, 'h36m', 'train'),
                                (datasets.LIP, 'lip', 'train')):
        with pytest.raises(DataError, match='leads out of'):
            reader(tmp_path / root, split)


def test_links_out_of_the_folder(tmp_path):
    native.image(tmp_path / 'secret/x.jpg')
    root = native.crowdhuman(tmp_path / 'data', 'a', 'b')
    (root / 'Images/b.jpg').unlink()
    (root / 'Images/b.jpg').symlink_to(tmp_path / 'secret/x.jpg')
    dataset = datasets.CrowdHuman(root, pipeline=LOAD)
    assert dataset[0]['img'].shape == (40, 30, 3)
    with pytest.raises(DataError, match="b.jpg' is a link that leads out"):
        dataset[1]
    (root / 'Images/b.jpg').unlink()
    (root / 'Images/b.jpg').symlink_to(root / 'Images/a.jpg')  # a link that stays is fine
    assert dataset[1]['img'].shape == (40, 30, 3)


def test_linked_subfolder_is_refused_and_linked_root_is_not(tmp_path):
    native.image(tmp_path / 'elsewhere/sub/x.jpg')
    (tmp_path / 'inside').mkdir()
    (tmp_path / 'inside/sub').symlink_to(tmp_path / 'elsewhere/sub')
    with pytest.raises(DataError, match='leads out of'):
        Folder(tmp_path / 'inside').join('sub/x.jpg')
    (tmp_path / 'link').symlink_to(tmp_path / 'elsewhere')  # a user may keep the images on another disk
    assert Path(Folder(tmp_path / 'link').join('sub/x.jpg')).is_file()


# ------------------------------------------------------------------------------------------- what cannot be decoded
def _jpeg(height: int = 64, width: int = 48) -> bytes:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.imencode('.jpg', picture)[1].tobytes()


def _png(height: int = 64, width: int = 48) -> bytes:
    picture = np.random.default_rng(0).integers(0, 20, (height, width), np.uint8)
    return cv2.imencode('.png', picture)[1].tobytes()


@pytest.fixture(params=['simplejpeg', 'opencv'])
def decoder(request, monkeypatch):
    """Both decoders of JPEG files."""
    if request.param == 'simplejpeg':
        pytest.importorskip('simplejpeg')
    else:
        monkeypatch.setattr(loading, 'simplejpeg', None)


CORRUPT = {
    'truncated jpeg': ('x.jpg', _jpeg()[:900]), 'empty file': ('x.jpg', b''),
    'text': ('x.jpg', b'<html>not found</html>'), 'header of a jpeg': ('x.jpg', _jpeg()[:30]),
    'truncated png': ('x.png', _png()[:400]), 'header of a png': ('x.png', _png()[:20])}


@pytest.mark.parametrize('name, content', CORRUPT.values(), ids=CORRUPT)
def test_corrupt_image_is_named(tmp_path, decoder, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=str(tmp_path / name)):
        LoadImage()({'img_path': str(tmp_path / name)})


def test_sound_images_are_read(tmp_path, decoder):
    (tmp_path / 'x.jpg').write_bytes(_jpeg() + b'trailing bytes')
    (tmp_path / 'x.png').write_bytes(_png())
    for name in ('x.jpg', 'x.png'):
        results = LoadImage()({'img_path': str(tmp_path / name)})
        assert results['img'].shape == (64, 48, 3) and results['ori_shape'] == (64, 48)
        expected = cv2.imdecode(np.fromfile(tmp_path / name, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        assert np.abs(results['img'].astype(int) - expected).max() <= 1  # RGB


@pytest.mark.parametrize('place', ['scan', 'version', 'between'])
def test_careless_jpegs_are_read(tmp_path, decoder, place):
    """Some cameras write such: libjpeg complains, and every pixel is right."""
    sound = _jpeg()
    careless, scan = bytearray(sound), sound.index(b'\xff\xda')
    if place == 'scan':  # its last three bytes are 0, 63, 0 where all is coded in one go
        end = scan + 2 + int.from_bytes(sound[scan + 2:scan + 4], 'big')
        careless[end - 3:end] = b'\x01\x00\x00'
    elif place == 'version':
        careless[sound.index(b'JFIF\0') + 5] = 7
    else:
        careless[scan:scan] = b'\0\0\0'
    for name, content in (('sound.jpg', sound), ('careless.jpg', bytes(careless))):
        (tmp_path / name).write_bytes(content)
    pictures = [LoadImage()({'img_path': str(tmp_path / name)})['img'] for name in ('sound.jpg', 'careless.jpg')]
    assert np.array_equal(*pictures)
    if loading.simplejpeg is not None:
        (tmp_path / 'careless.jpg').write_bytes(bytes(careless[:len(careless) // 2]))
        with pytest.raises(DataError, match='careless.jpg'):  # what is harmless hides no damage
            LoadImage()({'img_path': str(tmp_path / 'careless.jpg')})


def test_missing_image_is_named(tmp_path):
    with pytest.raises(DataError, match='gone.jpg'):
        LoadImage()({'img_path': str(tmp_path / 'gone.jpg')})


def test_image_bomb_is_not_decoded(tmp_path, decoder):
    header = struct.pack('>IIBBBBB', 60000, 60000, 8, 2, 0, 0, 0)
    chunk = b'IHDR' + header
    bomb = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + chunk + struct.pack('>I', zlib.crc32(chunk))
    (tmp_path / 'bomb.png').write_bytes(bomb)
    with pytest.raises(DataError, match='claims 60000 x 60000 pixels'):
        LoadImage()({'img_path': str(tmp_path / 'bomb.png')})
    jpeg = _jpeg()
    (tmp_path / 'x.jpg').write_bytes(jpeg)
    with pytest.raises(DataError, match='claims 48 x 64 pixels'):
        LoadImage(max_pixels=48 * 64 - 1)({'img_path': str(tmp_path / 'x.jpg')})
    LoadImage(max_pixels=48 * 64)({'img_path': str(tmp_path / 'x.jpg')})


@pytest.mark.parametrize('mode, pixels, message', [
    ('I;16', np.full((4, 4), 3, np.uint16), 'uint16'), ('RGB', np.zeros((4, 4, 3), np.uint8), r'\(4, 4, 3\)')])
def test_label_maps_that_are_none(tmp_path, mode, pixels, message):
    cv2.imwrite(str(tmp_path / 'x.png'), pixels)
    with pytest.raises(DataError, match=message):
        loading.read_label_map(str(tmp_path / 'x.png'))


def test_label_map_with_a_palette_holds_indices(tmp_path):
    from PIL import Image
    values = np.arange(16, dtype=np.uint8).reshape(4, 4)
    picture = Image.fromarray(values, 'P')
    picture.putpalette([x for i in range(256) for x in (i * 7 % 256, 255 - i, 40)])
    picture.save(tmp_path / 'x.png')
    assert (loading.read_label_map(str(tmp_path / 'x.png')) == values).all()


def test_label_ids_beyond_the_classes(tmp_path):
    native.labels(tmp_path / 'x.png', np.array([[0, 19, 255], [20, 3, 37]]))
    record = {'seg_map_path': str(tmp_path / 'x.png'), 'label_map': None, 'num_classes': 20, 'seg_fields': []}
    with pytest.raises(DataError, match=r'x.png.*\[20, 37\]; expected 0..19 and 255'):
        LoadLabelMap()(dict(record))
    assert LoadLabelMap()(dict(record, num_classes=38))['gt_seg_map'].max() == 255


def test_reader_raises_for_one_sample_and_reads_the_next(tmp_path):
    dataset = datasets.CrowdHuman(native.crowdhuman(tmp_path, 'a', 'b'), pipeline=LOAD)
    (tmp_path / 'Images/a.jpg').write_bytes(_jpeg()[:500])
    with pytest.raises(DataError, match='a.jpg'):
        dataset[0]
    assert dataset[1]['img'].shape == (40, 30, 3)


# ------------------------------------------------------------------------------------------- where datasets lie
def test_roots(tmp_path, monkeypatch):
    from humanbench import catalog
    card = catalog.card('lip')
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    assert dataset_root(None, card) == tmp_path / 'LIP'
    assert dataset_root('/somewhere/LIP', card) == Path('/somewhere/LIP')
    monkeypatch.delenv('HUMANBENCH_DATA')
    assert dataset_root(None, card) == Path('data/LIP')


@pytest.mark.parametrize('root, base, seed', [('minihuman:small', 'small', 0), ('minihuman:small@0', 'small', 0),
                                              ('minihuman:small@7', 'small@7', 7)])
def test_minihuman_is_made_on_first_use(tmp_path, monkeypatch, root, base, seed):
    from types import SimpleNamespace

    from humanbench import catalog
    calls = []
    fake = SimpleNamespace(ensure=lambda *args: calls.append(args))
    monkeypatch.setitem(sys.modules, 'humanbench.minihuman', fake)
    monkeypatch.setenv('HUMANBENCH_DATA', str(tmp_path))
    card = catalog.card('shanghaitech_a')
    assert dataset_root(root, card) == tmp_path / f'minihuman/{base}/ShanghaiTech/part_A_final'
    assert calls == [(tmp_path / f'minihuman/{base}', 'small', seed, ['shanghaitech_a'])]


def test_minihuman_seed_is_a_number(tmp_path, monkeypatch):
    from humanbench import catalog
    monkeypatch.setenv('HUMANBENCH_DATA', os.fspath(tmp_path))
    with pytest.raises(UserError, match='minihuman:small@7'):
        dataset_root('minihuman:small@seven', catalog.card('lip'))
