"""Every dataset card is complete and agrees with itself."""
import shutil
from dataclasses import FrozenInstanceError

import pytest
import yaml

from humanbench import catalog, resources
from humanbench.errors import UserError

COUNTS = {  # classes, keypoints, attributes
    'market1501': (0, 0, 0), 'msmt17': (0, 0, 0), 'cuhk03': (0, 0, 0), 'coco_pose': (0, 17, 0), 'h36m_pose': (0, 17, 0),
    'aic': (0, 14, 0), 'mpii': (0, 16, 0), 'posetrack': (0, 15, 0), 'jrdb': (0, 17, 0), 'mhp': (0, 16, 0),
    'penn_action': (0, 13, 0), 'halpe': (0, 20, 0), 'threedpw': (0, 18, 0), 'mpi_inf_3dhp': (0, 17, 0),
    'aist': (0, 17, 0), 'h36m_parsing': (25, 0, 0), 'lip': (20, 0, 0), 'cihp': (20, 0, 0),
    'atr': (18, 0, 0), 'pa100k': (0, 0, 26), 'rapv2': (0, 0, 54), 'peta': (0, 0, 35), 'crowdhuman': (1, 0, 0),
    'caltech': (1, 0, 0), 'widerperson': (1, 0, 0), 'coco_person_det': (1, 0, 0), 'ecp': (1, 0, 0),
    'citypersons': (1, 0, 0), 'wider_pedestrian': (1, 0, 0), 'vip': (20, 0, 0), 'paper_doll': (20, 0, 0),
    'deepfashion2': (14, 0, 0), 'modanet': (14, 0, 0), 'shanghaitech_a': (0, 0, 0), 'shanghaitech_b': (0, 0, 0)}


@pytest.mark.parametrize('id', COUNTS)
def test_card_is_complete(id):
    card = catalog.card(id)
    assert card.id == id
    assert (len(card.classes), len(card.keypoints), len(card.attributes)) == COUNTS[id]
    assert set(card.tasks) <= set(catalog.TASKS)
    assert set(card.role) <= set(catalog.ROLES)
    assert card.metric and card.layout.root and card.layout.files
    assert all('source' in counts for counts in card.splits.values())


@pytest.mark.parametrize('id', catalog.ids())
def test_left_and_right_change_places(id):
    card = catalog.card(id)
    names = card.keypoints or card.classes
    flipped = [names[i] for i in card.flip_indices]
    swapped = [_other_side(x) for x in names]
    assert flipped == swapped
    assert len(card.sigmas) in (0, len(card.keypoints))
    assert set(card.upper_body) | set(card.lower_body) == set(range(len(card.keypoints)))
    assert len(card.label_ids) in (0, len(card.classes)) and sorted(card.label_ids) == list(card.label_ids)


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
    assert sorted(x for task in catalog.TASKS for x in catalog.ids(task)) == catalog.ids()
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
        if path.stem in catalog.ids():
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
