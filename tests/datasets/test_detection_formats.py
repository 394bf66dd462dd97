"""Native formats of the detection datasets on hand-made files, each trap with what it would do to a careless reader."""
import json
from pathlib import Path

import numpy as np
import pytest

from humanbench import datasets
from humanbench.errors import DataError, UserError

from . import native


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def boxes(record: dict) -> list[list[float]]:
    return [x['bbox'] for x in record['instances']]


def flags(record: dict) -> list[int]:
    return [x['ignore_flag'] for x in record['instances']]


# ------------------------------------------------------------------------------------------------------ WiderPerson
def widerperson(root: Path, **images: list[str]) -> Path:
    for name, lines in images.items():
        native.image(root / f'Images/{name[1:]}.jpg')
        native.text(root / f'Annotations/{name[1:]}.jpg.txt', str(len(lines)), *lines)
    native.text(root / 'train.txt', *(x[1:] for x in images))
    return root


def test_widerperson_ignore_regions_and_crowds(tmp_path):
    root = widerperson(tmp_path, _000001=[f'{kind} 1 2 11 {20 + kind}' for kind in range(1, 6)])
    record, = records(datasets.WiderPerson(root))
    assert boxes(record)[0] == [1, 2, 11, 21] and record['raw_ann_info'][0]['bbox'] == [1, 2, 10, 19]
    assert flags(record) == [0, 0, 0, 1, 1]
    converter = [int(x['kind'] - 1 == 4) for x in record['raw_ann_info']]  # the public one stops at class 5
    assert converter == [0, 0, 0, 0, 1] != flags(record)


def test_widerperson_leaves_out_the_faulty_image_and_empty_ones(tmp_path):
    root = widerperson(tmp_path, _000001=['1 1 2 11 22'], _011765=['1 5 5 2 2'], _000002=[])
    native.text(root / 'Annotations/011765.jpg.txt', '999', 'what')
    assert [x['img_id'] for x in records(datasets.WiderPerson(root))] == ['000001']
    assert [x['img_id'] for x in records(datasets.WiderPerson(root, empty=True))] == ['000001', '000002']
    native.text(root / 'val.txt', '000002')
    assert [len(x['instances']) for x in records(datasets.WiderPerson(root, 'val'))] == [0]
    assert len(datasets.WiderPerson(root, 'trainval', empty=True)) == 3
    with pytest.raises(UserError, match='Known: train, trainval, val'):
        datasets.WiderPerson(root, 'test')  # comes without boxes


@pytest.mark.parametrize('lines, problem', [
    (['3', '1 1 2 11 22'], '1 of 3 boxes'), (['1', '1 1 2 11'], 'not enough values'), (['1', '6 1 2 3 4'], 'class 6'),
    (['1', '1 1 2 nan 4'], 'not in pixels'), (['1', '1 1 2 1e300 4'], 'not in pixels'), ([], 'not enough values')])
def test_widerperson_broken_file_is_named(tmp_path, lines, problem):
    root = widerperson(tmp_path, _000001=['1 1 2 11 22'])
    native.text(root / 'Annotations/000001.jpg.txt', *lines)
    with pytest.raises(DataError, match=f'000001.jpg.txt.*{problem}'):
        datasets.WiderPerson(root)


# --------------------------------------------------------------------------------------------------- WIDER Pedestrian
def wider_2018(root: Path, *lines: str) -> Path:
    for line in lines:
        native.image(root / 'train' / line.split()[0])
    native.text(root / 'train_annotations.txt', *lines)
    return root


def test_wider_pedestrian_2018(tmp_path):
    root = wider_2018(tmp_path, 'img1.jpg 1 2 3 10 20 2 5 6 7 8', 'img2.jpg', 'img3.jpg 1 1 1 4 9')
    native.text(root / 'pedestrian_ignore_part_train.txt', 'img3.jpg 8 9 3 4 1 1 2 2', 'img9.jpg 1 2 3 4')
    first, third = records(datasets.WiderPedestrian(root))  # nobody is in the second
    assert boxes(first) == [[2, 3, 12, 23], [5, 6, 12, 14]] and flags(first) == [0, 0]
    assert [x['label'] for x in first['raw_ann_info']] == ['pedestrian', 'cyclist']
    assert boxes(third) == [[1, 1, 5, 10], [8, 9, 11, 13], [1, 1, 3, 3]] and flags(third) == [0, 1, 1]
    assert len(datasets.WiderPedestrian(root, empty=True)) == 3


def test_wider_pedestrian_later_edition(tmp_path):
    for name in ('sur_train/sur1.jpg', 'ad_train/ad_02/ad7.jpg', 'ad_train/ad9.jpg', 'val_data/ad1.jpg'):
        native.image(tmp_path / name)
    native.text(tmp_path / 'Annotations/train_bbox.txt', 'sur1.jpg 2 3 10 20 1 1 2 4', 'ad7.jpg 1 1 4 9',
                'ad9.jpg 1 2 3 4')
    native.text(tmp_path / 'Annotations/train_ignore.txt', 'ad7.jpg 5 5 5 5')
    native.text(tmp_path / 'Annotations/val_bbox.txt', 'ad1.jpg 1 1 4 9')
    first, second, third = records(datasets.WiderPedestrian(tmp_path))
    assert boxes(first) == [[2, 3, 12, 23], [1, 1, 3, 5]] and flags(second) == [0, 1]
    assert [x['img_path'][len(str(tmp_path)):] for x in (first, second, third)] == [
        '/sur_train/sur1.jpg', '/ad_train/ad_02/ad7.jpg', '/ad_train/ad9.jpg']
    assert len(datasets.WiderPedestrian(tmp_path, 'val')) == 1
    images = datasets.WiderPedestrian(tmp_path, img_dir='ad_train', indices=[1])
    assert images.get_data_info(0)['img_path'].endswith('ad_train/ad_02/ad7.jpg')


def test_wider_pedestrian_asks_where_the_edition_does_not_show(tmp_path):
    twenty = ' '.join(map(str, [1, 2, 3, 4, 5] * 4))
    root = wider_2018(tmp_path, f'img1.jpg {twenty}', 'img2.jpg')
    with pytest.raises(DataError, match="train_annotations.txt': every line fits.*group=4 or group=5"):
        datasets.WiderPedestrian(root)
    assert [len(x['instances']) for g in (4, 5) for x in records(datasets.WiderPedestrian(root, group=g))] == [5, 4]
    wider_2018(tmp_path, f'img1.jpg {twenty}', 'img2.jpg 1 2 3 4 5 6')
    with pytest.raises(DataError, match='not every line fits'):
        datasets.WiderPedestrian(root)
    with pytest.raises(UserError, match='group=3'):
        datasets.WiderPedestrian(root, group=3)
    for kind, named in (('7', '7.0'), ('1.5', '1.5'), ('inf', 'inf')):
        wider_2018(tmp_path, f'img1.jpg {kind} 2 3 4 5')
        with pytest.raises(DataError, match=f'img1.jpg.*KeyError: {named}'):
            datasets.WiderPedestrian(root)


# ------------------------------------------------------------------------------------------------------------- EuroCity
def ecp(root: Path, value: object, name: str = 'amsterdam_00001') -> Path:
    city = name.split('_')[0]
    native.image(root / f'day/img/train/{city}/{name}.png')
    native.data(root / f'day/labels/train/{city}/{name}.json', value)
    return root


def thing(identity: str | None, x: float = 1, **more: object) -> dict:
    return {'identity': identity, 'x0': x, 'y0': 2, 'x1': x + 10, 'y1': 22, 'tags': [], **more}


def test_ecp_only_pedestrians_are_people(tmp_path):
    rider = thing('rider', 5, children=[thing('bicycle', 6), thing('co-rider', 7)])
    children = [thing('pedestrian', children=[]), rider, thing('person-group-far-away'), thing(None),
                thing('pedestrian', 9)]
    record, = records(datasets.EuroCityPersons(ecp(tmp_path, {'identity': 'frame', 'children': children})))
    assert [x['identity'] for x in record['raw_ann_info']] == [
        'pedestrian', 'rider', 'bicycle', 'co-rider', 'person-group-far-away', None, 'pedestrian']
    assert flags(record) == [0, 1, 1, 1, 1, 1, 0] and boxes(record)[2] == [6, 2, 16, 22]
    assert len(record['instances']) > len(children)  # who reads the frame's children only misses two


@pytest.mark.parametrize('wrap', [
    lambda x: {'@converter': 'x', 'children': [{'identity': 'list', 'children': [x]}]},
    lambda x: {'identity': 'seqlist', 'children': {'children': x}}])
def test_ecp_wrappers_and_texts(tmp_path, wrap):
    person = {'identity': 'pedestrian', 'x0': '1.5', 'y0': '2', 'x1': '11.5', 'y1': '22.25', 'tags': ['occluded>40']}
    frame = {'identity': 'frame', 'children': [person]}
    record, = records(datasets.EuroCityPersons(ecp(tmp_path, wrap(frame))))
    assert boxes(record) == [[1.5, 2, 11.5, 22.25]] and record['raw_ann_info'][0]['tags'] == ['occluded>40']


@pytest.mark.parametrize('value', [
    [], {'identity': 'frame'}, {'children': []}, {'children': [{'children': [{'children': [{'children': [{}]}]}]}]},
    {'identity': 'frame', 'children': [{'identity': 'pedestrian'}]},
    {'identity': 'frame', 'children': [thing('pedestrian', float('nan'))]}])
def test_ecp_broken_file_is_named(tmp_path, value):
    with pytest.raises(DataError, match='amsterdam_00001.json'):
        datasets.EuroCityPersons(ecp(tmp_path, value))


def test_ecp_real_sample(realdata, tmp_path):
    sample = json.loads((realdata / 'ecp/ecp.json').read_text())
    record, = records(datasets.EuroCityPersons(ecp(tmp_path, sample)))
    assert flags(record) == [1, 0]  # a rider, a pedestrian
    assert boxes(record)[1] == pytest.approx([677.94, 164.64, 690.85, 195.36])


# ---------------------------------------------------------------------------------------------------------- CityPersons
ROWS = [[1, 5, 6, 10, 20, 24001, 7, 8, 4, 5], [0, 1, 2, 3, 4, 0, 1, 2, 3, 4], [2, 9, 9, 9, 9, 25001, 9, 9, 9, 9]]
NAMES = ('ignore', 'pedestrian', 'rider', 'sitting person', 'person (other)', 'person group')
FRAMES = {'aachen_000000_000019': ROWS, 'zurich_000000_000019': ROWS[1:2], 'zurich_000001_000019': []}


def citypersons(root: Path, images: str, kind: str) -> Path:
    made = []
    for stem, rows in FRAMES.items():
        city = stem.split('_')[0]
        native.image(root / images / f'train/{city}/{stem}_leftImg8bit.png')
        if kind == 'json':
            native.data(root / f'gtBboxCityPersons/train/{city}/{stem}_gtBboxCityPersons.json', {
                'imgHeight': 1024, 'imgWidth': 2048, 'objects': [
                    {'instanceId': x[5], 'label': NAMES[x[0]], 'bbox': x[1:5], 'bboxVis': x[6:]} for x in rows]})
        made.append({'cityname': city, 'im_name': f'{stem}_leftImg8bit.png', 'bbs': np.array(rows or [[]], np.uint16)})
    if kind == 'mat':
        native.mat(root / 'annotations/anno_train.mat', anno_train_aligned=native.cells(*made).T)
    if kind == 'evaluator':
        native.data(root / 'evaluation/train_gt.json', {
            'images': [{'id': i, 'im_name': f'{x}_leftImg8bit.png', 'height': 1024, 'width': 2048}
                       for i, x in enumerate(FRAMES, 1)],
            'annotations': [{'image_id': i, 'bbox': x[1:5], 'vis_bbox': x[6:], 'ignore': int(x[0] != 1), 'height': x[4]}
                            for i, rows in enumerate(FRAMES.values(), 1) for x in rows]})
    return root


@pytest.mark.parametrize('kind', ['mat', 'json', 'evaluator'])
@pytest.mark.parametrize('images', ['leftImg8bit', 'leftImg8bit_trainvaltest/leftImg8bit'])
def test_citypersons_in_its_three_forms(tmp_path, kind, images):
    dataset = datasets.CityPersons(citypersons(tmp_path, images, kind))
    first, second = records(dataset)  # an image with an ignore region alone is trained on, one with nothing is not
    assert boxes(first) == [[5, 6, 15, 26], [1, 2, 4, 6], [9, 9, 18, 18]]
    assert flags(first) == [0, 1, 1] and flags(second) == [1]
    assert first['raw_ann_info'][0]['vis_bbox'] == [7, 8, 4, 5] and first['raw_ann_info'][0]['vis_ratio'] == 0.1
    assert first['img_path'].endswith(f'{images}/train/aachen/aachen_000000_000019_leftImg8bit.png')
    assert len(datasets.CityPersons(tmp_path, empty=True)) == 3


def test_citypersons_numbers_do_not_wrap(tmp_path):
    citypersons(tmp_path, 'leftImg8bit', 'mat')
    row = datasets.CityPersons(tmp_path).get_data_info(0)['raw_ann_info'][0]
    raw = np.array(ROWS, np.uint16)[0]
    assert row['bbox'][0] - row['vis_bbox'][0] == -2 != int((raw[1:2] - raw[6:7])[0])


def test_citypersons_broken_records_are_named(tmp_path):
    citypersons(tmp_path, 'leftImg8bit', 'json')
    path = tmp_path / 'gtBboxCityPersons/train/aachen/aachen_000000_000019_gtBboxCityPersons.json'
    native.data(path, {'objects': [{'label': 'tram', 'bbox': [1, 2, 3, 4], 'bboxVis': [1, 2, 3, 4]}]})
    with pytest.raises(DataError, match="aachen_000000_000019_gtBboxCityPersons.json.*not in"):
        datasets.CityPersons(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match='aachen_000000_000019_gtBboxCityPersons.json'):
        datasets.CityPersons(tmp_path)
    for broken in ([], {'images': [{'id': 1}], 'annotations': []}, {'images': [], 'annotations': [{'image_id': 1}]}):
        native.data(tmp_path / 'train_gt.json', broken)
        with pytest.raises(DataError, match='train_gt.json.*im_name'):
            datasets.CityPersons(tmp_path, ann_file='train_gt.json')
    row = {'cityname': '../..', 'im_name': 'x.png', 'bbs': np.array(ROWS, np.uint16)}
    native.mat(tmp_path / 'anno_train.mat', anno_train_aligned=native.cells(row))
    with pytest.raises(DataError, match='leads out of'):
        datasets.CityPersons(tmp_path)
    for rows in (np.ones((2, 7), np.uint16), np.full((1, 10), np.inf), np.full((1, 10), 6)):
        row = {'cityname': 'aachen', 'im_name': 'x.png', 'bbs': rows}
        native.mat(tmp_path / 'anno_train.mat', anno_train_aligned=native.cells(row))
        with pytest.raises(DataError, match='anno_train.mat, image 1'):
            datasets.CityPersons(tmp_path)


# ------------------------------------------------------------------------------------------------------------ COCO
def test_coco_persons_alone(tmp_path):
    data = native.coco(tmp_path / 'train2017', ['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg'], segmentation=[[1, 2, 3, 4, 5, 6]])
    data['annotations'][1]['iscrowd'] = 1
    data['annotations'][2]['category_id'] = 18  # a dog
    data['annotations'].append({**data['annotations'][3], 'category_id': 27, 'id': 99})
    native.data(tmp_path / 'annotations/instances_train2017.json', data)
    found = records(datasets.CocoPersons(tmp_path))
    assert [Path(x['img_path']).name for x in found] == ['a.jpg', 'b.jpg', 'd.jpg']
    assert [flags(x) for x in found] == [[0], [1], [0]] and boxes(found[0]) == [[2, 3, 22, 33]]
    assert found[0]['height'] == 40 and 'segmentation' not in found[0]['raw_ann_info'][0]
    assert len(datasets.CocoPersons(tmp_path, empty=True)) == 4


# ------------------------------------------------------------------------------------------------------------ Caltech
def vbb(path: Path, frames: dict[int, list[dict]], labels: tuple[str, ...], num: int = 65) -> None:
    """A file of ``num`` frames, as MATLAB holds it; ``frames`` are numbered from zero."""
    lists = np.empty((1, num), object)
    for i in range(num):
        lists[0, i] = np.zeros((0, 0))
        if i in frames:
            lists[0, i] = np.empty((1, len(frames[i])), [(x, object) for x in ('id', 'pos', 'occl', 'lock', 'posv')])
            for j, item in enumerate(frames[i]):
                lists[0, i][0, j] = (item['id'], np.array([item['pos']], float), item.get('occl', 0), 0,
                                     np.array([item.get('posv', [0, 0, 0, 0])], float))
    names = np.array(labels, object)[None]
    native.mat(path, A={'nFrame': num, 'objLists': lists, 'maxObj': 16, 'objInit': np.ones((1, len(labels))),
                        'objLbl': names, 'objStr': 1.0, 'objEnd': 65.0, 'objHide': 0.0, 'altered': 0, 'log': 0.0,
                        'logLen': 0})


def test_caltech_video_annotations(tmp_path):
    people = {28: [dict(id=1, pos=[1, 1, 5, 5])], 29: [
        dict(id=1, pos=[11, 21, 30, 60]), dict(id=2, pos=[1, 1, 5, 9]),
        dict(id=3, pos=[11, 21, 30, 60], occl=1, posv=[11, 21, 30, 15]),
        dict(id=3, pos=[11, 21, 30, 60], occl=1, posv=[11, 21, 30, 60]),  # occluded, and nobody marked what is seen
        dict(id=3, pos=[11, 21, 30, 60], occl=1), dict(id=3, pos=[11, 21, 30, 60], posv=[11, 21, 30, 60])]}
    vbb(tmp_path / 'annotations/set06/V003.vbb', people, ('person', 'people', 'person'))
    for number in range(7, 11):
        (tmp_path / f'annotations/set{number:02d}').mkdir()
    for frame in (29, 59):
        native.image(tmp_path / f'images/set06_V003_I{frame:05d}.jpg')
    first, second = records(datasets.Caltech(tmp_path, 'test'))  # frames 29 and 59; 28 is not an image
    assert first['img_id'] == 'set06_V003_I00029.jpg' and second['img_id'] == 'set06_V003_I00059.jpg'
    assert boxes(first)[:2] == [[10, 20, 40, 80], [0, 0, 5, 9]] and second['instances'] == []  # counted from zero
    assert flags(first) == [0, 1, 0, 0, 0, 0]  # a group ('people') is an ignore region
    assert [x['vis_ratio'] for x in first['raw_ann_info']] == [1, 1, 0.25, 0, 1, 1]
    native.data(tmp_path / 'test.json', native.coco(tmp_path / 'images', ['set06_V003_I00029.jpg']))
    assert len(datasets.Caltech(tmp_path, 'test')) == 1  # the new annotations go first


def test_caltech_broken_video_annotation_is_named(tmp_path):
    vbb(tmp_path / 'annotations/set00/V000.vbb', {29: [dict(id=9, pos=[1, 1, 5, 5])]}, ('person',))
    (tmp_path / 'images').mkdir()
    with pytest.raises(DataError, match='V000.vbb.*object 9 of 1'):
        datasets.Caltech(tmp_path)
    (tmp_path / 'annotations/set00/V000.vbb').write_bytes(b'MATLAB 5.0 MAT-file')
    with pytest.raises(DataError, match='V000.vbb'):
        datasets.Caltech(tmp_path)
