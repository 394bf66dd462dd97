"""Readers on real files of the datasets, read flat through ``ann_file`` and ``img_dir``."""
import json

import numpy as np
import pytest

from humanbench import catalog, datasets
from humanbench.datasets.transforms import LoadImage, LoadLabelMap, RandomFlip
from humanbench.datasets.transforms.geometry import flip_labels
from humanbench.datasets.transforms.loading import read_image, read_label_map


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def test_market1501(realdata):
    dataset = datasets.Market1501(realdata / 'market1501', img_dir='.')
    assert [(x['pid'], x['camid'], x['identity']) for x in records(dataset)] == [
        (22, 6, 0), (27, 2, 1), (32, 6, 2), (48, 1, 3), (65, 6, 4)]
    assert dataset.metainfo['num_ids'] == 5
    assert dataset.identities().tolist() == [0, 1, 2, 3, 4]
    assert all(read_image(x['img_path']).shape == (128, 64, 3) for x in records(dataset))


@pytest.mark.parametrize('split, first, n', [('train', 1, 80000), ('val', 80001, 10000), ('trainval', 1, 90000),
                                             ('test', 90001, 10000)])
def test_pa100k(realdata, split, first, n):
    dataset = datasets.PA100K(realdata / 'pa100k', split, img_dir='data')
    assert len(dataset) == n == catalog.card('pa100k').splits[split]['images']
    record = dataset.get_data_info(0)
    assert record['img_path'].endswith(f'data/{first:06d}.jpg')
    assert record['attributes'].shape == (26,) and record['attributes'].dtype == np.int8


def test_pa100k_names_and_labels(realdata):
    import scipy.io
    mat = scipy.io.loadmat(realdata / 'pa100k/annotation/annotation.mat')
    assert tuple(str(x[0][0]) for x in mat['attributes']) == catalog.card('pa100k').attributes
    dataset = datasets.PA100K(realdata / 'pa100k', indices=range(10))
    assert (np.stack([x['attributes'] for x in records(dataset)]) == mat['train_label'][:10]).all()


def test_peta_reads_the_selected_columns(realdata):
    import scipy.io
    peta = scipy.io.loadmat(realdata / 'peta/PETA.mat')['peta'][0, 0]
    names = tuple(str(x[0][0]) for x in peta['attribute'])
    assert names[:35] == catalog.card('peta').attributes
    splits = {x: datasets.PETA(realdata / 'peta', x, img_dir='.') for x in ('train', 'val', 'trainval', 'test')}
    assert {x: len(y) for x, y in splits.items()} == {'train': 9500, 'val': 1900, 'trainval': 11400, 'test': 7600}
    numbers = {x: {int(r['img_path'][-9:-4]) for r in records(y)} for x, y in splits.items()}
    assert numbers['train'].isdisjoint(numbers['test'])
    assert numbers['trainval'] | numbers['test'] == set(range(1, 19001))
    record = splits['test'].get_data_info(7)
    row = peta['data'][int(record['img_path'][-9:-4]) - 1]
    assert (record['attributes'] == row[4:39]).all()
    wrong = peta['data'][:, 4:][:, peta['selected_attribute'].ravel() - 1]  # the trap: names in place of columns
    assert (wrong != peta['data'][:, 4:39]).any()


def test_coco(realdata):
    dataset = datasets.CocoKeypoints(realdata / 'coco', ann_file='test_coco.json', img_dir='.')
    data = json.loads((realdata / 'coco/test_coco.json').read_text())
    people = {x['id']: x for x in data['annotations'] if x['num_keypoints'] and not x['iscrowd']}
    assert {x['id'] for x in records(dataset)} == set(people) and len(people) == 12 < len(data['annotations'])
    for record in records(dataset):
        row = people[record['id']]
        points = np.array(row['keypoints']).reshape(-1, 3)
        assert (record['keypoints'][0] == points[:, :2]).all()
        assert (record['keypoints_visible'][0] == (points[:, 2] > 0)).all()
        assert record['area'] == row['area'] and record['raw_ann_info']['bbox'] == row['bbox']
        x, y, w, h = row['bbox']
        assert np.allclose(record['bbox'][0], [x, y, x + w, y + h], atol=1)


def test_coco_detected_boxes(realdata):
    dataset = datasets.CocoKeypoints(realdata / 'coco', 'val', ann_file='test_coco.json', img_dir='.',
                                     bbox_file='test_coco_det_AP_H_56.json', bbox_threshold=0.9)
    rows = [x for x in json.loads((realdata / 'coco/test_coco_det_AP_H_56.json').read_text()) if x['score'] >= 0.9]
    assert len(dataset) == sum(x['category_id'] == 1 for x in rows) > 0
    record = dataset.get_data_info(0)
    assert record['bbox_score'][0] == pytest.approx(rows[0]['score'])
    assert not record['keypoints_visible'].any() and 'raw_ann_info' not in record


def test_aic_native_equals_converted(realdata):
    native = datasets.AIChallenger(realdata / 'aic', ann_file='native_keypoint_annotations_subset.json', img_dir='.')
    converted = datasets.AIChallenger(realdata / 'aic', ann_file='test_aic.json', img_dir='.')
    assert len(native) == 179 and len(converted) == 9
    by_box = {(x['img_path'], *x['bbox'].ravel().round()): x for x in records(native)}
    for record in records(converted):
        same = [x for (path, *box), x in by_box.items()
                if path == record['img_path'] and np.allclose(box, record['bbox'][0], atol=1)]
        assert len(same) == 1
        for key in ('keypoints', 'keypoints_visible'):
            assert (same[0][key] == record[key]).all()
        assert same[0]['raw_ann_info']['keypoints'] == record['raw_ann_info']['keypoints']  # visibility 0, 1, 2


def test_halpe_first_20_of_136(realdata):
    dataset = datasets.Halpe(realdata / 'halpe', 'val', ann_file='test_halpe.json', img_dir='.')
    rows = {x['id']: x for x in json.loads((realdata / 'halpe/test_halpe.json').read_text())['annotations']}
    assert len(dataset) == 12 < len(rows)  # two have no keypoint at all
    names = catalog.card('halpe').keypoints
    for record in records(dataset):
        row = rows[record['id']]
        points = np.array(row['keypoints']).reshape(136, 3)[:20]
        assert (record['keypoints'][0] == points[:, :2]).all()
        assert (record['keypoints_visible'][0] == (points[:, 2] > 0)).all()
        assert record['raw_ann_info']['num_keypoints'] == (points[:, 2] > 0).sum() != row['num_keypoints']
        points = record['keypoints'][0] - record['bbox'][0, :2]
        height = row['bbox'][3]
        assert points[names.index('head'), 1] < 0.1 * height  # near the top of the box
        eyes = [i for i in (1, 2) if record['keypoints_visible'][0, i]]
        assert all(points[names.index('head'), 1] < points[i, 1] for i in eyes)


def test_mpii_counts_from_zero(realdata):
    dataset = datasets.MPII(realdata / 'mpii', ann_file='test_mpii.json', img_dir='.')
    rows = json.loads((realdata / 'mpii/test_mpii.json').read_text())
    for row, record in zip(rows, records(dataset), strict=True):
        assert np.allclose(record['keypoints'][0] + 1, row['joints'])
        assert np.allclose(record['center'] + 1, row['center'])
        x1, y1, x2, y2 = record['bbox'][0]
        assert x2 - x1 == pytest.approx(200 * row['scale'], rel=1e-5)
        assert (y1 + y2) / 2 == pytest.approx(row['center'][1] - 1 + 15 * row['scale'], rel=1e-5)


def test_h36m_bare_names_are_found(realdata):
    dataset = datasets.Human36MPose(realdata / 'h36m', ann_file='h36m_coco.json', img_dir='.')
    assert len(dataset) == 4
    for record in records(dataset):
        height, width = read_image(record['img_path']).shape[:2]
        assert (record['keypoints'] > 0).all() and (record['keypoints'] < (width, height)).all()
    assert dataset.metainfo['keypoints'][1] == 'right_hip'  # the file's own categories block says left


def test_no_joint_of_h36m_counts_as_hidden(realdata):
    """The files say 1 of every joint, which to COCO is a hidden one."""
    rows = json.loads((realdata / 'h36m/h36m_coco.json').read_text())['annotations']
    assert {x for row in rows for x in row['keypoints'][2::3]} == {1.0}
    dataset = datasets.Human36MPose(realdata / 'h36m', ann_file='h36m_coco.json', img_dir='.')
    for row, record in zip(rows, records(dataset), strict=True):
        assert set(record['raw_ann_info']['keypoints'][2::3]) == {2} and record['keypoints_visible'].all()
        assert record['raw_ann_info']['keypoints'][::3] == row['keypoints'][::3]


@pytest.mark.parametrize('name', ['0002190', '0005008', '0012008'])
def test_label_aware_flip_is_pixel_exact(realdata, name):
    """The dataset ships mirrored label maps; ours must equal them."""
    indices = np.array(catalog.card('cihp').flip_indices)
    labels = read_label_map(str(realdata / f'cihp/labels/{name}.png'))
    expected = read_label_map(str(realdata / f'cihp/labels_rev/{name}.png'))
    assert (flip_labels(labels, indices) == expected).all()
    assert (flip_labels(labels, np.arange(20)) != expected).any()  # without the pairs it is not


@pytest.mark.parametrize('reader', [datasets.CIHP, datasets.VIP, datasets.PaperDoll])
def test_a_flip_in_the_pipeline_is_pixel_exact(realdata, reader):
    """From the file to the flipped sample, for all datasets with these 20 classes; the image is mirrored with it."""
    places = dict(img_dir='images', seg_dir='labels')
    steps = [dict(type=LoadImage), dict(type=LoadLabelMap)]
    plain, flipped = (reader(realdata / 'cihp', pipeline=[*steps, dict(type=RandomFlip, prob=p)], **places)
                      for p in (0.0, 1.0))
    for i in range(3):
        before, after = plain[i], flipped[i]
        name = before['seg_map_path'].rsplit('/', 1)[1]
        expected = read_label_map(str(realdata / f'cihp/labels_rev/{name}'))
        assert (after['gt_seg_map'] == expected).all() and after['flip'] and not before['flip']
        assert (after['img'] == before['img'][:, ::-1]).all()
        assert (before['gt_seg_map'][:, ::-1] != expected).any()  # a mirror without the exchange is not enough


def test_parsing_folders_without_lists(realdata):
    cihp = datasets.CIHP(realdata / 'cihp', img_dir='images', seg_dir='labels')
    lip = datasets.LIP(realdata / 'lip', img_dir='train_images', seg_dir='train_segmentations')
    assert len(cihp) == 3 and len(lip) == 1
    for record in records(cihp) + records(lip):
        labels = read_label_map(record['seg_map_path'])
        assert labels.shape == read_image(record['img_path']).shape[:2] and labels.max() < 20


def test_crowdhuman(realdata):
    record = datasets.CrowdHuman(realdata / 'crowdhuman', img_dir='.').get_data_info(0)
    assert record['img_id'] == '283554,35288000868e92d4' and record['img_path'].endswith('/283554,35288000868e92d4.jpg')
    assert [x['ignore_flag'] for x in record['instances']] == [0] * 6 + [1]
    assert record['instances'][0]['bbox'] == [1330, 317, 1330 + 418, 317 + 1338]  # the full box, out of the image


def test_coco_persons(realdata):
    rows = records(datasets.CocoPersons(realdata / 'coco', ann_file='test_coco.json', img_dir='.'))
    assert len(rows) == 4 and sum(len(x['instances']) for x in rows) == 14  # those without keypoints, too
    for row in rows:
        height, width = read_image(row['img_path']).shape[:2]
        assert (row['height'], row['width']) == (height, width)
        for box in (x['bbox'] for x in row['instances']):
            assert 0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height


def test_caltech(realdata):
    dataset = datasets.Caltech(realdata / 'caltech', 'test', img_dir='.')
    rows = records(dataset)
    assert len(rows) == 4024 == catalog.card('caltech').splits['test']['images']
    assert sum(len(x['instances']) for x in rows) == 7596
    assert any(not x['instances'] for x in rows)  # an image without people is a record like any other
    assert rows[0]['instances'][0] == {'bbox': [172, 184, 182, 210], 'bbox_label': 0, 'ignore_flag': 1}


def test_shanghaitech(realdata):
    dataset = datasets.ShanghaiTech(realdata / 'shanghaitech_format', img_dir='images', ann_file='ground-truth')
    assert [x['gt_points'].shape for x in records(dataset)] == [(21, 2), (58, 2), (11, 2)]
    first = dataset.get_data_info(0)['gt_points']
    assert first.dtype == np.float32 and (first[0] == (79, 105)).all()
