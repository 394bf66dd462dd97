"""Native formats of pose and parsing, opened again with the libraries a user would use."""
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO
from scipy.io import loadmat

from humanbench import catalog
from humanbench.minihuman.scene import GARMENTS, JOINTS, SEGMENTS
from humanbench.minihuman.writers.base import Job
from humanbench.minihuman.writers.keypoints import joint_indices
from humanbench.minihuman.writers.label_maps import _lookup
from humanbench.minihuman.writers.reid import iou

from .written import COUNTS, lines, load, writer

# ------------------------------------------------------------------------------------------------ pose

@pytest.mark.parametrize('split', ['train', 'val'])
def test_coco_opens_in_pycocotools(root, split):
    coco = COCO(coco_file(root, split))
    assert len(coco.imgs) == COUNTS['coco_pose'][split]
    assert len(coco.anns) == len(load(coco_file(root, split))['annotations'])  # annotation ids are unique
    assert coco.loadCats(1)[0]['keypoints'] == list(catalog.card('coco_pose').keypoints)
    crowds = 0
    for row in coco.anns.values():
        image = coco.imgs[row['image_id']]
        points = np.reshape(row['keypoints'], (17, 3))
        assert (points[:, 2] > 0).sum() == row['num_keypoints'] and set(points[:, 2]) <= {0, 1, 2}
        assert (points[points[:, 2] == 0] == 0).all()
        inside = points[points[:, 2] > 0]
        assert ((inside[:, :2] >= 0) & (inside[:, :2] <= [image['width'], image['height']])).all()
        mask = coco.annToMask(row)
        assert mask.shape == (image['height'], image['width'])
        if row['iscrowd']:
            crowds += 1
            assert mask.sum() == row['area'] and rle.area(coco.annToRLE(row)) == row['area']
        else:
            assert 0.5 * row['area'] < mask.sum() <= 1.3 * row['area'] + 20
    assert crowds == (split == 'train')  # one image in twelve
    for image in coco.imgs.values():
        with Image.open(root('coco_pose') / f'{split}2017' / image['file_name']) as picture:
            assert picture.size == (image['width'], image['height'])


def coco_file(root, split):
    return root('coco_pose') / f'annotations/person_keypoints_{split}2017.json'


def test_coco_detections_find_most_people_and_not_exactly(root):
    truth = [x for x in load(coco_file(root, 'val'))['annotations'] if not x['iscrowd']]
    found = load(root('coco_pose') / 'COCO_val2017_detections_AP_H_56_person.json')
    assert all(set(x) == {'bbox', 'category_id', 'image_id', 'score'} and 0 < x['score'] <= 1 for x in found)
    best = []
    for row in truth:
        boxes = np.array([x['bbox'] for x in found if x['image_id'] == row['image_id']], float).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        box = np.array(row['bbox'], float)
        box[2:] += box[:2]
        best.append(iou(boxes, box).max())
    assert np.mean(np.array(best) > 0.6) > 0.7 and max(best) < 1


@pytest.mark.parametrize('split, folder, images, annotations', [
    ('train', 'ai_challenger_keypoint_train_20170902', 'keypoint_train_images_20170902',
     'keypoint_train_annotations_20170909.json'),
    ('val', 'ai_challenger_keypoint_validation_20170911', 'keypoint_validation_images_20170911',
     'keypoint_validation_annotations_20170911.json')])
def test_aic(root, split, folder, images, annotations):
    rows = load(root('aic') / folder / annotations)
    assert len(rows) == COUNTS['aic'][split]
    codes = set()
    for row in rows:
        assert (root('aic') / folder / images / f'{row["image_id"]}.jpg').is_file() and len(row['image_id']) == 40
        assert row['human_annotations'].keys() == row['keypoint_annotations'].keys() and row['human_annotations']
        for name, flat in row['keypoint_annotations'].items():
            points = np.reshape(flat, (14, 3))
            x1, y1, x2, y2 = row['human_annotations'][name]
            codes |= set(points[:, 2].tolist())
            assert (points[points[:, 2] == 3, :2] == 0).all() and x2 > x1 and y2 > y1
            seen = points[points[:, 2] == 1, :2]
            assert ((seen >= [x1 - 6, y1 - 6]) & (seen <= [x2 + 6, y2 + 6])).all()
    assert codes <= {1, 2, 3} and {1, 2} <= codes


def test_mpii_list_and_ground_truth_agree(root):
    folder = root('mpii') / 'annotations'
    train, val, both = (load(folder / f'mpii_{x}.json') for x in ('train', 'val', 'trainval'))
    assert both == train + val and not {x['image'] for x in train} & {x['image'] for x in val}
    mat = loadmat(folder / 'mpii_gt_val.mat')
    assert mat['pos_gt_src'].shape == (16, 2, len(val)) and mat['headboxes_src'].shape == (2, 2, len(val))
    assert np.where(mat['dataset_joints'] == 'head')[1][0] == 9  # as the public evaluation looks names up
    assert np.allclose(mat['pos_gt_src'], np.stack([x['joints'] for x in val], -1))
    assert (mat['jnt_missing'] == 1 - np.stack([x['joints_vis'] for x in val], -1)).all()
    heads = mat['headboxes_src']
    assert (heads[1] > heads[0]).all()
    for i, row in enumerate(val):
        joints, seen = np.array(row['joints']), np.array(row['joints_vis'], bool)
        assert (joints[~seen] == -1).all() and (joints[seen] >= 1).all()
        side = 1.25 * 200 * row['scale']
        low = np.array(row['center']) + [0, 15 * row['scale']] - side / 2
        assert ((joints[seen] >= low) & (joints[seen] <= low + side)).all()  # the crop holds the body
        for j in np.flatnonzero(seen[[8, 9]]) + 8:  # neck and vertex lie at the head box
            assert (np.abs(joints[j] - heads[:, :, i].mean(0)) <= 1.2 * (heads[1, :, i] - heads[0, :, i])).all()


@pytest.mark.parametrize('split', ['train', 'test'])
def test_h36m_pose(root, split):
    data = load(root('h36m_pose') / f'annotation_body2d/h36m_coco_{split}.json')
    subjects = {x['file_name'].split('/')[0] for x in data['images']}
    assert subjects <= ({'S1', 'S5', 'S6', 'S7', 'S8'} if split == 'train' else {'S9', 'S11'}) and len(subjects) > 1
    card = catalog.card('h36m_pose')
    for image, row in zip(data['images'], data['annotations'], strict=True):
        path = root('h36m_pose') / 'images' / image['file_name']
        assert path.is_file() and re.fullmatch(r'(S\d+)_\w+_1\.\d{8}_\d{6}\.jpg', path.name)
        points = np.reshape(row['keypoints'], (17, 3))
        x, y, w, h = row['bbox']
        assert w == h and (points[:, 2] == 1).all() and len(row['keypoints_3d']) == 68
        assert ((points[:, :2] > [x - 5, y - 5]) & (points[:, :2] < [x + w + 5, y + h + 5])).all()
        thigh = np.diff(np.reshape(row['keypoints_3d'], (17, 4))[[1, 2], :3], axis=0)
        assert 0.25 < np.linalg.norm(thigh) < 0.6  # metres
    block = data['categories'][0]['keypoints']
    assert block[1] == 'left_hip' and card.keypoints[1] == 'right_hip'  # the trap of the file in use


def test_h36m_subjects_keep_their_clothes():
    made = writer('h36m_pose')
    take = made.take(Job('train', 0))
    again = made.take(Job('train', 5))
    assert take.subject == again.subject == 'S1' and take.camera != again.camera
    assert made.person(take.subject).traits == made.person(again.subject).traits
    assert made.person('S9').traits != made.person('S1').traits


@pytest.mark.parametrize('dataset', ['coco_pose', 'aic', 'mpii', 'h36m_pose'])
def test_keypoint_tables(dataset):
    card = catalog.card(dataset)
    names = [JOINTS[i] for i in joint_indices(card)]
    assert len(set(names)) == len(card.keypoints)
    mirrored = [card.flip_indices[i] for i in range(len(names))]
    for name, other in zip(names, (names[i] for i in mirrored)):  # the card's mirror pairs are pairs of joints
        assert other == name.replace('left', '*').replace('right', 'left').replace('*', 'right')


# ------------------------------------------------------------------------------------------------ parsing

PARSING = {  # dataset -> (list, image, label) of each split
    'lip': {x: (f'data/{x}_id.txt', f'data/{x}_images/{{}}.jpg',
                f'TrainVal_parsing_annotations/{x}_segmentations/{{}}.png') for x in ('train', 'val')},
    'cihp': {x: (f'{y}/{x}_id.txt', f'{y}/Images/{{}}.jpg', f'{y}/Category_ids/{{}}.png')
             for x, y in (('train', 'Training'), ('val', 'Validation'))},
    'atr': {x: (f'{x}_id.txt', 'JPEGImages/{}.jpg', 'SegmentationClassAug/{}.png') for x in ('train', 'val')},
    'vip': {x: (f'lists/{x}_id.txt', 'Images/{}.jpg', 'Category_ids/{}.png') for x in ('train', 'val')},
    'paper_doll': {'train': ('train_id.txt', 'images/{}.jpg', 'TrainVal_parsing_annotations/{}.png')},
}


@pytest.mark.parametrize('dataset', PARSING)
def test_label_maps(root, dataset):
    present = Counter()
    names = {}
    for split, (list_file, image, label) in PARSING[dataset].items():
        names[split] = lines(root(dataset) / list_file)
        assert len(names[split]) == COUNTS[dataset][split]
        for name in names[split]:
            labels = Image.open(root(dataset) / label.format(name))
            assert labels.mode == 'L' and labels.size == Image.open(root(dataset) / image.format(name)).size
            present.update(np.unique(labels).tolist())
    assert not set(names['train']) & set(names.get('val', ()))
    assert max(present) < len(catalog.card(dataset).classes)
    classes = catalog.card(dataset).classes
    for name in classes:
        if re.search('background|upper|face|hair|arm|shoe|pants', name, re.I):
            assert present[classes.index(name)] > 0, name


def test_cihp_instances_refine_people_and_classes(root):
    folder = root('cihp') / 'Training'
    several = 0
    for name in lines(folder / 'train_id.txt'):
        classes, humans, instances = (np.asarray(Image.open(folder / kind / f'{name}.png'))
                                      for kind in ('Category_ids', 'Human_ids', 'Instance_ids'))
        pairs = [tuple(map(int, x.split())) for x in lines(folder / f'Instance_ids/{name}.txt')]
        assert instances.max() == len(pairs)
        for number, (category, human) in enumerate(pairs, 1):
            here = instances == number
            assert here.any() and (classes[here] == category).all() and (humans[here] == human).all()
        assert ((instances > 0) == (humans > 0)).all()
        several += humans.max() > 1
    assert several >= 2


def test_h36m_parsing_has_sparse_ids_and_spaces(root):
    card = catalog.card('h36m_parsing')
    present = set()
    for name, split in (('train', 'train'), ('eval', 'test')):
        rows = lines(root('h36m_parsing') / f'flist_2hz_{name}.txt')
        assert len(rows) == COUNTS['h36m_parsing'][split]
        for row in rows:
            assert re.fullmatch(r'protocol_1/rgb/S\d+/\w+ 1\.\d{8}/\d{8}\.png', row)
            image = Image.open(root('h36m_parsing') / row)
            labels = Image.open(root('h36m_parsing') / row.replace('/rgb/', '/seg/'))
            assert image.mode == 'RGB' and labels.mode == 'L' and image.size == labels.size
            present |= set(np.unique(labels).tolist())
    assert present <= set(card.label_ids) and len(present) > 20


@pytest.mark.parametrize('dataset', ['lip', 'cihp', 'vip', 'paper_doll', 'atr', 'h36m_parsing'])
def test_sides_of_label_tables_are_mirror_images(dataset):
    """Exchanging left and right body parts exchanges exactly the card's flip pairs."""
    card, table = catalog.card(dataset), _lookup(dataset)
    other = [SEGMENTS.index(x.replace('left', '*').replace('right', 'left').replace('*', 'right')) for x in SEGMENTS]
    index = {raw: i for i, raw in enumerate(card.label_ids or range(len(card.classes)))}
    classes = np.vectorize(index.__getitem__)(table)
    assert (classes[:, other] == np.array(card.flip_indices)[classes]).all()
    assert len(set(classes.ravel())) == len(card.classes)  # every class can occur


@pytest.mark.parametrize('dataset, garment, segment, name', [
    ('lip', 'skin', 'left_forearm', 'Left-arm'), ('lip', 'skin', 'right_calf', 'Right-leg'),
    ('lip', 'skin', 'neck', 'Face'), ('lip', 'shoes', 'left_foot', 'Left-shoe'),
    ('lip', 'bag', 'background', 'Background'),
    ('lip', 'jumpsuit', 'left_calf', 'Jumpsuits'), ('cihp', 'jumpsuit', 'left_calf', 'Pants'),
    ('cihp', 'skin', 'neck', 'Torso-skin'), ('atr', 'bag', 'background', 'bag'),
    ('atr', 'coat', 'left_arm', 'upper-clothes'), ('atr', 'shoes', 'right_foot', 'right-shoe'),
    ('h36m_parsing', 'coat', 'left_thigh', 'left thigh'),
    ('h36m_parsing', 'hair', 'head', 'head'), ('h36m_parsing', 'bag', 'background', 'background')])
def test_a_pixel_s_class(dataset, garment, segment, name):
    card = catalog.card(dataset)
    raw = _lookup(dataset)[GARMENTS.index(garment), SEGMENTS.index(segment)]
    assert card.classes[card.label_ids.index(raw) if card.label_ids else raw] == name
