"""Native formats, opened again with the libraries a user would use: files, fields, types, ranges, and their truth.

ReID, attributes, detection and counting; ``test_writers_pose_parsing.py`` has pose and parsing.
"""
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from humanbench import catalog
from humanbench.evaluation import miss_rate
from humanbench.minihuman.edition import SIZES
from humanbench.minihuman.scene import SEGMENTS, make_person, render_person
from humanbench.minihuman.writers import WRITERS
from humanbench.minihuman.writers import attribute_tables as tables
from humanbench.minihuman.writers.base import Job
from humanbench.minihuman.writers.files import cells, struct, write_image, write_json, write_lines, write_mat
from humanbench.minihuman.writers.market1501 import MISSED
from humanbench.minihuman.writers.rap_v1 import FEET
from humanbench.minihuman.writers.reid import bad_window, iou

from .written import COUNTS, files, lines, load, writer

ATTRIBUTE_TABLES = {'pa100k': tables.PA100K, 'peta': tables.PETA, 'rapv2': tables.RAPV2, 'rap_v1': tables.RAP_V1}


# ------------------------------------------------------------------------------------------------ files

def test_a_failed_write_leaves_the_file_before_it(tmp_path, monkeypatch):
    write_json(tmp_path / 'a.json', [1])
    monkeypatch.setattr('os.replace', lambda *_: (_ for _ in ()).throw(OSError('disk full')))
    with pytest.raises(OSError):
        write_json(tmp_path / 'a.json', [2])
    assert load(tmp_path / 'a.json') == [1]


def test_the_bytes_of_a_mat_file_depend_on_its_contents_alone(tmp_path, monkeypatch):
    for i, clock in enumerate((0, 10**9, 0)):
        monkeypatch.setattr('time.asctime', lambda *_, x=clock: f'time {x}')
        write_mat(tmp_path / f'{i}.mat', {'a': struct(names=cells(['x', 'yy']), values=np.arange(3) + i // 2)})
    a, b, c = ((tmp_path / f'{i}.mat').read_bytes() for i in range(3))
    assert a == b != c
    back = loadmat(tmp_path / '2.mat')['a'][0, 0]
    assert [x[0] for x in back['names'].ravel()] == ['x', 'yy'] and back['values'].ravel().tolist() == [1, 2, 3]


def test_images_come_back_in_rgb_and_lists_line_by_line(tmp_path):
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., 0] = 250
    for name in ('a.png', 'a.jpg'):
        write_image(tmp_path / name, image)
        assert np.abs(np.asarray(Image.open(tmp_path / name)).astype(int) - image).max() <= 3
    write_lines(tmp_path / 'a.txt', ['one', 'two'])
    assert lines(tmp_path / 'a.txt') == ['one', 'two']


# ------------------------------------------------------------------------------------------------ people

@pytest.mark.parametrize('dataset', WRITERS)
def test_splits_share_nobody(dataset, monkeypatch):
    """The seeds of people drawn per identity or image, and of several people per image, differ over all splits."""
    monkeypatch.setattr('humanbench.minihuman.writers.base.make_person', lambda seed: seed)
    made = writer(dataset)
    seeds = [made.person(split, i, *more) for split in COUNTS[dataset] for i in range(300) for more in ((), (0,), (1,))]
    assert len(seeds) == len(set(seeds)) and made.person(next(iter(COUNTS[dataset])), 3) == seeds[3 * 3]
    other = WRITERS['lip' if dataset != 'lip' else 'atr']('lip', SIZES['tiny']['lip'], 1, Path('unused'))
    assert other.person('train', 3) not in seeds


# ------------------------------------------------------------------------------------------------ ReID

def test_market1501_folders_and_names(root):
    names = {x: files(root('market1501') / x) for x in ('bounding_box_train', 'query', 'bounding_box_test')}
    pattern = re.compile(r'(-1|\d{4})_c([1-6])s\d_\d{6}_\d\d\.jpg')
    parsed = {k: [(int(m[1]), int(m[2])) for m in map(pattern.fullmatch, v)] for k, v in names.items()}
    counts = COUNTS['market1501']
    train, query, gallery = parsed['bounding_box_train'], parsed['query'], parsed['bounding_box_test']
    assert len(train) == 8 * counts['train'] and len({p for p, _ in train}) == counts['train']
    assert len(query) + len(gallery) == 8 * counts['test'] + counts['distractor'] + counts['junk']
    special = Counter(p for p, _ in gallery)
    assert special[0] == counts['distractor'] and special[-1] == counts['junk']
    assert not {p for p, _ in train} & {p for p, _ in query + gallery}
    assert {p for p, _ in query} == {p for p, _ in gallery} - {0, -1}
    for pid, camera in query:
        assert any(p == pid and c != camera for p, c in gallery)
    for pid in {p for p, _ in train}:
        assert len({c for p, c in train if p == pid}) >= 3
    with Image.open(root('market1501') / 'query' / names['query'][0]) as image:
        assert image.size == (64, 128) and image.format == 'JPEG'


def test_market1501_distractors_miss_and_junk_half_misses():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], float)
    assert np.allclose(iou(boxes, boxes[0]), [1, 1 / 3, 0])
    rng = np.random.default_rng(0)
    for _ in range(50):
        height = rng.uniform(96, 150)
        x, y = rng.uniform(-20, 120), rng.uniform(0, 60)
        box = np.array([x, y, x + 0.4 * height, y + height])
        seen = np.clip(box, 0, [160, 192, 160, 192])
        missed, half = (iou(bad_window(rng, box, MISSED[x][1])[None], seen)[0] for x in ('distractor', 'junk'))
        assert missed < 0.2 <= half < 0.5


def test_msmt17_lists(root):
    found = {x: [line.split(' ') for line in lines(root('msmt17') / f'list_{x}.txt')]
             for x in ('train', 'val', 'query', 'gallery')}
    for name, rows in found.items():
        side = 'train' if name in ('train', 'val') else 'test'
        for path, label in rows:
            assert (root('msmt17') / side / path).is_file()
            assert path.startswith(f'{int(label):04d}/') and 1 <= int(path.split('_')[2]) <= 15
    counts = COUNTS['msmt17']
    assert {int(x) for _, x in found['train']} == {int(x) for _, x in found['val']} == set(range(counts['train']))
    assert {int(x) for _, x in found['query']} == {int(x) for _, x in found['gallery']} == set(range(counts['test']))
    assert len(found['train']) + len(found['val']) == 8 * counts['train']
    for one, other in (('train', 'val'), ('query', 'gallery')):
        paths = [path for path, _ in found[one] + found[other]]
        assert len(paths) == len(set(paths))
    for path, label in found['query']:
        camera = path.split('_')[2]
        assert any(y == label and x.split('_')[2] != camera for x, y in found['gallery'])


def test_cuhk03_both_routes_tell_the_same(root):
    folder = root('cuhk03')
    mat = loadmat(folder / 'cuhk03_new_protocol_config_detected.mat')
    names = [x[0] for x in mat['filelist'].ravel()]
    labels, cameras = mat['labels'].ravel(), mat['camId'].ravel()
    assert mat['filelist'].shape == mat['labels'].shape == mat['camId'].shape == (len(names), 1)
    for split, part in {'train': 'bounding_box_train', 'query': 'query', 'gallery': 'bounding_box_test'}.items():
        rows = mat[f'{split}_idx'].ravel().astype(int) - 1
        pictures = Counter((folder / 'images_detected' / names[i]).read_bytes() for i in rows)
        assert pictures == Counter(x.read_bytes() for x in (folder / 'detected' / part).iterdir())
        listed = sorted((labels[i], cameras[i]) for i in rows)
        assert listed == sorted((int(x[:4]), int(x[6])) for x in files(folder / 'detected' / part, 'png'))
        assert files(folder / 'detected' / part, 'png') == files(folder / 'labeled' / part, 'png')
    assert all(re.fullmatch(rf'[1-5]_\d{{3}}_{c}_\d\d\.png', x) for x, c in zip(names, cameras))
    train, test = (mat[f'{x}_idx'].ravel() for x in ('train', 'query'))
    assert not set(labels[train - 1]) & set(labels[test - 1])


# ------------------------------------------------------------------------------------------------ attributes

@pytest.fixture(scope='module')
def views():
    """120 people, seen from anywhere."""
    rng = np.random.default_rng(5)
    return [render_person(make_person(i), rng, size=(32, 16), camera_style=0).people[0] for i in range(120)]


@pytest.mark.parametrize('dataset', ATTRIBUTE_TABLES)
def test_every_attribute_that_can_be_shown_varies(views, dataset):
    table = ATTRIBUTE_TABLES[dataset]
    labels = np.stack([tables.labels(table, x) for x in views])
    assert labels.shape == (120, len(table)) and set(np.unique(labels)) == {0, 1}
    for name in catalog.card(dataset).attributes:
        column = labels[:, list(table).index(name)]
        assert (column == 0).all() if table[name] is tables.not_shown else 0 < column.sum() < 120, name


def test_attributes_say_what_the_traits_say(views):
    names = {d: list(t) for d, t in ATTRIBUTE_TABLES.items()}
    for view in views:
        traits = view.person.traits
        pa, peta, rap, rap_v1 = (dict(zip(names[d], tables.labels(t, view))) for d, t in ATTRIBUTE_TABLES.items())
        female = traits.gender == 'female'
        assert pa['Female'] == rap['Female'] == peta['personalFemale'] == female != peta['personalMale']
        assert pa['AgeLess18'] + pa['Age18-60'] + pa['AgeOver60'] == 1 and pa['AgeOver60'] == (traits.age > 60)
        assert pa['Front'] + pa['Side'] + pa['Back'] == 1 and pa[view.view.capitalize()]
        assert pa['ShortSleeve'] + pa['LongSleeve'] == 1
        assert pa['Backpack'] == rap['attachment-Backpack'] == peta['carryingBackpack'] == (traits.bag == 'backpack')
        assert rap_v1['attach-Backpack'] == pa['Backpack'] and rap_v1['hs-Muffler'] == peta['accessoryMuffler']
        assert sum(rap_v1[x] for x in names['rap_v1'] if x.startswith('low-')) <= 1
        assert rap['BodyFat'] + rap['BodyNormal'] + rap['BodyThin'] == 1
        assert sum(peta[x] for x in names['peta'] if x.startswith('upperBody') and x[9:] in tables.PETA_COLOURS) == 1
        assert sum(rap[x] for x in names['rapv2'] if x.startswith('lb-Color')) == 1
        if view.view == 'back':
            assert not pa['Glasses'] and not peta['accessorySunglasses']
        if traits.coat:
            assert pa['LongCoat'] and pa['LongSleeve'] and not peta['upperBodyTshirt'] and rap['ub-Others']


def test_attribute_tables_have_the_columns_of_the_formats():
    assert list(tables.PA100K) == list(catalog.card('pa100k').attributes)
    assert list(tables.PETA)[:35] == list(catalog.card('peta').attributes) and len(tables.PETA) == 105
    rap = list(tables.RAPV2)
    assert len(rap) == 152 and set(catalog.card('rapv2').attributes) <= set(rap)
    for first in (31, 53, 74):  # where the public readers look for colours
        assert all('-Color' in x for x in rap[first:first + 14])


def test_pa100k_mat(root):
    mat = loadmat(root('pa100k') / 'annotation.mat')
    assert [x[0] for x in mat['attributes'][:, 0]] == list(catalog.card('pa100k').attributes)
    seen = []
    for split, n in COUNTS['pa100k'].items():
        assert mat[f'{split}_images_name'].shape == (n, 1) and mat[f'{split}_label'].shape == (n, 26)
        assert mat[f'{split}_label'].dtype == np.uint8
        seen += [x[0] for x in mat[f'{split}_images_name'][:, 0]]
    assert seen == files(root('pa100k') / 'data')


def test_peta_mat(root):
    """Field by field as the public reader of the real file does."""
    mat = loadmat(root('peta') / 'PETA.mat')['peta'][0][0]
    names = [x[0][0] for x in mat['attribute']]
    assert names[:35] == list(catalog.card('peta').attributes) and len(names) == 105
    total = sum(COUNTS['peta'].values())
    assert mat['data'].shape == (total, 109) and mat['data'].dtype == np.uint16
    assert (mat['data'][:, 0] == np.arange(1, total + 1)).all() and set(np.unique(mat['data'][:, 4:])) == {0, 1}
    assert mat['selected_attribute'][0].tolist() == list(range(5, 40))
    for i in range(5):
        parts = {x: mat['partion_attribute'][i][0][x][0][0][:, 0] for x in ('train', 'val', 'test')}
        assert {x: len(y) for x, y in parts.items()} == COUNTS['peta']
        assert sorted(np.concatenate(list(parts.values()))) == list(range(1, total + 1))
        assert (i == 0) == (parts['train'].tolist() == list(range(1, COUNTS['peta']['train'] + 1)))
    assert files(root('peta') / 'images', 'png') == [f'{i:05d}.png' for i in range(1, total + 1)]


def test_rapv2_mat(root):
    """Field by field as the public reader of the real file does."""
    mat = loadmat(root('rapv2') / 'RAP_annotation/RAP_annotation.mat')['RAP_annotation']
    total = sum(COUNTS['rapv2'].values())
    names = [mat['name'][0][0][i][0][0] for i in range(total)]
    attributes = [mat['attribute'][0][0][i][0][0] for i in range(152)]
    selected = mat['selected_attribute'][0][0][0] - 1
    assert sorted(names) == files(root('rapv2') / 'RAP_dataset', 'png')
    assert [attributes[i] for i in selected] == list(catalog.card('rapv2').attributes)
    assert mat['data'][0][0].shape == (total, 152)
    for i in range(5):
        parts = [mat['partition_attribute'][0][0][0][i][f'{x}_index'][0][0][0] - 1 for x in ('train', 'val', 'test')]
        assert [len(x) for x in parts] == list(COUNTS['rapv2'].values())
        assert sorted(np.concatenate(parts)) == list(range(total))


def test_rap_v1_mat(root):
    """By the names of the fields, and by their places, as the public reader of the real file does."""
    mat = loadmat(root('rap_v1') / 'RAP_annotation/RAP_annotation.mat')['RAP_annotation'][0, 0]
    total = sum(COUNTS['rap_v1'].values())
    for place, name in enumerate(('partion', 'label', None, 'attribute_eng', 'position', 'imagesname')):
        assert name is None or mat.dtype.names[place] == name
    assert sorted(x[0] for x in mat['imagesname'][:, 0]) == files(root('rap_v1') / 'RAP_dataset', 'png')
    attributes = [x[0] for x in mat['attribute_eng'][:, 0]]
    assert attributes[:51] == [x[0] for x in mat['attribute_exp'][:, 0]] == list(catalog.card('rap_v1').attributes)
    assert mat['label'].shape == (total, 92) == (total, len(set(attributes))) and mat['label'].dtype == np.int32
    assert mat['position'].shape == (total, 16) and (mat['position'].reshape(-1, 4)[:, 2:] > 0).all()
    for i in range(5):
        parts = [mat['partion'][i, 0][0, 0][f'{x}_index'].ravel() for x in COUNTS['rap_v1']]
        assert [len(x) for x in parts] == list(COUNTS['rap_v1'].values())
        assert sorted(np.concatenate(parts)) == list(range(1, total + 1))


def test_rap_v1_says_uncertain_of_what_is_not_seen(views):
    made, columns = writer('rap_v1'), list(tables.RAP_V1)
    values = np.stack([made.values(view) for view in views])
    found = {x: values[:, columns.index(x)] for x in ('hs-Glasses', 'shoes-Boots', 'Female')}
    assert [x == 2 for x in found['hs-Glasses']] == [x.view == 'back' for x in views]
    footless = [(x.visible[FEET] < 2).all() for x in views]
    assert [x == 2 for x in found['shoes-Boots']] == footless and not any(x == 2 for x in found['Female'])


def test_labels_on_disk_are_those_of_the_pictures(root):
    """Row i of the annotation and picture i come from the same person: made again, both are equal."""
    made = writer('pa100k')
    mat = loadmat(root('pa100k') / 'annotation.mat')
    for index in (0, 3):
        image, person = made.crop(Job('val', index))
        assert (mat['val_label'][index] == tables.labels(tables.PA100K, person)).all()
        disk = np.asarray(Image.open(root('pa100k') / 'data' / mat['val_images_name'][index, 0][0])).astype(int)
        assert disk.shape == image.shape and np.abs(disk - image).mean() < 6
    other, _ = made.crop(Job('val', 1))
    assert other.shape != image.shape or np.abs(other.astype(int) - image).mean() > 6


# ------------------------------------------------------------------------------------------------ detection, counting

@pytest.mark.parametrize('split', ['train', 'val'])
def test_crowdhuman(root, split):
    rows = [json.loads(x) for x in lines(root('crowdhuman') / f'annotation_{split}.odgt')]
    assert len(rows) == COUNTS['crowdhuman'][split]
    for row in rows:
        assert ',' in row['ID'] and (root('crowdhuman') / 'Images' / f'{row["ID"]}.jpg').is_file()
        for box in row['gtboxes']:
            assert all(isinstance(v, int) for key in ('fbox', 'vbox', 'hbox') for v in box[key])
            if box['tag'] == 'mask':
                assert box['extra'] == {'ignore': 1} and box['fbox'] == box['vbox']
                continue
            x, y, w, h = box['fbox']
            vx, vy, vw, vh = box['vbox']
            assert box['tag'] == 'person' and vx >= x - 1 and vy >= y - 1
            assert vx + vw <= x + w + 1 and vy + vh <= y + h + 1


def test_crowdhuman_has_what_readers_trip_over(tmp_path):
    """Over 60 images: full boxes outside, ignore regions, missing optional keys."""
    made = WRITERS['crowdhuman']('crowdhuman', SIZES['tiny']['crowdhuman'], 0, tmp_path)
    boxes = [x for i in range(60) for x in made.write(Job('train', i))['gtboxes']]
    people = [x for x in boxes if x['tag'] == 'person']
    assert {x['tag'] for x in boxes} == {'person', 'mask'}
    assert any('extra' not in x for x in people) and any('head_attr' not in x for x in people)
    assert any(x['fbox'][0] < 0 or x['fbox'][1] < 0 or x['fbox'][0] + x['fbox'][2] > 156 for x in people)


@pytest.mark.parametrize('split, sets', [('train', range(6)), ('test', range(6, 11))])
def test_caltech(root, split, sets):
    data = load(root('caltech') / f'{split}.json')
    assert len(data['images']) == COUNTS['caltech'][split]
    names = [x['file_name'] for x in data['images']]
    assert len(set(names)) == len(names) and {int(x[3:5]) for x in names} <= set(sets)
    assert sorted(data['empty_images'] + data['person_images']) == sorted(names)
    sizes = {x['id']: (x['width'], x['height']) for x in data['images']}
    for image in data['images']:
        assert (root('caltech') / 'images' / image['file_name']).is_file()
    for row in data['annotations']:
        x, y, w, h = row['bbox']
        assert (row['width'], row['height']) == sizes[row['image_id']] and x >= 0 and y >= 0
        assert x + w <= row['width'] and y + h <= row['height'] and 0 <= row['vis_ratio'] <= 1
        assert isinstance(row['iscrowd'], bool) and row['ignore'] == row['iscrowd']
        assert row['iscrowd'] == (h < 20 or row['vis_ratio'] < 0.2)


def test_caltech_has_people_in_the_subset_that_is_ranked(root):
    assert miss_rate(str(root('caltech') / 'test.json'), [], 'heavy', 'caltech') == {'MR': 1.0}


@pytest.mark.parametrize('dataset', ['shanghaitech_a', 'shanghaitech_b'])
def test_shanghaitech(root, dataset):
    counts = []
    for split, n in COUNTS[dataset].items():
        folder = root(dataset) / f'{split}_data'
        assert files(folder / 'images') == sorted(f'IMG_{i}.jpg' for i in range(1, n + 1))
        for i in range(1, n + 1):
            info = loadmat(folder / f'ground_truth/GT_IMG_{i}.mat')['image_info'][0, 0][0, 0]
            points, number = info[0], int(info[1][0, 0])
            width, height = Image.open(folder / f'images/IMG_{i}.jpg').size
            assert points.shape == (number, 2)
            assert ((points >= 0) & (points < [width, height])).all()
            counts.append(number)
    assert len(set(counts)) > 3 and max(counts) > 10


def test_counted_points_lie_on_heads_and_no_seen_head_is_left_out(root):
    made = writer('shanghaitech_a')
    total = on_head = off_head = 0
    for i in range(4):
        render = made.picture(Job('train', i))
        path = root('shanghaitech_a') / f'train_data/ground_truth/GT_IMG_{i + 1}.mat'
        points = loadmat(path)['image_info'][0, 0][0, 0][0]
        head = render.segment == SEGMENTS.index('head')
        height, width = head.shape
        x, y = points.round().astype(int).T.clip(0, [[width - 1], [height - 13]])
        total, on_head, off_head = total + len(points), on_head + head[y, x].sum(), off_head + head[y + 12, x].sum()
        for person in np.unique(render.person_map[head]):
            if (head & (render.person_map == person)).sum() >= 8:  # eight pixels of this head are to be seen
                assert np.abs(points - render.people[person].head_point).sum(1).min() < 0.01
    assert on_head > 0.8 * total and off_head < 0.4 * total
