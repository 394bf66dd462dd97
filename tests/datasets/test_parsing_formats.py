"""Native formats of VIP, Paper Doll, DeepFashion2 and ModaNet on hand-made files, and how outlines are drawn."""
from pathlib import Path

import cv2
import numpy as np
import pytest

from humanbench import datasets
from humanbench.datasets.transforms import LoadImage, LoadLabelMap
from humanbench.datasets.transforms.loading import draw_polygons
from humanbench.errors import DataError

from . import native

LOAD = [dict(type=LoadImage), dict(type=LoadLabelMap)]


def square(x: int, y: int, side: int) -> list[float]:
    return [x, y, x + side, y, x + side, y + side, x, y + side]


# ----------------------------------------------------------------------------------------------------------------- maps
@pytest.mark.parametrize('labels', ['Category_ids', 'Annotations/Category_ids'])
@pytest.mark.parametrize('lists', ['', 'lists/'])
def test_vip_in_both_layouts(tmp_path, labels, lists):
    name = 'videos1/000000000001'
    native.image(tmp_path / f'Images/{name}.jpg')
    native.labels(tmp_path / f'{labels}/{name}.png', np.full((40, 30), 19))
    native.text(tmp_path / f'{lists}train_id.txt', name)
    dataset = datasets.VIP(tmp_path, pipeline=LOAD)
    if not lists:  # PATH's only list
        assert len(datasets.VIP(tmp_path, 'trainval')) == 1
    native.text(tmp_path / 'lists/trainval_id.txt', name, 'videos2/000000000001')
    assert len(datasets.VIP(tmp_path, 'trainval', img_dir='Images', ann_file='lists/trainval_id.txt')) == 2
    assert (dataset[0]['gt_seg_map'] == 19).all()
    assert dataset.get_data_info(0)['img_id'] == f'{name}.jpg'  # two videos have frames of the same name


def test_paper_doll_without_labels_is_told_apart(tmp_path):
    native.image(tmp_path / 'images/0000000.jpg')
    native.text(tmp_path / 'train_id.txt', '0000000')
    with pytest.raises(DataError, match="TrainVal_parsing_annotations' is missing"):
        datasets.PaperDoll(tmp_path)
    native.labels(tmp_path / 'TrainVal_parsing_annotations/0000000.png', np.full((40, 30), 20))
    with pytest.raises(DataError, match=r'ids \[20\]; expected 0..19'):
        datasets.PaperDoll(tmp_path, pipeline=LOAD)[0]


# ------------------------------------------------------------------------------------------------------------- outlines
def test_drawing_covers_in_order_and_parts_do_not_cancel():
    big, small = np.array(square(2, 2, 20)).reshape(-1, 2), np.array(square(8, 8, 4)).reshape(-1, 2)
    labels = draw_polygons([(3, [big]), (5, [small])], (30, 30))
    assert labels.dtype == np.uint8 and labels[10, 10] == 5 and labels[3, 3] == 3 and labels[0, 0] == 0
    assert (labels == 5).sum() == 25 and (labels > 0).sum() == 441
    assert 5 not in draw_polygons([(5, [small]), (3, [big])], (30, 30))  # the other order hides it
    together = draw_polygons([(3, [big, small])], (30, 30))
    assert (together == 3).sum() == 441
    hole = cv2.fillPoly(np.zeros((30, 30), np.uint8), [big, small], 3)  # what filling both at once gives
    assert hole[10, 10] == 0
    assert (draw_polygons([(3, [big - 10])], (5, 5)) == 3).all()  # an outline may leave the image


def deepfashion2(root: Path, *items: dict, name: str = '000001') -> Path:
    native.image(root / f'train/image/{name}.jpg')
    native.data(root / f'train/annos/{name}.json', {
        'source': 'shop', 'pair_id': 1, **{f'item{i}': x for i, x in enumerate(items, 1)}})
    return root


def item(category: object, *outlines: object) -> dict:
    return {'category_id': category, 'segmentation': list(outlines), 'bounding_box': [0, 0, 1, 1]}


def test_deepfashion2_small_items_stay_visible(tmp_path):
    small, large = item(9, square(5, 5, 4)), item(11, square(1, 1, 9), square(15, 15, 9))
    for root, order in ((tmp_path / 'a', (small, large)), (tmp_path / 'b', (large, small))):
        record = datasets.DeepFashion2(deepfashion2(root, *order), pipeline=LOAD)[0]
        labels = record['gt_seg_map']
        assert labels.shape == (40, 30) and labels.dtype == np.uint8 and record['seg_fields'] == ['gt_seg_map']
        assert [label for label, _ in record['seg_polygons']] == [11, 9]  # larger first, whatever the file says
        assert (labels == 9).sum() == 25 and labels[16, 16] == labels[2, 2] == 11 and labels[12, 12] == 0


def test_deepfashion2_degenerate_outlines_enclose_nothing(tmp_path):
    dataset = datasets.DeepFashion2(deepfashion2(tmp_path, item(3, [1, 2, 3, 4]), item(4, [1.4, 1.6, 5, 1, 5, 5])))
    polygons = dataset.get_data_info(0)['seg_polygons']
    assert [(label, [x.tolist() for x in shapes]) for label, shapes in polygons] == [(4, [[[1, 2], [5, 1], [5, 5]]])]
    assert polygons[0][1][0].dtype == np.int16


@pytest.mark.parametrize('broken, problem', [
    (item(14, square(1, 1, 5)), 'category 14'), (item(0, square(1, 1, 5)), 'category 0'),
    (item('3', square(1, 1, 5)), "category '3'"), (item(True, square(1, 1, 5)), 'category True'),
    (item(3, [1, 2, 3, 4, 5]), 'not a list x1'), (item(3, [1, 2, 3, 4, 5, float('nan')]), 'not a list x1'),
    (item(3, [1, 2, 3, 4, 5, 1e9]), 'not a list x1'), (item(3, ['a'] * 6), 'could not convert'),
    (item(3, [[1, 2], [3, 4], [5, 6]]), 'not a list x1'), ({'category_id': 3}, 'segmentation'),
    (dict(item(3), segmentation={'counts': 'x', 'size': [1, 2]}), 'not a list of outlines'), (7, 'TypeError')])
def test_broken_items_name_the_file(tmp_path, broken, problem):
    with pytest.raises(DataError, match=f'000001.json.*{problem}'):
        datasets.DeepFashion2(deepfashion2(tmp_path, broken))


def modanet(root: Path, *rows: dict) -> Path:
    for name in ('0000007.jpg', '0000009.jpg'):
        native.image(root / 'images' / name)
    native.data(root / 'modanet2018_instances_train.json', {
        'images': [{'id': 7, 'file_name': '0000007.jpg'}, {'id': 9, 'file_name': '0000009.jpg'}],
        'annotations': [{'id': i, 'image_id': 9, 'iscrowd': 0, **x} for i, x in enumerate(rows)]})
    return root


def test_modanet_leaves_out_images_without_outlines(tmp_path):
    root = modanet(tmp_path, item(2, square(4, 9, 3)), item(6, square(2, 2, 20)), item(1, square(25, 30, 4)))
    dataset = datasets.ModaNet(root, pipeline=LOAD)
    assert len(dataset) == 1 and dataset[0]['img_id'] == 9
    labels = dataset[0]['gt_seg_map']
    assert {labels[10, 5], labels[3, 3], labels[32, 27], labels[0, 0]} == {2, 6, 1, 0}  # the belt lies on the dress
    assert dataset.metainfo['num_classes'] == 14
    with pytest.raises(DataError, match='modanet2018_instances_train.json, image 9.*category 14'):
        datasets.ModaNet(modanet(tmp_path / 'b', item(14, square(1, 1, 5))))


def test_outlines_survive_the_table(tmp_path, monkeypatch):
    """A large dataset is read from its index in later openings."""
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(datasets.base, 'INDEX_FROM', 2)
    root = tmp_path / 'data'
    for i in range(3):
        deepfashion2(root, item(1 + i, square(i, i, 9)), name=f'{i:06d}')
    fresh, mapped = (datasets.DeepFashion2(root, pipeline=LOAD) for _ in range(2))
    assert mapped._table.folder is not None
    for i in range(3):
        assert (fresh[i]['gt_seg_map'] == mapped[i]['gt_seg_map']).all() and (mapped[i]['gt_seg_map'] == 1 + i).any()
