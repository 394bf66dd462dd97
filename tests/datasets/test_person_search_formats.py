"""Person search: who is where in the native MATLAB files, on hand-made ones."""
import shutil

import numpy as np
import pytest

from humanbench import datasets
from humanbench.datasets.doctor.rules import findings
from humanbench.errors import DataError, UserError
from humanbench.minihuman.writers.person_search import CUHKSYSU as Writer

from . import native


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def boxes(record: dict) -> list[tuple]:
    return [(x['pid'], *x['bbox']) for x in record['instances']]


def structs(*rows: dict) -> np.ndarray:
    out = np.empty((1, len(rows)), [(name, object) for name in rows[0]])
    out[0] = [tuple(x.values()) for x in rows]
    return out


def scene(name: str, *box: int) -> dict:
    return dict(imname=name, idlocate=np.array([box] if box else [], np.uint16), ishard=0)


# -------------------------------------------------------------------------------------------------------- CUHK-SYSU
IMAGES = {'s1.jpg': [(3, 4, 10, 20), (40, 4, 8, 30)], 's2.jpg': [(1, 2, 5, 9), (7, 7, 0, 9)],
          's3.jpg': [(5, 5, 9, 18)], 's4.jpg': [(2, 2, 9, 18)], 's5.jpg': []}


def cuhk(root, images: dict = IMAGES, pool=('s3.jpg', 's4.jpg', 's5.jpg'), **changed):
    """Two training people, one who is in both training images, and one query with a gallery of two images."""
    for name in images:
        native.image(root / f'Image/SSM/{name}')
    rows = [dict(imname=name, nAppear=len(found), box=structs(*(dict(idlocate=np.array([x], np.uint16)) for x in found))
                 if found else np.empty((0, 0))) for name, found in images.items()]
    folder = root / 'annotation'
    native.mat(folder / 'Images.mat', Img=structs(*rows))
    native.mat(folder / 'pool.mat', pool=native.cells(*pool))
    native.mat(folder / 'test/train_test/Train.mat', Train=native.cells(
        structs(dict(idname='p1', nAppear=2, scene=structs(
            scene('s1.jpg', 3, 4, 10, 20), scene('s2.jpg', 1, 2, 5, 9)))),
        structs(dict(idname='p2', nAppear=1, scene=structs(scene('s1.jpg', 40, 4, 8, 30))))))
    for size, gallery in ((100, ('s4.jpg', 's5.jpg')), (50, ('s4.jpg',))):
        asked = structs(dict(scene(changed.get('query', 's3.jpg'), 5, 5, 9, 18), nAppear=1))
        shown = [scene(x, *((2, 2, 9, 18) if x == 's4.jpg' else ())) for x in changed.get('gallery', gallery)]
        native.mat(folder / f'test/train_test/TestG{size}.mat', **{
            f'TestG{size}': structs(dict(Query=asked, Gallery=structs(*shown)))})
    return datasets.CUHKSYSU


def test_training_people_are_found_by_their_boxes(tmp_path):
    data = cuhk(tmp_path)(tmp_path)
    first, second = records(data)
    assert boxes(first) == [(1, 3, 4, 13, 24), (2, 40, 4, 48, 34)] and boxes(second) == [(1, 1, 2, 6, 11)]
    assert [x['identity'] for x in first['instances']] == [0, 1] and data.metainfo['num_ids'] == 2
    assert first['raw_ann_info'][0] == dict(bbox=[3, 4, 10, 20], pid=1) and 'queries' not in first
    native.mat(tmp_path / 'annotation/test/train_test/Train.mat', Train=native.cells(
        structs(dict(idname='p1', nAppear=1, scene=structs(scene('s1.jpg', 3, 4, 10, 21))))))  # one pixel off
    assert [x['identity'] for x in records(data.__class__(tmp_path))[0]['instances']] == [-1, -1]


def test_queries_search_their_gallery(tmp_path):
    asked, shown, empty = records(cuhk(tmp_path)(tmp_path, 'test'))
    query, = asked['queries']
    assert (query['query'], query['pid'], query['bbox']) == (0, 10001, [5, 5, 14, 23])
    assert query['gallery'].tolist() == [3, 4] == [shown['frame'], empty['frame']]
    assert query['positives'] == {3: [2, 2, 11, 20]} and boxes(shown) == [(10001, 2, 2, 11, 20)]
    assert empty['instances'] == [] and 'identity' not in shown['instances'][0]
    smaller = records(datasets.CUHKSYSU(tmp_path, 'test', gallery_size=50))[0]['queries'][0]
    assert smaller['gallery'].tolist() == [3]
    with pytest.raises(UserError, match="gallery size of CUHK-SYSU '10'.*100"):
        datasets.CUHKSYSU(tmp_path, 'test', gallery_size=10)
    with pytest.raises(DataError, match=r'TestG500.mat. is missing'):
        datasets.CUHKSYSU(tmp_path, 'test', gallery_size=500)


def test_the_image_of_a_query_is_tested_though_the_pool_lacks_it(tmp_path):
    reader = cuhk(tmp_path, pool=('s4.jpg', 's5.jpg'))
    assert [x['img_id'] for x in records(reader(tmp_path, 'test'))] == ['s3.jpg', 's4.jpg', 's5.jpg']
    assert 's3.jpg' in [x['img_id'] for x in records(reader(tmp_path))]  # nothing but the pool tells them apart


@pytest.mark.parametrize('changed, message', [
    (dict(query='s9.jpg'), "TestG100.mat.*KeyError: 's9.jpg'"), (dict(gallery=('s9.jpg',)), "KeyError: 's9.jpg'"),
    (dict(images={**IMAGES, 's5.jpg': [(1, 2, 3)]}), 'Images.mat.*where a box x, y, width, height'),
    (dict(images={**IMAGES, '../s.jpg': []}, pool=('s3.jpg', '../s.jpg')), 'leads out')])
def test_cuhk_sysu_that_is_wrong(tmp_path, changed, message):
    assert len(cuhk(tmp_path / 'sound')(tmp_path / 'sound', 'test')) == 3
    with pytest.raises(DataError, match=message):
        cuhk(tmp_path / 'broken', **changed)(tmp_path / 'broken', 'test')


def test_galleries_of_the_synthetic_edition(edition):
    """People whose boxes the protocol gives are those whom the labels of the frames name."""
    data = datasets.CUHKSYSU('minihuman:tiny', 'test')
    people = {x['frame']: {y['pid']: y['bbox'] for y in x['instances']} for x in records(data)}
    queries = [(x['frame'], query) for x in records(data) for query in x['queries']]
    assert len(queries) >= 3 and sorted(query['query'] for _, query in queries) == list(range(len(queries)))
    for frame, query in queries:
        assert people[frame][query['pid']] == query['bbox'] and query['positives']
        assert query['positives'] == {x: people[x][query['pid']] for x in query['gallery'] if query['pid'] in people[x]}
        assert len(query['gallery']) == min(Writer.GALLERIES[1], len(people) - 1) == len(set(query['gallery']))


# --------------------------------------------------------------------------------------------------------------- PRW
def prw(root, frames: dict, queries: str = '', variable: str = 'box_new', split: str = 'train'):
    for name, rows in frames.items():
        native.image(root / f'frames/{name}.jpg')
        native.mat(root / f'annotations/{name}.jpg.mat', **{variable: np.array(rows, float).reshape(-1, 5)})
    native.mat(root / f'frame_{split}.mat', **{f'img_index_{split}': native.cells(*frames)})
    (root / 'query_info.txt').write_bytes(queries.encode())
    return datasets.PRW


@pytest.mark.parametrize('variable', ['box_new', 'anno_file', 'anno_previous'])
def test_prw_relabels_its_people(tmp_path, variable):
    reader = prw(tmp_path, {'c1s1_000001': [[932, 1, 2, 3, 4], [-2, 5, 6, 7, 8]], 'c6s2_000026': [[480, 1, 2, 3, 4]],
                            'c2s1_000051': []}, variable=variable)
    data = reader(tmp_path)
    first, second, empty = records(data)
    assert boxes(first) == [(932, 1, 2, 4, 6), (-1, 5, 6, 12, 14)] and data.metainfo['num_ids'] == 2
    assert [x['identity'] for x in first['instances']] == [1, -1] and second['instances'][0]['identity'] == 0
    assert [x['camid'] for x in (first, second, empty)] == [1, 6, 2] and empty['instances'] == []


def test_prw_coordinates_are_cut_before_the_size_is_added(tmp_path):
    data = prw(tmp_path, {'c1s1_000001': [[3, -2.5, -1, 10, 20]]}, '3 -2.5 4 10 20 c1s1_000001\r\n', split='test')(
        tmp_path, 'test')
    record, = records(data)
    assert boxes(record) == [(3, 0, 0, 10, 20)]
    assert record['queries'] == [dict(query=0, pid=3, bbox=[0, 4, 7.5, 24], gallery=None, positives=None)]


@pytest.mark.parametrize('frames, queries, message', [
    ({'c1s1_1': [[0, 1, 2, 3, 4]]}, '', 'c1s1_1.jpg.mat.*the id 0.0 of a person'),
    ({'c1s1_1': [[1.5, 1, 2, 3, 4]]}, '', 'the id 1.5'), ({'c1s1_1': [[1, 1, np.nan, 3, 4]]}, '', 'not in pixels|nan'),
    ({'s1_1': []}, '', "frame_test.mat.*the frame 's1_1'"),
    ({'c1s1_1': []}, '3 1 2 3 4 c1s1_2\r\n', "query 1 of .*'c1s1_2', which is not one of"),
    ({'c1s1_1': []}, '3 1 2 3 c1s1_1\r\n', 'query_info.txt.*not enough values')])
def test_prw_that_is_wrong(tmp_path, frames, queries, message):
    sound = prw(tmp_path, {'c1s1_1': [[1, 1, 2, 3, 4]]}, '1 1 2 3 4 c1s1_1\r\n', split='test')
    assert len(sound(tmp_path, 'test')) == 1
    shutil.rmtree(tmp_path / 'annotations')
    with pytest.raises(DataError, match=message):
        prw(tmp_path, frames, queries, split='test')(tmp_path, 'test')


def test_doctors_word_on_a_person_who_is_twice_in_a_frame(tmp_path):
    record, = records(prw(tmp_path, {'c1s1_1': [[7, 1, 2, 3, 4], [7, 9, 2, 3, 4], [-2, 1, 1, 2, 2], [-2, 5, 1, 2, 2]]})(
        tmp_path))
    card = datasets.PRW(tmp_path).card
    assert list(findings(record, card)) == [('labels', 'person 7 is in 2 boxes')]
    record['instances'].pop(0)
    assert list(findings(record, card)) == []


def test_queries_of_the_synthetic_edition(edition):
    data = datasets.PRW('minihuman:tiny', 'test')
    found = records(data)
    cameras = {(x['camid'], query['pid']) for x in found for query in x['queries']}
    queries = [query for x in found for query in x['queries']]
    assert len(queries) == len(cameras) >= 6  # one for each person and camera
    lines = (data.root / 'query_info.txt').read_bytes().splitlines(True)
    assert len(lines) == len(queries) and all(x.endswith(b'\r\n') for x in lines)
    raw = np.concatenate([datasets.base.read_mat(x, '').get('box_new', np.empty((0, 5)))
                          for x in sorted((data.root / 'annotations').iterdir())])
    assert (raw[:, 0] == -2).any() and (raw[:, 1:] < 0).any()
    assert min(v for x in found for y in x['instances'] for v in y['bbox']) >= 0
