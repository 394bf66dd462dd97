"""Rules of the native formats that no real sample at hand shows, on hand-made files."""
import numpy as np
import pytest

from humanbench import catalog, datasets
from humanbench.errors import DataError, UserError

from . import native


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def test_market_junk_is_dropped_and_distractors_are_kept(tmp_path):
    for name in ('-1_c1s1_000001_00', '0000_c2s1_000002_00', '0007_c3s1_000003_00', '0003_c6s1_000003_00'):
        native.image(tmp_path / f'bounding_box_test/{name}.jpg')
    native.text(tmp_path / 'bounding_box_test/Thumbs.db', 'not an image')
    native.text(tmp_path / 'bounding_box_test/._0007_c3s1_000003_00.jpg', 'left by an archiver')
    gallery = records(datasets.Market1501(tmp_path, 'gallery'))
    assert [(x['pid'], x['camid']) for x in gallery] == [(0, 2), (3, 6), (7, 3)]
    assert all('identity' not in x for x in gallery)


def test_identities_are_numbered_from_zero(tmp_path):
    for name in ('0011_c1s1_1_1', '0002_c1s1_1_1', '0011_c2s1_1_1', '0005_c1s1_1_1'):
        native.image(tmp_path / f'bounding_box_train/{name}.jpg')
    dataset = datasets.Market1501(tmp_path)
    assert [(x['pid'], x['identity']) for x in records(dataset)] == [(2, 0), (5, 1), (11, 2), (11, 2)]
    assert dataset.metainfo['num_ids'] == 3
    assert dataset.identities().tolist() == [0, 1, 2, 2]
    subset = datasets.Market1501(tmp_path, indices=[0, 3])
    assert subset.identities().tolist() == [0, 2]  # labels stay those of the whole split


def test_msmt17_test_people_are_not_training_people(tmp_path):
    for split, lists in {'train': ('train', 'val'), 'test': ('query', 'gallery')}.items():
        for i, name in enumerate(lists):
            path = f'0000/0000_00{i}_{i + 4:02d}_0303morning_0008_0.jpg'
            native.image(tmp_path / split / path)
            native.text(tmp_path / f'list_{name}.txt', f'{path} 0')
    train, query, gallery = (records(datasets.MSMT17(tmp_path, x)) for x in ('train', 'query', 'gallery'))
    assert [(x['pid'], x['camid'], x['identity']) for x in train] == [(0, 4, 0), (0, 5, 0)]
    assert query[0]['pid'] == gallery[0]['pid'] not in (train[0]['pid'], 0, -1)
    assert len(datasets.MSMT17(tmp_path, 'train_only')) == 1


def test_cuhk03_folders_and_protocol_file_agree(tmp_path):
    files = ['1_001_1_01.png', '1_001_2_06.png', '2_003_1_01.png', '2_003_2_07.png']
    pids, cameras = [1, 1, 9, 9], [1, 2, 1, 2]
    parts = {'bounding_box_train': [0, 1], 'query': [2], 'bounding_box_test': [3]}
    for boxes in ('detected', 'labeled'):
        for folder, rows in parts.items():
            for i in rows:
                native.image(tmp_path / f'np/{boxes}/{folder}/{pids[i]:04d}_c{cameras[i]}_{i}.png')
        native.mat(tmp_path / f'mat/cuhk03_new_protocol_config_{boxes}.mat', filelist=native.cells(*files),
                   labels=np.array(pids)[:, None], camId=np.array(cameras)[:, None], train_idx=np.array([[1], [2]]),
                   query_idx=np.array([[3]]), gallery_idx=np.array([[4]]))
        for name in files:
            native.image(tmp_path / f'mat/images_{boxes}/{name}')
    for split, expected in {'train': [(1, 1), (1, 2)], 'query': [(9, 1)], 'gallery': [(9, 2)]}.items():
        for boxes in ('detected', 'labeled'):
            for root in ('np', 'mat'):
                found = records(datasets.CUHK03(tmp_path / root, split, boxes=boxes))
                assert [(x['pid'], x['camid']) for x in found] == expected
                assert all(boxes in x['img_path'] for x in found)


def test_rapv2_selected_columns_and_first_partition(tmp_path):
    num = 6
    values = np.zeros((num, 152), np.uint8)
    selected = np.arange(20, 74) * 2  # 1-based columns, not the first ones
    values[:, selected - 1] = np.arange(num)[:, None] % 3  # 2 stands for unknown

    def partition(train, val, test):
        return {'train_index': np.array([train]), 'val_index': np.array([val]), 'test_index': np.array([test])}
    native.mat(tmp_path / 'RAP_annotation/RAP_annotation.mat', RAP_annotation={
        'name': native.cells(*(f'im{i}.png' for i in range(num))), 'data': values, 'selected_attribute': selected[None],
        'attribute': native.cells(*(f'a{i}' for i in range(152))),
        'partition_attribute': native.cells(partition([1, 2], [3], [4, 5, 6]), partition([6], [5], [4]))})
    for i in range(num):
        native.image(tmp_path / f'RAP_dataset/im{i}.png')
    train, trainval, test = (records(datasets.RAPv2(tmp_path, x)) for x in ('train', 'trainval', 'test'))
    assert [x['img_path'][-7:] for x in trainval] == ['im0.png', 'im1.png', 'im2.png'] and len(train) == 2
    assert [x['attributes'].tolist() for x in test] == [[v] * 54 for v in (0, 1, -1)]


def rap_v1(root, names=None, **changes):
    """Three training rows and three test rows, and the second partition the other way round."""
    attributes = names or [*reversed(catalog.card('rap_v1').attributes), *(f'more {i}' for i in range(41))]

    def partition(train, test):
        return {'train_index': np.array([train]), 'test_index': np.array([test])}
    values = np.zeros((6, 92), np.int32)
    values[:, 50 - 3] = [0, 1, 2, 2, 1, 0]  # the fourth name of the card, as the order is reversed
    native.mat(root / 'RAP_annotation/RAP_annotation.mat', RAP_annotation={
        'partion': native.cells(partition([1, 2, 3], [4, 5, 6]), *[partition([6, 5], [4])] * 4), 'label': values,
        'attribute_eng': native.cells(*attributes), 'imagesname': native.cells(*(f'im{i}.png' for i in range(6))),
        **changes})
    for i in range(6):
        native.image(root / f'RAP_dataset/im{i}.png')


def test_rap_v1_finds_its_columns_by_name_and_reads_uncertain_as_unknown(tmp_path):
    rap_v1(tmp_path)
    train, test = (records(datasets.RAPv1(tmp_path, x)) for x in ('train', 'test'))
    assert [x['img_path'][-7:] for x in test] == ['im3.png', 'im4.png', 'im5.png']
    assert [x['attributes'].tolist() for x in train] == [[0] * 3 + [v] + [0] * 47 for v in (0, 1, -1)]
    other = records(datasets.RAPv1(tmp_path, 'train', partition=1))
    assert [x['img_path'][-7:] for x in other] == ['im5.png', 'im4.png']


def test_rap_v1_of_another_release(tmp_path):
    rap_v1(tmp_path, names=[f'a{i}' for i in range(92)])
    with pytest.raises(DataError, match="RAP_annotation.mat.*'Female' is not in list.*of version 1"):
        datasets.RAPv1(tmp_path)
    with pytest.raises(UserError, match='partition=5: expected a number from 0 to 4'):
        datasets.RAPv1(tmp_path, partition=5)


def test_h36m_parsing_paths_and_sparse_ids(tmp_path):
    name = 'protocol_1/{}/S1/Directions 1.54138969/00000000.png'
    native.image(tmp_path / name.format('rgb'), 4, 6)
    raw = np.array([[0, 1, 6, 58, 50, 4], [17, 25, 32, 255, 19, 3], [0] * 6, [0] * 6])
    native.labels(tmp_path / name.format('seg'), raw)
    native.text(tmp_path / 'flist_2hz_train.txt', name.format('rgb'))
    dataset = datasets.Human36MParsing(tmp_path, pipeline=[dict(type=datasets.transforms.LoadLabelMap)])
    labels = dataset[0]['gt_seg_map']
    assert labels[0].tolist() == [0, 1, 4, 24, 22, 0]  # 4 is no id of the dataset: background
    assert labels[1].tolist() == [7, 10, 13, 255, 9, 3]


def test_mpii_head_sizes_come_from_the_ground_truth_file(tmp_path):
    row = {'image': 'a.jpg', 'center': [20.0, 10.0], 'scale': 0.1, 'joints': [[5.0, 6.0]] * 16, 'joints_vis': [1] * 16}
    hidden = {**row, 'joints_vis': [0] * 16}  # stays: the ground truth is a table in this order
    native.image(tmp_path / 'images/a.jpg')
    native.data(tmp_path / 'annotations/mpii_val.json', [row, hidden])
    boxes = np.array([[[0, 10], [0, 10]], [[3, 16], [4, 18]]], float)  # (corner, x or y, person)
    native.mat(tmp_path / 'annotations/mpii_gt_val.mat', headboxes_src=boxes)
    found = records(datasets.MPII(tmp_path, 'val'))
    assert [x['head_size'] for x in found] == pytest.approx([0.6 * 5, 0.6 * 10])
    assert [x['id'] for x in found] == [0, 1]


def test_coco_leaves_out_crowds_and_people_without_keypoints(tmp_path):
    data = native.coco(tmp_path / 'train2017', ['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg'])
    data['annotations'][0]['iscrowd'] = 1
    data['annotations'][1]['keypoints'] = [5, 6, 0] * 17
    data['annotations'][2]['bbox'] = [-5, -6, 100, 100]
    data['annotations'][3]['bbox'] = [35, 3, 20, 30]  # beyond the image
    native.data(tmp_path / 'annotations/person_keypoints_train2017.json', data)
    found = records(datasets.CocoKeypoints(tmp_path))
    assert [x['id'] for x in found] == [12]
    assert found[0]['bbox'].tolist() == [[0, 0, 29, 39]]


def test_crowdhuman_ignore_rules(tmp_path):
    boxes = [{'tag': 'person', 'fbox': [1, 2, 3, 4], 'extra': {'occ': 1}},
             {'tag': 'person', 'fbox': [1, 2, 3, 4], 'extra': {'ignore': 1}},
             {'tag': 'mask', 'fbox': [1, 2, 3, 4]}]
    found = records(datasets.CrowdHuman(native.crowdhuman(tmp_path, 'a,b', boxes=boxes)))
    assert [x['ignore_flag'] for x in found[0]['instances']] == [0, 1, 1]
    assert found[0]['img_id'] == 'a,b'


def test_caltech_ignore_and_empty_images(tmp_path):
    data = native.coco(tmp_path / 'images', ['set06_V000_I00029.jpg', 'set06_V000_I00059.jpg'])
    data['annotations'] = [{'id': 1, 'image_id': 0, 'bbox': [1, 2, 3, 4], 'ignore': 1},
                           {'id': 2, 'image_id': 0, 'bbox': [1, 2, 3, 4], 'iscrowd': False, 'vis_ratio': 0.4}]
    native.data(tmp_path / 'test.json', data)
    first, second = records(datasets.Caltech(tmp_path, 'test'))
    assert [x['ignore_flag'] for x in first['instances']] == [1, 0] and first['raw_ann_info'][1]['vis_ratio'] == 0.4
    assert second['instances'] == []


@pytest.mark.parametrize('folder', ['ground_truth', 'ground-truth'])
def test_shanghaitech_releases(tmp_path, folder):
    for i, points in {1: [[3.5, 4.5], [6, 7]], 2: np.zeros((0, 2))}.items():
        native.image(tmp_path / f'train_data/images/IMG_{i}.jpg')
        info = np.empty((1, 1), object)
        info[0, 0] = {'location': np.array(points, float), 'number': len(points)}
        native.mat(tmp_path / f'train_data/{folder}/GT_IMG_{i}.mat', image_info=info)
    dataset = datasets.ShanghaiTech(tmp_path, dataset='shanghaitech_b')
    assert [x['gt_points'].tolist() for x in records(dataset)] == [[[3.5, 4.5], [6, 7]], []]
    assert dataset.metainfo['dataset'] == 'shanghaitech_b'


def test_unknown_split_and_dataset(tmp_path):
    with pytest.raises(UserError, match="Did you mean 'train'"):
        datasets.Market1501(tmp_path, 'trian')
    with pytest.raises(UserError, match="Known: shanghaitech_a, shanghaitech_b"):
        datasets.ShanghaiTech(tmp_path, dataset='shanghaitech_c')


def test_lazy_reader_touches_nothing(tmp_path):
    dataset = datasets.Market1501(tmp_path / 'absent', lazy_init=True)
    assert dataset.metainfo['task'] == 'reid'
    with pytest.raises(UserError, match='absent'):
        dataset.full_init()
