"""Native formats of the datasets that are only pretrained on, opened again: re-identification and attributes."""
import json
import pickle
import re
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from humanbench import catalog
from humanbench.joints import JointStore, in_image
from humanbench.minihuman.scene import make_person, render_person
from humanbench.minihuman.writers import attribute_tables as tables
from humanbench.minihuman.writers.base import Job
from humanbench.minihuman.writers.parse27k import ATTRIBUTES, facing
from humanbench.minihuman.writers.uav_human_attr import BAG_COLOURS, dye

from .written import COUNTS, files, load, writer

SIDES = ('left', 'right')


def below(folder, pattern: str) -> list[str]:
    return sorted(str(x.relative_to(folder)) for x in folder.glob(pattern))


# ------------------------------------------------------------------------------------------------ ReID

def test_last(root):
    folder, counts = root('last'), COUNTS['last']
    people = {'train': {x.split('/')[0] for x in below(folder / 'train', '*/*.jpg')}}
    for part in ('val', 'test'):
        query = {x[:6] for x in files(folder / part / 'query')}
        people[part] = {x.split('/')[0] for x in below(folder / part / 'gallery', '*/*.jpg')}
        assert query == people[part]
    assert {x: len(y) for x, y in people.items()} == counts
    assert len(set().union(*people.values())) == sum(counts.values())
    for name in below(folder, '**/*.jpg'):
        assert re.fullmatch(r'\d{6}_\d{4}\.jpg', name.rsplit('/', 1)[1])
        assert 'query' in name or name.split('/')[-2] == name.rsplit('/', 1)[1][:6]
    assert len(below(folder, '**/*.jpg')) == 8 * sum(counts.values())


def test_prcc_wears_something_else_in_camera_c(root):
    folder, made = root('prcc') / 'rgb', writer('prcc')
    for split in ('train', 'val'):
        names = below(folder / split, '*/*.jpg')
        assert Counter(x.split('/')[1][:2] for x in names) == dict.fromkeys(
            ('A_', 'B_', 'C_'), 3 * COUNTS['prcc'][split])
    people = {camera: {x.split('/')[0] for x in below(folder / 'test' / camera, '*/*.jpg')} for camera in 'ABC'}
    assert people['A'] == people['B'] == people['C'] and len(people['A']) == COUNTS['prcc']['test']
    clothes = ('upper', 'upper_colour', 'lower', 'lower_colour')
    for identity in range(3):
        a, b, c = (made.who(made.sighting(Job('test', 9 * identity + i))) for i in range(3))
        assert a.seed == b.seed == c.seed and a.traits == b.traits != c.traits
        assert all(getattr(a.traits, x) == getattr(c.traits, x) for x in ('gender', 'age', 'height', 'skin', 'hair'))
        assert any(getattr(a.traits, x) != getattr(c.traits, x) for x in clothes)
        assert (a.palette[0] == c.palette[0]).all()  # skin


def test_an_outfit_is_one_whoever_wears_it():
    one, other = make_person(3, outfit=8), make_person(7, outfit=8)
    assert one.traits.gender == other.traits.gender and make_person(3).traits != one.traits
    assert {x: getattr(one.traits, x) for x in ('upper', 'lower', 'shoes', 'bag')} == {
        x: getattr(other.traits, x) for x in ('upper', 'lower', 'shoes', 'bag')}
    assert make_person(3).traits == make_person(3).traits


def test_dgmarket_folders_hold_one_outfit_on_several_people(root):
    folders = defaultdict(list)
    for name in below(root('dgmarket'), '*/*.jpg'):
        folders[name.split('/')[0]].append(name)
    assert [len(x) for x in folders.values()] == [8] * COUNTS['dgmarket']['train']
    made = writer('dgmarket')
    people = [made.who(made.sighting(Job('train', i))) for i in range(8)]
    assert len({x.seed for x in people}) == 8
    assert len({(x.traits.upper, x.traits.upper_colour, x.traits.lower, x.traits.shoes) for x in people}) == 1


def test_luperson_nl_numbers_people_anew_in_every_video(root):
    videos = defaultdict(Counter)
    for name in below(root('luperson_nl'), '*/*/*/*.jpg'):
        assert re.fullmatch(r'[a-z]+/[a-z]+/[\w-]{11}/\d{6}_\d{7}_\d{2}\.jpg', name)
        place, stem = name.rsplit('/', 1)
        videos[place][stem[:6]] += 1
    assert len(videos) == 2 and [set(x) for x in videos.values()] == [{'000000', '000001', '000002'}] * 2
    assert sum(len(x) for x in videos.values()) == COUNTS['luperson_nl']['train']
    assert {n for x in videos.values() for n in x.values()} == {8}


def test_luperson(root):
    folder, made = root('luperson'), writer('luperson')
    names = below(folder / 'images', '**/*.jpg')
    assert len(names) == 4 * COUNTS['luperson']['train']
    assert all(re.fullmatch(r'[a-z]+/[a-z]+/\d{8}_\d{4}\.jpg', x) for x in names)
    listed = pickle.loads((folder / 'CFS_list.pkl').read_bytes())
    lost = set(listed) - set(names)
    assert len(listed) == len(set(listed)) and set(names) < set(listed) and 0 < len(lost) < len(names) / 10
    assert [x for x in listed if x in names] != names  # a ranking
    assert len({made.who(made.sighting(Job('train', i))).seed for i in range(len(names))}) == len(names) / 4
    store = JointStore(folder / 'joints.safetensors')
    assert len(store) == len(names) and store.images == 'images' and store.is_whole()
    for name in names:
        with Image.open(folder / 'images' / name) as image:
            assert store.find(name).size == image.size[::-1]


def test_joints_of_luperson_are_those_of_the_pictures(tmp_path):
    made, card = writer('luperson', tmp_path), catalog.card('luperson')
    seen = Counter()
    for index in range(8):
        crop = made.write(Job('train', index))
        inside = in_image(crop.joints[:, :2], crop.size)
        seen.update(crop.joints[:, 2].tolist())
        assert (inside[crop.joints[:, 2] > 0]).all() and set(crop.joints[:, 2]) <= {0, 0.5, 1}
        shoulders, ankles = (np.mean([crop.joints[card.keypoints.index(f'{side}_{x}'), 1] for side in SIDES])
                             for x in ('shoulder', 'ankle'))
        assert shoulders < ankles
    assert seen[1.0] > seen[0.5] > 0


def test_sensereid_distractors_are_in_the_gallery_alone(root):
    probe, gallery = (files(root('sensereid') / x) for x in ('test_probe', 'test_gallery'))
    counts = COUNTS['sensereid']
    assert len(probe) == 2 * counts['test'] and len(gallery) == 2 * (counts['test'] + counts['distractor'])
    assert all(re.fullmatch(r'\d{5}_[01]\.jpg', x) for x in probe + gallery)
    assert {x[:5] for x in probe} < {x[:5] for x in gallery}


# ------------------------------------------------------------------------------------------------ attributes

def test_wider_attribute(root):
    folder, seen, sizes = root('hardhc'), Counter(), []
    for name, splits in {'trainval': ('train', 'val'), 'test': ('test',)}.items():
        data = load(folder / f'wider_attribute_{name}.json')
        assert len(data['images']) == sum(COUNTS['hardhc'][x] for x in splits)
        for image in data['images']:
            assert image['file_name'].split('/')[0] in splits
            width, height = Image.open(folder / 'Image' / image['file_name']).size
            for target in image['targets']:
                assert len(target['attribute']) == 14
                seen.update(target['attribute'])
                x, y, w, h = target['bbox']
                assert w >= 1 and h >= 1 and x < width and y < height and x + w > 0 and y + h > 0
                sizes.append(w * h / width / height)
    assert set(seen) == {-1, 0, 1} and seen[-1] > seen[1] > seen[0] and np.mean(sizes) < 0.5


def test_wider_attribute_tells_nothing_of_a_face_seen_from_behind(tmp_path):
    made = writer('hardhc', tmp_path)
    names = list(tables.HARDHC)
    rows = [(view, row) for i in range(30) for view, row in _targets(made, i)]
    behind = [row for view, row in rows if view == 'back']
    assert len(behind) > 3 and all(row[names.index('sunglass')] == row[names.index('faceMask')] == 0 for row in behind)
    assert any(row[names.index('sunglass')] for view, row in rows if view != 'back')


def _targets(made, index: int) -> list[tuple[str, list[int]]]:
    seen = []
    inner = made._target
    made._target = lambda person, rng: seen.append((person.view, inner(person, rng))) or seen[-1][1]
    made.write(Job('train', index))
    del made._target
    return [(view, target['attribute']) for view, target in seen]


@pytest.fixture(scope='module')
def views():
    """150 people, seen from anywhere."""
    rng = np.random.default_rng(5)
    return [render_person(make_person(i), rng, size=(32, 16), camera_style=0).people[0] for i in range(150)]


@pytest.mark.parametrize('table', [tables.HARDHC, tables.MARKET1501, tables.MARKET_AGES],
                         ids=['wider', 'market', 'ages'])
def test_every_attribute_that_can_be_shown_varies(views, table):
    labels = np.stack([tables.labels(table, x) for x in views])
    for name, column in zip(table, labels.T, strict=True):
        assert not column.any() if table[name] is tables.not_shown else 0 < column.sum() < len(views), name
    if table is tables.MARKET_AGES:
        assert (labels.sum(1) == 1).all()


def test_uav_human_codes(root):
    pattern = re.compile(r'P\d{3}S\d\dG[12]0B(\d)0H(\d)0UC(\d\d)[12]000LC(\d\d)[123]000A\d{3}R0_\d{8}_\d{3}\.jpg')
    for split, n in COUNTS['uav_human_attr'].items():
        names = files(root('uav_human_attr') / split)
        codes = [[int(x) for x in pattern.fullmatch(name).groups()] for name in names]
        assert len(names) == n and all(b <= 5 and h <= 5 and u <= 11 and l <= 11 for b, h, u, l in codes)


def test_the_dye_of_a_bag_is_what_the_code_says(views):
    made = writer('uav_human_attr')
    carried = [x.person for x in views if x.person.traits.bag == 'backpack']
    codes = {made._codes(x)[4] for x in carried}
    assert len(carried) > 5 and len(codes) > 1 and '0' not in codes
    for person in carried:
        assert BAG_COLOURS.get(dye(person, 'bag'), 5) == int(made._codes(person)[4])


def test_parse27k(root):
    folder, counts = root('parse27k'), COUNTS['parse27k']
    with closing(sqlite3.connect(folder / 'annotations.sqlite3')) as database:
        images = database.execute(
            'SELECT s.directory, i.filename, i.sequenceID FROM Image i JOIN Sequence s USING (sequenceID)').fetchall()
        people = database.execute(f'''
            SELECT s.directory, i.filename, p.box_min_x, p.box_min_y, p.box_max_x, p.box_max_y,
                   {", ".join(f"{x}ID" for x in ATTRIBUTES)}
            FROM Pedestrian p JOIN AttributeSet USING (attributeSetID) JOIN Image i USING (imageID)
                 JOIN Sequence s USING (sequenceID)''').fetchall()
    assert len(images) == sum(counts.values())
    assert Counter(x for _, _, x in images) == {1: 3, 4: 3, 5: 2, 2: 2, 7: 1, 8: 1, 3: 2, 6: 2}
    highest = dict(zip(ATTRIBUTES, (5, 9, 3, 4, *[3] * 8), strict=True))
    for directory, name, x1, y1, x2, y2, *values in people:
        width, height = Image.open(folder / 'sequences' / directory / name).size
        assert x1 < x2 and y1 < y2 and x1 < width and y1 < height
        assert all(1 <= value <= highest[x] for x, value in zip(ATTRIBUTES, values, strict=True))
    assert len(people) >= len(images) / 2 and any(1 in row[6:] for row in people)


def test_parse27k_orientation_is_what_the_views_say(views):
    for person in views:
        turn = facing(person)
        away = abs((turn + 180) % 360 - 180)  # degrees from the camera
        assert {'front': away < 60, 'side': 30 < away < 150, 'back': away > 120}[person.view], (person.view, turn)
    sides = [x for x in views if x.view == 'side']
    for person in sides:  # the nose points where the person looks
        nose, ears = person.joints[0, 0], person.joints[3:5, 0].mean()
        assert (nose > ears) == (facing(person) < 180)


def test_parse27k_database_depends_on_its_contents_alone(tmp_path):
    for name in ('a', 'b'):
        made = writer('parse27k', tmp_path / name)
        made.finish({split: [made.write(Job(split, i)) for i in range(n)] for split, n in made.counts.items()})
    a, b = ((tmp_path / x / 'annotations.sqlite3').read_bytes() for x in 'ab')
    assert a == b and not [*tmp_path.glob('*/*.tmp')]


def test_market1501_attribute_is_about_the_people_of_market1501(root):
    mat = loadmat(root('market1501_attribute') / 'market_attribute.mat')['market_attribute'][0, 0]
    orders, people = {}, {}
    for part in ('train', 'test'):
        fields = mat[part][0, 0]
        orders[part] = [x for x in fields.dtype.names if x != 'image_index']
        people[part] = [str(x[0]) for x in fields['image_index'].ravel()]
        values = {x: fields[x].ravel() for x in orders[part]}
        assert len(orders[part]) == 27 and all(len(x) == COUNTS['market1501'][part] for x in values.values())
        assert {*np.concatenate([x for name, x in values.items() if name != 'age'])} == {1, 2}
        assert {*values['age']} <= {1, 2, 3, 4}
    assert orders['train'] != orders['test'] and {*orders['train']} == {*orders['test']}
    names = {x.partition('-')[0] for x in catalog.card('market1501_attribute').attributes}
    assert names == {*orders['train']}
    for part in ('train', 'test'):
        here, there = (root(x) / f'bounding_box_{part}' for x in ('market1501_attribute', 'market1501'))
        shared = {*files(here)} & {*files(there)}
        assert len(shared) > 10 and all((here / x).read_bytes() == (there / x).read_bytes() for x in shared)
        assert {x[:4] for x in files(here)} - {'0000', '-1_c'} == {*people[part]}


def test_market1501_attribute_labels_the_person_who_is_seen(root):
    made = writer('market1501_attribute')
    fields = loadmat(root('market1501_attribute') / 'market_attribute.mat')['market_attribute'][0, 0]['train'][0, 0]
    for identity in range(4):
        traits = made.who(made.sighting(Job('train', 8 * identity))).traits
        assert fields['gender'].ravel()[identity] == (2 if traits.gender == 'female' else 1)
        assert fields['backpack'].ravel()[identity] == (2 if traits.bag == 'backpack' else 1)
    assert json.dumps(made._labels('train', 0)) == json.dumps(made._labels('train', 0))


# ------------------------------------------------------------------------------------------------ text

LISTS = {'cuhk_pedes': ('reid_raw.json', 'file_path'), 'icfg_pedes': ('ICFG-PEDES.json', 'file_path'),
         'rstpreid': ('data_captions.json', 'img_path')}


@pytest.mark.parametrize('dataset', LISTS)
def test_text_lists(root, dataset):
    name, key = LISTS[dataset]
    rows, counts = load(root(dataset) / name), COUNTS[dataset]
    people = {split: {x['id'] for x in rows if x['split'] == split} for split in counts}
    assert {x: len(y) for x, y in people.items()} == counts
    assert sorted(set().union(*people.values())) == list(range(dataset == 'cuhk_pedes', sum(counts.values()) + (
        dataset == 'cuhk_pedes')))
    assert {x[key] for x in rows} == set(below(root(dataset) / 'imgs', '**/*.*g')) and len(rows) == len(
        {x[key] for x in rows})
    for x in rows:
        assert ('processed_tokens' in x) == (dataset != 'rstpreid')
        assert 'processed_tokens' not in x or [len(y) for y in x['processed_tokens']] == [
            len(y.split()) for y in x['captions']]


def test_text_traps_are_there(root):
    """What is odd in the real sets is odd here."""
    cuhk, icfg, rstp = (load(root(x) / LISTS[x][0]) for x in LISTS)
    images = Counter(x['id'] for x in cuhk if x['split'] == 'train')
    assert sorted(images.values())[:2] == [1, 3]  # one person has a single image
    captions = Counter(len(x['captions']) for x in cuhk)
    assert captions[2] > captions[4] > 0 and set(captions) == {2, 4}
    assert {x['file_path'].rsplit('.')[-1] for x in cuhk} == {'jpg', 'png'}
    assert {(x['split'], x['file_path'].split('/')[0]) for x in icfg} == {
        (a, b) for a in ('train', 'test') for b in ('train', 'test')}
    assert {len(x['captions']) for x in icfg} == {1} and {len(x['captions']) for x in rstp} == {2}
    assert min(len(y.split()) for x in rstp for y in x['captions']) >= 23
    assert all(re.fullmatch(rf"{x['id']:04d}_c\d+_\d{{4}}\.jpg", x['img_path']) for x in rstp)


def test_the_captions_of_a_person_agree(root):
    """In every image the same hair and shoes, told of the person whom the image shows."""
    made = writer('rstpreid')
    rows = load(root('rstpreid') / 'data_captions.json')
    for i, row in enumerate(x for x in rows if x['split'] == 'train'):
        traits = made.who(made.sighting(Job('train', i))).traits
        for text in row['captions']:
            assert (f'{traits.hair} {traits.hair_colour} hair' in text) == (traits.hair != 'bald')
    hair = {x['id']: re.search(r'(\w+ \w+) hair', x['captions'][0]) for x in rows}
    assert len({x[1] for x in hair.values() if x}) > 2  # and not of everybody alike
