"""Native formats of the detection scenes and of clothes, opened again with the libraries a user would use."""
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from scipy.io import loadmat

from humanbench import catalog
from humanbench.minihuman.edition import SIZES
from humanbench.minihuman.scene import make_person
from humanbench.minihuman.writers import WRITERS, clothes_items
from humanbench.minihuman.writers.base import Job
from humanbench.minihuman.writers.wider import FAULTY

from .written import COUNTS, files, lines, load, writer


def many(dataset: str, tmp_path, num: int = 40) -> tuple[object, list]:
    """A writer and what it says of more training images than the tiny edition has."""
    made = WRITERS[dataset](dataset, SIZES['tiny'][dataset], 0, tmp_path)
    return made, [made.write(Job('train', i)) for i in range(num)]


# ------------------------------------------------------------------------------------------------------------ detection
def test_widerperson_text_files(root):
    folder = root('widerperson')
    names = {x: lines(folder / f'{x}.txt') for x in COUNTS['widerperson']}
    assert {x: len(y) for x, y in names.items()} == COUNTS['widerperson'] and FAULTY in names['train']
    assert files(folder / 'Images') == sorted(f'{x}.jpg' for part in names.values() for x in part)
    for name in names['train'] + names['val']:
        number, *rows = lines(folder / f'Annotations/{name}.jpg.txt')
        assert (int(number) == len(rows)) == (name != FAULTY)
        width, height = Image.open(folder / f'Images/{name}.jpg').size
        for row in rows:
            kind, x1, y1, x2, y2 = map(int, row.split())
            assert 1 <= kind <= 5 and 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height
    assert not (folder / f'Annotations/{names["test"][0]}.jpg.txt').exists()


def test_widerperson_has_all_classes(tmp_path):
    _, names = many('widerperson', tmp_path)
    rows = [x for name in names for x in lines(tmp_path / f'Annotations/{name}.jpg.txt')[1:]]
    assert {x[0] for x in rows} == set('12345')


@pytest.mark.parametrize('split', ['train', 'val'])
def test_wider_pedestrian_lines(root, split):
    folder = root('wider_pedestrian')
    rows = [x.split() for x in lines(folder / f'{split}_annotations.txt')]
    assert [x[0] for x in rows] == files(folder / split) and len(rows) == COUNTS['wider_pedestrian'][split]
    for _, *numbers in rows:
        assert len(numbers) % 5 == 0 and {int(x) for x in numbers[::5]} <= {1, 2}
    for name, *numbers in (x.split() for x in lines(folder / f'pedestrian_ignore_part_{split}.txt')):
        assert numbers and len(numbers) % 4 == 0 and name in files(folder / split)
    assert any(len(x) % 4 != 1 for x in rows)  # the five numbers of a box show


def test_wider_pedestrian_ignores_and_empty_images(tmp_path):
    _, made = many('wider_pedestrian', tmp_path)
    assert any(' ' not in boxes for boxes, _ in made) and any(ignored for _, ignored in made)
    assert {x for boxes, _ in made for x in boxes.split()[1::5]} == {'1', '2'}


def test_ecp_wrappers_texts_and_nesting(tmp_path):
    many('ecp', tmp_path)
    frames = [load(x) for x in sorted(tmp_path.glob('day/labels/train/*/*.json'))]
    assert len(frames) == 40 == len(list(tmp_path.glob('day/img/train/*/*.png')))
    kinds = {('@converter' in x, x.get('identity')) for x in frames}
    assert kinds == {(False, 'frame'), (True, None), (False, 'seqlist')}
    plain = [child for x in frames if x.get('identity') == 'frame' for child in x['children']]
    assert {x['identity'] for x in plain} == {'pedestrian', 'rider', 'person-group-far-away'}
    assert {type(x['x0']) for x in plain} == {str, float}
    assert all([y['identity'] for y in x['children']] == ['bicycle'] for x in plain if x['identity'] == 'rider')


@pytest.mark.parametrize('split', ['train', 'val'])
def test_citypersons_mat(root, split):
    """Field by field as the public reader of the real file does."""
    cells = loadmat(root('citypersons') / f'anno_{split}.mat')[f'anno_{split}_aligned']
    assert cells.shape == (1, COUNTS['citypersons'][split])
    for i in range(cells.shape[1]):
        image = cells[0, i][0, 0]
        city, name, rows = image['cityname'][0], image['im_name'][0], image['bbs']
        path = root('citypersons') / f'leftImg8bit_trainvaltest/leftImg8bit/{split}/{city}/{name}'
        width, height = Image.open(path).size
        assert rows.size == 0 or (rows.shape[1] == 10 and rows.dtype == np.uint16)
        for kind, x, y, w, h, _, *seen in rows.reshape(-1, 10).astype(int).tolist():
            assert 0 <= kind <= 5 and w > 0 and h > 0 and x + w <= width and y + h <= height
            assert kind in (1, 2) or [x, y, w, h] == seen


def test_citypersons_has_all_classes_and_images_with_ignore_regions_alone(tmp_path):
    _, made = many('citypersons', tmp_path, 64)
    assert {row[0] for x in made for row in x['bbs']} == set(range(6))
    assert any({row[0] for row in x['bbs']} == {0} for x in made) and any(not x['bbs'] for x in made)


def test_citypersons_has_people_of_every_subset_of_the_miss_rate(tmp_path):
    """At the size of 'small'; of every second image the most crowded of some is taken for the heavily occluded."""
    made = [x['bbs'] for x in many('citypersons', tmp_path, 64)[1]]
    people = [(row[4] / 0.75, row[8] * row[9] / (row[3] * row[4])) for rows in made for row in rows if row[0] == 1]
    for name, (low, high, least, most) in dict(reasonable=(50, 999, .65, 1), reasonable_small=(50, 75, .65, 1),
                                               heavy=(50, 999, .2, .65), all=(20, 999, .2, 1)).items():
        assert sum(low <= height <= high and least <= seen <= most for height, seen in people) >= 4, name


@pytest.mark.parametrize('split', ['train', 'val'])
def test_coco_objects_open_in_pycocotools(root, split):
    coco = COCO(root('coco_person_det') / f'annotations/instances_{split}2017.json')
    assert len(coco.imgs) == COUNTS['coco_person_det'][split]
    for row in coco.anns.values():
        mask, (x, y, w, h) = coco.annToMask(row), row['bbox']
        assert mask.any() and mask[y:y + h, x:x + w].sum() >= 0.95 * mask.sum()
    for image in coco.imgs.values():
        with Image.open(root('coco_person_det') / f'{split}2017' / image['file_name']) as picture:
            assert picture.size == (image['width'], image['height'])


def test_coco_objects_have_crowds_bags_and_images_without_people(tmp_path):
    _, made = many('coco_person_det', tmp_path)
    kinds = [{(x['category_id'], x['iscrowd']) for x in record['annotations']} for record in made]
    assert set().union(*kinds) == {(1, 0), (1, 1), (31, 0)} and any(not x for x in kinds)


# -------------------------------------------------------------------------------------------------------------- clothes
@pytest.mark.parametrize('dataset', ['deepfashion2', 'modanet'])
def test_clothes_tables_reach_most_classes(dataset):
    names, classes = WRITERS[dataset].names, catalog.card(dataset).classes
    people = [make_person(i).traits for i in range(300)]
    found = {name(traits) for traits in people for name in names.values()}
    assert found <= set(classes[1:]) and set(classes[1:]) - found <= {'sling'}


def test_deepfashion2_items(root):
    folder, classes = root('deepfashion2') / 'train', catalog.card('deepfashion2').classes
    assert sum(clothes_items.LANDMARKS) == 294  # as the dataset's own description counts them
    for path in sorted((folder / 'annos').iterdir()):
        record = load(path)
        width, height = Image.open(folder / f'image/{path.stem}.jpg').size
        items = [x for key, x in record.items() if key.startswith('item')]
        assert items and record['source'] in ('shop', 'user')
        for item in items:
            x1, y1, x2, y2 = item['bounding_box']
            assert item['category_name'] == classes[item['category_id']] and 0 <= x1 < x2 <= width and y2 <= height
            for outline in item['segmentation']:
                points = np.reshape(outline, (-1, 2))
                assert len(points) > 2 and (points >= [x1, y1]).all() and (points <= [x2, y2]).all()


def test_modanet_opens_in_pycocotools_and_val_has_no_outline(root):
    train, val = (COCO(root('modanet') / f'modanet2018_instances_{x}.json') for x in ('train', 'val'))
    assert len(train.imgs) == COUNTS['modanet']['train'] and len(val.imgs) == COUNTS['modanet']['val'] and not val.anns
    assert {x['name'] for x in train.cats.values()} == set(catalog.card('modanet').classes[1:])
    for row in train.anns.values():
        assert train.cats[row['category_id']]['name'] == catalog.card('modanet').classes[row['category_id']]
        assert abs(int(train.annToMask(row).sum()) - row['area']) < 0.6 * row['area'] + 20


def test_vip_frames_of_a_video_show_the_same_people():
    made = writer('vip')
    seen = {}
    for split, index in (('train', 0), ('train', 1), ('train', 3)):
        made.write_files = lambda folder, name, render, key=(split, index): seen.update({key: (name, render)})
        made.write(Job(split, index))
    people = {key: [x.person.seed for x in render.people] for key, (_, render) in seen.items()}
    assert people['train', 0] == people['train', 1] != people['train', 3]
    assert [name for name, _ in seen.values()] == [f'videos{v}/{n:012d}' for v, n in ((1, 1), (1, 26), (2, 1))]
