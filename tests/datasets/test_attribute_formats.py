"""Attribute datasets: how their codes become 1, 0 and -1, on hand-made files."""
import sqlite3
from contextlib import closing

import numpy as np
import pytest

from humanbench import catalog, datasets
from humanbench.datasets.transforms import CropBox, LoadImage, RandomFlip
from humanbench.errors import DataError

from . import native


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def present(record: dict, value: int = 1) -> set[str]:
    """Names of the attributes with a value."""
    names = catalog.card(record['dataset']).attributes
    return {name for name, x in zip(names, record['attributes'], strict=True) if x == value}


# ------------------------------------------------------------------------------------------------ WIDER Attribute
def wider(root, *targets, folder: str = '', file_name: str = 'train/0--Parade/a.jpg') -> None:
    images = [{'file_name': file_name, 'scene_id': 0, 'targets': list(targets)},
              {'file_name': 'val/0--Parade/b.jpg', 'scene_id': 0, 'targets': list(targets)}]
    for image in images:
        if '..' not in image['file_name']:
            native.image(root / 'Image' / image['file_name'])
    native.data(root / f'{folder}wider_attribute_trainval.json', {'images': images})


PERSON = {'attribute': [1, -1, 0] + [-1] * 10 + [1], 'bbox': [2, 3, 10.5, 20]}


@pytest.mark.parametrize('folder', ['', 'Annotations/'])
def test_wider_values_and_boxes(tmp_path, folder):
    flat = {'attribute': [1] * 14, 'bbox': [2, 3, 0, 20]}
    wider(tmp_path, PERSON, flat, folder=folder)
    record, = records(datasets.WIDERAttribute(tmp_path))
    assert present(record) == {'male', 'stripe'} and present(record, -1) == {'sunglass'}
    assert record['bbox'].tolist() == [[2, 3, 12.5, 23]]
    assert [len(datasets.WIDERAttribute(tmp_path, x)) for x in ('val', 'trainval')] == [1, 2]
    by_arithmetic = [abs(x) - 1 for x in PERSON['attribute']]  # what a public reader does: absent and present are one
    assert by_arithmetic[:2] == [0, 0] and record['attributes'].tolist()[:2] == [1, 0]


@pytest.mark.parametrize('change', [
    {'attribute': [1] * 13}, {'attribute': [2] * 14}, {'attribute': None}, {'bbox': [1, 2, 3]},
    {'bbox': [float('nan'), 0, 1, 1]}, {'bbox': ['a', 0, 1, 1]}])
def test_wider_broken_people(tmp_path, change):
    wider(tmp_path, PERSON)
    assert len(datasets.WIDERAttribute(tmp_path)) == 1
    wider(tmp_path, dict(PERSON, **change))
    with pytest.raises(DataError, match='wider_attribute_trainval.json'):
        datasets.WIDERAttribute(tmp_path)


def test_wider_names_stay_inside(tmp_path):
    wider(tmp_path, PERSON, file_name='train/../../secret.jpg')
    with pytest.raises(DataError, match='leads out of'):
        datasets.WIDERAttribute(tmp_path)


# ------------------------------------------------------------------------------------------------ UAV-Human
def test_uav_codes_of_the_main_person(tmp_path):
    native.image(tmp_path / 'train/P070S01G12B03H35UC102111LC092083A031R0_09131758_010.jpg')
    native.image(tmp_path / 'train/P071S00G21B50H40UC000000LC113000A000R0_08241716_170.jpg')
    first, second = records(datasets.UAVHumanAttributes(tmp_path))
    assert first['attributes'].shape == (43,)
    assert present(first) == {'male', 'backpack-na', 'hat-yellow', 'upper-purple', 'upperstyle-short',
                              'lower-darkbrown', 'lowerstyle-short'}
    assert present(first, -1) == {'backpack-red', 'backpack-black', 'backpack-green', 'backpack-yellow'}
    assert present(second) == {'backpack-na', 'hat-white', 'upper-na', 'upperstyle-na', 'lower-pink',
                               'lowerstyle-skirt'}  # 5 and 0 are not available
    assert len(present(second, -1)) == 4 + 11 + 3 and 'male' in present(second, 0)


@pytest.mark.parametrize('name', ['P070S01G30B00H30UC102000LC092000A031R0_1_0.jpg', 'x.jpg',
                                  'P070S01G10B60H30UC102000LC092000A031R0_1_0.jpg',
                                  'P070S01G10B00H30UC122000LC092000A031R0_1_0.jpg',
                                  'P070S01G10B00H30UC104000LC092000A031R0_1_0.jpg'])
def test_uav_codes_that_are_none(tmp_path, name):
    native.image(tmp_path / 'train' / name)
    with pytest.raises(DataError, match=f'{name}.*P070S01G10B00H10UC102000LC092000A031R0_09131758_010.jpg'):
        datasets.UAVHumanAttributes(tmp_path)


# ------------------------------------------------------------------------------------------------ Parse-27k
GROUPS = ('Orientation', 'Orientation8', 'Gender', 'Posture', 'HasBagOnShoulderLeft', 'HasBagOnShoulderRight',
          'HasBagInHandLeft', 'HasBagInHandRight', 'HasTrolley', 'HasBackpack', 'isPushing', 'isTalkingOnPhone')
USUAL = dict.fromkeys(GROUPS, 3) | {'Orientation': 4, 'Orientation8': 9, 'Gender': 2, 'HasBagInHandLeft': 2}


def parse27k(root, *people: dict, filename: str = 'f.png', sequence: int = 1) -> None:
    """A database of one frame."""
    root.mkdir(exist_ok=True)
    (root / 'annotations.sqlite3').unlink(missing_ok=True)
    native.image(root / 'sequences/s1/f.png')
    with closing(sqlite3.connect(root / 'annotations.sqlite3')) as database, database:
        database.execute('CREATE TABLE Sequence (sequenceID, directory)')
        database.execute('CREATE TABLE Image (imageID, sequenceID, filename)')
        database.execute(f'CREATE TABLE AttributeSet (attributeSetID, {", ".join(f"{x}ID" for x in GROUPS)})')
        database.execute('CREATE TABLE Pedestrian (pedestrianID, imageID, attributeSetID, box_min_x, box_min_y, '
                         'box_max_x, box_max_y)')
        database.execute('INSERT INTO Sequence VALUES (?, ?)', (sequence, 's1'))
        database.execute('INSERT INTO Image VALUES (7, ?, ?)', (sequence, filename))
        for i, codes in enumerate(people):
            values = {**USUAL, **codes}
            database.execute(f'INSERT INTO AttributeSet VALUES ({",".join("?" * 13)})', (
                100 + i, *(values[x] for x in GROUPS)))
            database.execute('INSERT INTO Pedestrian VALUES (?, 7, ?, ?, 2, 11, 21)', (
                codes.get('number', i), 100 + i, codes.get('x', 1)))


def test_parse27k_values_count_from_one_and_nobody_sits(tmp_path):
    parse27k(tmp_path, {}, {'Posture': 4}, {'Gender': 1, 'Posture': 2})
    first, second = records(datasets.Parse27k(tmp_path))
    assert present(first) == {
        'Orientation-left', 'Orientation8-front-left', 'Gender-male', 'Posture-standing', 'HasBagInHandLeft-yes',
        *(f'{x}-no' for x in GROUPS[4:] if x != 'HasBagInHandLeft')}
    assert present(first, -1) == set() and first['bbox'].tolist() == [[1, 2, 11, 21]]
    assert {'Gender-na', 'Posture-walking'} <= present(second)
    assert present(second, -1) == {'Gender-male', 'Gender-female'}


def test_parse27k_splits_are_sequences(tmp_path):
    inside = {1: {'train', 'trainval', 'all'}, 7: {'val', 'trainval', 'all'}, 6: {'test', 'all'}}
    for sequence, splits in inside.items():
        parse27k(tmp_path, {}, sequence=sequence)
        for split in datasets.Parse27k.splits:
            if split in splits:
                assert len(datasets.Parse27k(tmp_path, split)) == 1
            else:
                with pytest.raises(DataError, match='has no record'):
                    datasets.Parse27k(tmp_path, split)


def test_parse27k_mirrored(tmp_path):
    parse27k(tmp_path, {}, {'Orientation': 2, 'Orientation8': 4, 'HasBagInHandRight': 1})
    dataset = datasets.Parse27k(tmp_path, pipeline=[dict(type=LoadImage), dict(type=CropBox),
                                                    dict(type=RandomFlip, prob=1.0)])
    first, second = dataset[0], dataset[1]
    assert first['img'].shape == (19, 10, 3)
    assert present(first) >= {'Orientation-right', 'Orientation8-front-right', 'HasBagInHandRight-yes',
                              'HasBagInHandLeft-no', 'Gender-male'}
    assert present(second) >= {'Orientation-front', 'Orientation8-left', 'HasBagInHandLeft-na', 'HasBagInHandRight-yes'}
    assert present(second, -1) == {'HasBagInHandLeft-yes', 'HasBagInHandLeft-no'}
    plain = records(dataset)[0]
    unaware = RandomFlip(prob=1.0)(dict(img=first['img'], attributes=plain['attributes'], dataset='parse27k'))
    assert present(unaware) == present(plain) != present(first)  # without flip_indices nothing changes places


@pytest.mark.parametrize('people, message', [
    ([{'Gender': 5}], 'annotations.sqlite3.*the value 4'), ([{'Gender': 'male'}], 'annotations.sqlite3.*male'),
    ([{'Gender': None}], 'annotations.sqlite3'), ([{'x': 'left'}], 'annotations.sqlite3'),
    ([{'x': float('inf')}], 'annotations.sqlite3.*inf'), ([{}, {'number': 'one'}], 'annotations.sqlite3')])
def test_parse27k_broken_rows(tmp_path, people, message):
    parse27k(tmp_path, *people)
    with pytest.raises(DataError, match=message):
        datasets.Parse27k(tmp_path)


def test_parse27k_broken_databases(tmp_path):
    parse27k(tmp_path, {})
    path = tmp_path / 'annotations.sqlite3'
    whole = path.read_bytes()
    for content in (b'', b'not a database' * 100, whole[:len(whole) // 2], whole.replace(b'Pedestrian', b'Pedestrain')):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cannot read '.*annotations.sqlite3'.*SQLite"):
            datasets.Parse27k(tmp_path)
    path.write_bytes(whole)
    assert len(datasets.Parse27k(tmp_path)) == 1 and [x.name for x in tmp_path.glob('annotations*')] == [path.name]
    parse27k(tmp_path, {}, filename='../../secret.png')
    with pytest.raises(DataError, match='leads out of'):
        datasets.Parse27k(tmp_path)


ENDLESS = 'WITH RECURSIVE n(pedestrianID) AS (SELECT 1 UNION ALL SELECT pedestrianID + 1 FROM n) SELECT * FROM n'


@pytest.mark.parametrize('statements, message', [
    (['DROP TABLE Pedestrian', f'CREATE VIEW Pedestrian AS {ENDLESS}'], 'no table Pedestrian'),
    (['INSERT INTO Image SELECT * FROM Image', 'INSERT INTO AttributeSet SELECT * FROM AttributeSet'] * 12,
     'number twice')])  # each doubles the rows: 16 million for one person
def test_parse27k_databases_that_would_not_end(tmp_path, statements, message):
    parse27k(tmp_path, {}, {})
    with closing(sqlite3.connect(tmp_path / 'annotations.sqlite3')) as database, database:
        for statement in statements:
            database.execute(statement)
    with pytest.raises(DataError, match=f'annotations.sqlite3.*{message}'):
        datasets.Parse27k(tmp_path)


def test_parse27k_is_only_read(tmp_path):
    parse27k(tmp_path, {})
    path = tmp_path / 'annotations.sqlite3'
    path.chmod(0o444)
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert len(datasets.Parse27k(tmp_path)) == 1
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


# ------------------------------------------------------------------------------------------------ Market-1501 Attribute
FIELDS = [x for x in catalog.card('market1501_attribute').attributes if not x.startswith('age-')] + ['age']


def market_attribute(root, values: dict[str, list[int]], people: list[str], part: str = 'train') -> None:
    """``market_attribute.mat``; the other part has its fields in reverse order."""
    index = np.empty((1, len(people)), object)
    index[0] = people
    fields = {x: np.array([values.get(x, [1] * len(people))], np.uint8) for x in FIELDS}
    other = 'test' if part == 'train' else 'train'
    native.mat(root / 'market_attribute.mat', market_attribute={
        part: {**fields, 'image_index': index},
        other: {'image_index': index, **{x: 3 - fields[x] for x in reversed(FIELDS)}}})


def test_market_attributes_by_name_and_identity(tmp_path):
    values = {'gender': [2, 1], 'hat': [1, 2], 'age': [4, 1], 'downbrown': [2, 1], 'upblack': [1, 2]}
    market_attribute(tmp_path, values, ['0002', '0007'])
    for name in ('0007_c1s1_000001_01', '0002_c1s1_000001_01', '0002_c2s1_000051_01', '-1_c1s1_000003_00',
                 '0000_c1s1_000003_00'):
        native.image(tmp_path / f'bounding_box_train/{name}.jpg')
    found = records(datasets.Market1501Attribute(tmp_path))
    assert [x['img_id'][:7] for x in found] == ['0002_c1', '0002_c2', '0007_c1']
    assert present(found[0]) == present(found[1]) == {'gender', 'downbrown', 'age-old'}
    assert present(found[2]) == {'hat', 'upblack', 'age-young'}
    assert {*np.unique([x['attributes'] for x in found])} == {0, 1} and found[0]['attributes'].shape == (30,)


def test_market_attributes_test_part_and_images_of_market1501(tmp_path):
    root = tmp_path / 'Market-1501_Attribute'
    market_attribute(root, {'gender': [2], 'age': [2]}, ['0001'], 'test')
    native.image(tmp_path / 'Market-1501-v15.09.15/bounding_box_test/0001_c1s1_000001_01.jpg')
    record, = records(datasets.Market1501Attribute(root, 'test'))
    assert present(record) == {'gender', 'age-teenager'}


def test_market_attributes_that_are_broken(tmp_path):
    native.image(tmp_path / 'bounding_box_train/0002_c1s1_000001_01.jpg')
    market_attribute(tmp_path, {'hat': [0]}, ['0002'])  # coded 0 and 1, it is another release
    with pytest.raises(DataError, match="market_attribute.mat.*field 'hat'.*1 to 2"):
        datasets.Market1501Attribute(tmp_path)
    market_attribute(tmp_path, {}, ['0003'])
    with pytest.raises(DataError, match="0002_c1s1_000001_01.jpg.*no identity '0002'"):
        datasets.Market1501Attribute(tmp_path)


# ------------------------------------------------------------------------------------------------ cutting people out
@pytest.mark.parametrize('box, window', [
    ([2, 3, 6, 9], (3, 9, 2, 6)), ([1.5, 2.5, 5.2, 8.1], (2, 9, 1, 6)), ([-4, -5, 3, 4], (0, 4, 0, 3)),
    ([5, 6, 99, 99], (6, 12, 5, 10)), ([3.2, 4.2, 3.3, 4.3], (4, 5, 3, 4)), ([3, 4, 3, 4], (4, 5, 3, 4))])
def test_crop_box(box, window):
    image = np.arange(12 * 10 * 3, dtype=np.uint8).reshape(12, 10, 3)
    found = CropBox()(dict(img=image, img_path='x.jpg', bbox=np.array([box], np.float32)))
    top, bottom, left, right = window
    assert (found['img'] == image[top:bottom, left:right]).all() and found['img_shape'] == (bottom - top, right - left)


@pytest.mark.parametrize('box', [[10, 2, 14, 8], [2, 12, 4, 15], [-5, 2, -1, 8], [2, -9, 4, 0]])
def test_a_box_beside_the_image_is_an_error(box):
    with pytest.raises(DataError, match='x.jpg.*10 x 12 pixels.*lies outside'):
        CropBox()(dict(img=np.zeros((12, 10, 3), np.uint8), img_path='x.jpg', bbox=np.array([box], np.float32)))


def test_a_crop_is_left_as_it_is():
    image = np.zeros((12, 10, 3), np.uint8)
    assert CropBox()(dict(img=image))['img'] is image
