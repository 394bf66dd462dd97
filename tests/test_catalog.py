"""Every dataset card is complete and agrees with itself."""
import shutil
from dataclasses import FrozenInstanceError, fields

import pytest
import yaml

from humanbench import catalog, resources
from humanbench.errors import UserError

COUNTS = {  # classes, keypoints, attributes
    'market1501': (0, 0, 0), 'msmt17': (0, 0, 0), 'cuhk03': (0, 0, 0), 'coco_pose': (0, 17, 0), 'h36m_pose': (0, 17, 0),
    'aic': (0, 14, 0), 'mpii': (0, 16, 0), 'posetrack': (0, 15, 0), 'jrdb': (0, 17, 0), 'mhp': (0, 16, 0),
    'penn_action': (0, 13, 0), 'halpe': (0, 20, 0), 'threedpw': (0, 18, 0), 'mpi_inf_3dhp': (0, 17, 0),
    'aist': (0, 17, 0), 'h36m_parsing': (25, 0, 0), 'lip': (20, 0, 0), 'cihp': (20, 0, 0),
    'last': (0, 0, 0), 'prcc': (0, 0, 0), 'dgmarket': (0, 0, 0), 'luperson_nl': (0, 0, 0), 'sensereid': (0, 0, 0),
    'luperson': (0, 17, 0),
    'hardhc': (0, 0, 14), 'uav_human_attr': (0, 0, 43), 'parse27k': (0, 0, 44), 'market1501_attribute': (0, 0, 30),
    'atr': (18, 0, 0), 'pa100k': (0, 0, 26), 'rapv2': (0, 0, 54), 'peta': (0, 0, 35), 'crowdhuman': (1, 0, 0),
    'caltech': (1, 0, 0), 'widerperson': (1, 0, 0), 'coco_person_det': (1, 0, 0), 'ecp': (1, 0, 0),
    'citypersons': (1, 0, 0), 'wider_pedestrian': (1, 0, 0), 'vip': (20, 0, 0), 'paper_doll': (20, 0, 0),
    'deepfashion2': (14, 0, 0), 'modanet': (14, 0, 0), 'shanghaitech_a': (0, 0, 0), 'shanghaitech_b': (0, 0, 0),
    'rap_v1': (0, 0, 51), 'cuhk_pedes': (0, 0, 0), 'icfg_pedes': (0, 0, 0), 'rstpreid': (0, 0, 0),
    'cuhk_sysu': (0, 0, 0), 'prw': (0, 0, 0), 'ntu_rgbd': (0, 25, 0), 'nturgbd_parsing': (25, 0, 0),
    'itop_side': (0, 15, 0)}
REQUIRED = {'id', 'name', 'tasks', 'role', 'splits', 'metric', 'licence', 'traps'}
COUNTED = {'images', 'persons', 'ids', 'captions', 'distractors', 'sequences', 'videos'}


def record(id: str) -> dict:
    return yaml.safe_load((catalog.meta_folder() / f'{id}.yaml').read_text(encoding='utf-8'))


def faults(card: dict) -> set[str]:
    """What breaks the schema of a card, as its file holds it."""
    flags = card.get('licence', {}).get('flags', [])
    known = {'tasks': (card.get('tasks', []), catalog.ALL_TASKS), 'role': (card.get('role', []), catalog.ROLES),
             'licence': (flags, catalog.LICENCE_FLAGS)}
    found = {f'{key}: {x} is unknown' for key, (values, allowed) in known.items() for x in values if x not in allowed}
    found |= {f'{key}: missing' for key in REQUIRED - card.keys()}
    found |= {f'{key}: is no key of a card' for key in card.keys() - {x.name for x in fields(catalog.DatasetCard)}}
    if 'withdrawn' in flags:
        found |= {f'{key}: of a withdrawn dataset' for key in ('layout', 'homepage') if key in card}
    elif not card.get('layout', {}).get('root') or not card['layout'].get('files'):
        found.add('layout: missing')
    if not flags:
        found.add('licence: has no flag')
    if not card.get('traps') or not all(isinstance(x, str) for x in card['traps']):
        found.add('traps: no list of texts')
    for name, counts in card.get('splits', {}).items():
        if not isinstance(counts.get('source'), str):
            found.add(f'splits: {name} has no source')
        if not all(key in COUNTED and isinstance(x, int) and x > 0 for key, x in counts.items() if key != 'source'):
            found.add(f'splits: {name} counts something unknown')
    return found | _faults_of_names(card)


def _faults_of_names(card: dict) -> set[str]:
    found = {f'{key}: a name twice' for key in ('classes', 'keypoints', 'attributes', 'metric')
             if len(set(card.get(key, []))) != len(card.get(key, []))}
    names = card.get('keypoints') or card.get('classes') or card.get('attributes') or []
    sides = [x for pair in card.get('flip_pairs', []) for x in pair]
    if len(set(sides)) != len(sides) or any(len(set(pair)) != 2 for pair in card.get('flip_pairs', [])):
        found.add('flip_pairs: not pairs of different names, each in one')
    found |= {f'{key}: {x} is out of range' for key, values in (
        ('flip_pairs', sides), ('upper_body', card.get('upper_body', []))) for x in values if not 0 <= x < len(names)}
    return found


def test_no_known_card_is_lost():
    assert set(COUNTS) <= set(catalog.ids())


@pytest.mark.parametrize('id', list(COUNTS))
def test_counts_are_those_of_the_documents(id):
    card = catalog.card(id)
    assert (len(card.classes), len(card.keypoints), len(card.attributes)) == COUNTS[id]


@pytest.mark.parametrize('id', catalog.ids() + catalog.ids(withdrawn=True))
def test_card_follows_the_schema(id):
    card = catalog.card(id)
    assert faults(record(id)) == set() and card.id == id


@pytest.mark.parametrize('change, fault', [
    (dict(traps=None), 'traps: no list of texts'), (dict(role=['pretraining']), 'role: pretraining is unknown'),
    (dict(tasks=['poses']), 'tasks: poses is unknown'), (dict(layout={}), 'layout: missing'),
    (dict(licence={'flags': ['free']}), 'licence: free is unknown'), (dict(licence={}), 'licence: has no flag'),
    (dict(licence={'flags': ['withdrawn']}), 'homepage: of a withdrawn dataset'),
    (dict(license='free'), 'license: is no key of a card'),
    (dict(splits={'train': {'images': 5}}), 'splits: train has no source'),
    (dict(splits={'train': yaml.safe_load('{images: 5, source: one, two}')}), 'splits: train counts something unknown'),
    (dict(splits={'train': {'images': '5', 'source': 'x'}}), 'splits: train counts something unknown'),
    (dict(keypoints=['nose'] * 17), 'keypoints: a name twice'),
    (dict(flip_pairs=[[1, 2], [2, 3]]), 'flip_pairs: not pairs of different names, each in one'),
    (dict(flip_pairs=[[4, 4]]), 'flip_pairs: not pairs of different names, each in one'),
    (dict(flip_pairs=[[16, 17]]), 'flip_pairs: 17 is out of range'),
    (dict(upper_body=[-1]), 'upper_body: -1 is out of range'),
])
def test_the_schema_finds(change, fault):
    assert fault in faults({**record('coco_pose'), **change})


@pytest.mark.parametrize('key', sorted(REQUIRED))
def test_the_schema_finds_what_is_missing(key):
    assert f'{key}: missing' in faults({name: x for name, x in record('coco_pose').items() if name != key})


def test_a_withdrawn_dataset_has_a_card_and_nothing_else():
    assert catalog.ids(withdrawn=True) == ['dukemtmc_reid'] and 'dukemtmc_reid' not in catalog.ids()
    card = catalog.card('dukemtmc_reid')
    assert card.withdrawn and card.layout is None and card.homepage is None and not catalog.card('market1501').withdrawn
    assert catalog.ids('reid', withdrawn=True) == ['dukemtmc_reid'] and catalog.ids('pose', withdrawn=True) == []


@pytest.mark.parametrize('id', catalog.ids())
def test_left_and_right_change_places(id):
    card = catalog.card(id)
    names = card.keypoints or card.classes or card.attributes
    flipped = [names[i] for i in card.flip_indices]
    swapped = [_other_side(x) for x in names]
    assert flipped == swapped
    assert len(card.sigmas) in (0, len(card.keypoints))
    assert set(card.upper_body) | set(card.lower_body) == set(range(len(card.keypoints)))
    assert len(card.label_ids) in (0, len(card.classes)) and sorted(card.label_ids) == list(card.label_ids)
    assert len(card.class_weights) in (0, len(card.classes)) and min(card.class_weights, default=1) > 0


def _other_side(name: str) -> str:
    if 'left' in name.lower():
        return name.replace('left', 'right').replace('Left', 'Right')
    return name.replace('right', 'left').replace('Right', 'Left')


def test_side_words_are_looked_at():
    assert [_other_side(x) for x in ('left_hip', 'Right-arm', 'nose')] == ['right_hip', 'Left-arm', 'nose']


def test_roots_do_not_collide():
    roots = [catalog.card(x).layout.root for x in catalog.ids()]
    assert len(set(roots)) == len(roots)
    assert not any(a != b and f'{b}/'.startswith(f'{a}/') for a in roots for b in roots)


def test_ids_by_task():
    assert catalog.ids('counting') == ['shanghaitech_a', 'shanghaitech_b']
    assert sorted(x for task in catalog.ALL_TASKS for x in catalog.ids(task)) == catalog.ids()
    with pytest.raises(UserError, match="Did you mean 'counting'"):
        catalog.ids('countin')


@pytest.mark.parametrize('wrong, near', [('market1510', 'market1501'), ('coco', 'coco_pose'), ('pa-100k', 'pa100k')])
def test_unknown_id_offers_the_nearest(wrong, near):
    with pytest.raises(UserError, match=f"Did you mean '{near}'"):
        catalog.card(wrong)


def test_cards_are_frozen():
    card = catalog.card('lip')
    with pytest.raises(FrozenInstanceError):
        card.year = 2000
    with pytest.raises(TypeError):
        card.layout.files['train'] = 'elsewhere'


def test_duplicate_facts_do_not_hide():
    """A key written twice would silently win over the first."""
    for path in catalog.meta_folder().glob('*.yaml'):
        if path.stem in catalog.ids() + catalog.ids(withdrawn=True):
            keys = [line.split(':')[0] for line in path.read_text().splitlines() if line[:1].isalpha()]
            assert len(keys) == len(set(keys)), path
            assert set(keys) == set(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize('place', ['datasets_meta', 'humanbench/.mim/datasets_meta'])
def test_cards_are_found_in_checkout_and_wheel(place, tmp_path, monkeypatch):
    shutil.copytree(catalog.meta_folder(), tmp_path / place)
    monkeypatch.setattr(resources, '_PACKAGE', tmp_path / 'humanbench')
    assert catalog.meta_folder() == tmp_path / place


def test_missing_cards_say_where_they_were_sought(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, '_PACKAGE', tmp_path / 'humanbench')
    with pytest.raises(FileNotFoundError, match='datasets_meta'):
        catalog.meta_folder()
