"""Planted leaks are found, in whatever form; what only looks alike is not."""
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from humanbench import catalog
from humanbench.datasets import places
from humanbench.datasets.audit import audit, nearest, read_audit
from humanbench.datasets.audit.hashes import hash_image, likeness, perceptual_hashes, small_grey
from humanbench.datasets.audit.leaks import LEAST_LIKENESS, NAME_SPACES, RADIUS, test_splits, training_splits
from humanbench.datasets.roots import dataset_root, edition_datasets
from humanbench.datasets.transforms.loading import read_image
from humanbench.errors import UserError


@pytest.fixture(autouse=True)
def own_memory(monkeypatch, tmp_path):
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'cache'))


@pytest.fixture
def data(edition, tmp_path) -> Path:
    """A data folder with datasets in which leaks can be planted."""
    for id in ('lip', 'pa100k', 'market1501', 'market1501_attribute', 'shanghaitech_a'):
        card = catalog.card(id)
        shutil.copytree(dataset_root('minihuman:tiny', card), tmp_path / 'data' / card.layout.root)
    return tmp_path / 'data'


# ------------------------------------------------------------------------------------------------------ what is planted
def _encode(image: np.ndarray, suffix: str, quality: int = 70) -> bytes:
    return cv2.imencode(suffix, image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _resized(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)


PLANTED: dict[str, tuple[str, Callable[[Path], bytes]]] = {
    'a copy': ('same bytes', Path.read_bytes),
    'another JPEG': ('same looks', lambda x: _encode(cv2.imread(str(x)), '.jpg', 40)),
    'smaller': ('same looks', lambda x: _encode(_resized(cv2.imread(str(x))), '.jpg', 90)),
    'brighter': ('same looks', lambda x: _encode(cv2.convertScaleAbs(cv2.imread(str(x)), alpha=0.9, beta=20), '.png')),
    'mirrored': ('mirrored', lambda x: _encode(cv2.imread(str(x))[:, ::-1], '.jpg', 90)),
    'mirrored and smaller': ('mirrored', lambda x: _encode(_resized(cv2.imread(str(x)))[:, ::-1], '.jpg', 60)),
}


@pytest.mark.parametrize(('how', 'change'), PLANTED.values(), ids=PLANTED)
def test_a_planted_test_image_is_found(how, change, data):
    source = sorted((data / 'LIP/data/val_images').iterdir())[1]
    target = sorted((data / 'PA-100K').rglob('*.jpg'))[3]
    target.write_bytes(change(source))
    report = audit(['pa100k'], ['lip', 'shanghaitech_a'], str(data))
    found, clean = (report['datasets'][x] for x in ('lip', 'shanghaitech_a'))
    assert (clean['leaked'], clean['images'], clean['by_dataset']) == (0, [], {})
    assert (found['leaked'], found[how.replace(' ', '_')], found['by_dataset']) == (1, 1, {'pa100k': 1})
    image, = found['images']
    assert image['how'] == how and image['dataset'] == 'pa100k'
    assert image['image'].endswith(source.name) and image['occurs_as'].endswith(target.name)


CONTROLS = {
    'another picture': lambda x: _encode(cv2.imread(str(x))[::-1], '.jpg'),
    'the middle of it': lambda x: _encode(cv2.imread(str(x))[20:-20, 20:-20], '.jpg'),
    'one colour': lambda x: _encode(np.full_like(cv2.imread(str(x)), 128), '.jpg'),
    'no image': lambda x: b'nothing'}


@pytest.mark.parametrize('change', CONTROLS.values(), ids=CONTROLS)
def test_what_is_no_leak(change, data):
    source = sorted((data / 'LIP/data/val_images').iterdir())[1]
    sorted((data / 'PA-100K').rglob('*.jpg'))[3].write_bytes(change(source))
    assert audit(['pa100k'], ['lip'], str(data))['datasets']['lip']['leaked'] == 0


def test_pictures_of_one_colour_are_not_alike(data):
    """All of them have the same looks, which says nothing; equal bytes still do."""
    black, grey = (np.full((60, 40, 3), x, np.uint8) for x in (0, 90))
    for folder, image in (('LIP/data/val_images', black), ('PA-100K', grey)):
        sorted((data / folder).rglob('*.jpg'))[0].write_bytes(_encode(image, '.png'))
    assert audit(['pa100k'], ['lip'], str(data))['datasets']['lip']['leaked'] == 0
    sorted((data / 'PA-100K').rglob('*.jpg'))[0].write_bytes(_encode(black, '.png'))
    assert audit(['pa100k'], ['lip'], str(data))['datasets']['lip']['same_bytes'] == 1


def test_no_dataset_of_the_edition_leaks_into_another(edition):
    """The negative control: hundreds of pictures of the same kind, none of them twice."""
    ids = [x for x in edition_datasets('minihuman:tiny') if x in places.readers()]
    pretrain = [x for x in ids if training_splits(x)]
    evaluate = [x for x in ids if set(catalog.card(x).role) - {'pretrain'} and test_splits(x)]
    report = audit(pretrain, evaluate, 'minihuman:tiny')
    assert len(report['datasets']) >= 18 and sum(x['images'] for x in report['pretrain'].values()) > 500
    assert {id: x['leaked'] for id, x in report['datasets'].items() if x['leaked']} == {}


# ------------------------------------------------------------------------------------------------------------- names
def test_people_of_the_same_name_space(data):
    report = audit(['market1501_attribute', 'pa100k'], ['market1501'], str(data))
    names, = report['datasets']['market1501']['names']  # PA-100K's names tell no one
    assert names['dataset'] == 'market1501_attribute' and names['what'] == 'Market-1501 identity'
    assert names['tested'] > 0 and names['shared'] == len(names['first'])
    train = sorted((data / 'Market-1501_Attribute/bounding_box_train').iterdir())[0].name[:4]
    for folder in ('query', 'bounding_box_test'):
        for test in (data / 'Market-1501-v15.09.15' / folder).glob(f'{train}_*'):
            test.unlink()
    for planted in (False, True):
        names, = audit(['market1501_attribute'], ['market1501'], str(data))['datasets']['market1501']['names']
        assert (train in names['first']) == planted
        test = next((data / 'Market-1501-v15.09.15/query').iterdir())
        test.rename(test.with_name(f'{train}{test.name[4:]}'))


def test_name_spaces_are_of_datasets_that_are_read():
    assert NAME_SPACES.keys() <= places.readers().keys()
    assert all(len([x for x in NAME_SPACES.values() if x[0] == space]) > 1 for space, _ in NAME_SPACES.values())


# ------------------------------------------------------------------------------------------------------ hashes, search
def test_the_hash_of_a_mirror_image_needs_no_second_transform(data):
    for path in sorted((data / 'LIP/data/train_images').iterdir()):
        grey = small_grey(read_image(str(path)))
        looks, mirrored = perceptual_hashes(grey)
        assert perceptual_hashes(np.ascontiguousarray(grey[:, ::-1])) == (mirrored, looks) and looks != mirrored


def _bits(a: int, b: int) -> int:
    return ((a ^ b) & (1 << 64) - 1).bit_count()


def test_the_limits_keep_copies_and_strangers_apart(data, tmp_path):
    paths = sorted((data / 'LIP').rglob('*.jpg')) + sorted((data / 'PA-100K').rglob('*.jpg'))
    greys = [small_grey(read_image(str(x))) for x in paths]
    for path, grey in zip(paths, greys):
        again = small_grey(cv2.imdecode(np.frombuffer(_encode(_resized(cv2.imread(str(path))), '.jpg', 60), np.uint8),
                                        cv2.IMREAD_COLOR)[..., ::-1].copy())
        assert _bits(perceptual_hashes(grey)[0], perceptual_hashes(again)[0]) <= RADIUS
        assert likeness(grey, again) > LEAST_LIKENESS
    strangers = [likeness(a, b) for i, a in enumerate(greys) for b in greys[:i]]
    assert max(strangers) < LEAST_LIKENESS


def _brute(queries: np.ndarray, base: np.ndarray) -> np.ndarray:
    differing = (queries[:, None] ^ base[None]).view(np.uint8).reshape(len(queries), len(base), 8)
    return np.unpackbits(differing, axis=2).sum(2)


@pytest.mark.parametrize('radius', [0, 1, 4, 6, 9])
def test_search_finds_what_a_full_comparison_finds(radius):
    rng = np.random.default_rng(radius)
    base = rng.integers(-2**63, 2**63 - 1, 3000)
    queries = np.concatenate([base[rng.integers(0, len(base), 200)], rng.integers(-2**63, 2**63 - 1, 50)])
    for bit in rng.integers(0, 64, (12, 200)):  # up to twelve bits change
        queries[:200] ^= np.where(rng.random(200) < radius / 14, np.int64(1) << bit, 0)
    found, bits = nearest(queries, base, radius)
    distances = _brute(queries, base)
    expected = np.where(distances.min(1) <= radius, distances.min(1), 65)
    assert (bits[:, 0] == expected).all() and (found[:, 0] >= 0).sum() > 20
    rows = np.flatnonzero(found[:, 0] >= 0)
    assert (distances[rows, found[rows, 0]] == bits[rows, 0]).all()
    assert (np.diff(bits, axis=1) >= 0).all()


def test_search_among_many_equals():
    base = np.full(1000, 7, np.int64)
    found, bits = nearest(np.array([7, 6, -1]), base, 2)
    assert bits.tolist() == [[0] * 4, [1] * 4, [65] * 4] and len(set(found[0].tolist())) == 4


def test_an_empty_base():
    assert (nearest(np.array([1, 2]), np.empty(0, np.int64), 4)[0] == -1).all()


# ---------------------------------------------------------------------------------------------------- memory, mistakes
def test_what_was_hashed_is_not_read_again(data, monkeypatch):
    first = audit(['pa100k'], ['lip'], str(data))
    monkeypatch.setattr('humanbench.datasets.audit.leaks.hash_image', lambda *x: pytest.fail('read again'))
    again = audit(['pa100k'], ['lip'], str(data))
    assert {**first, 'created': ''} == {**again, 'created': ''}
    next((data / 'LIP/data/val_images').iterdir()).write_bytes(b'new')
    with pytest.raises(pytest.fail.Exception):
        audit(['pa100k'], ['lip'], str(data))


def test_two_processes_find_what_one_finds(data, tmp_path, monkeypatch):
    alone = audit(['pa100k', 'market1501'], ['lip'], str(data))
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'another'))
    assert {**audit(['pa100k', 'market1501'], ['lip'], str(data), workers=2), 'created': ''} == {**alone, 'created': ''}


def test_a_missing_image_is_counted(data):
    next((data / 'PA-100K').rglob('*.jpg')).unlink()
    report = audit(['pa100k'], ['pa100k'], str(data))
    assert report['pretrain']['pa100k']['missing'] + report['evaluate']['pa100k']['missing'] >= 1
    assert hash_image(str(data / 'none.jpg')) is None


def test_reports_that_are_none(tmp_path, data):
    path = tmp_path / 'audit.json'
    for text in ('{}', '[]', 'x', '{"audit_version": "0"}'):
        path.write_text(text)
        with pytest.raises(UserError, match='audit'):
            read_audit(path)
    path.write_text(json.dumps(audit(['pa100k'], ['lip'], str(data))))
    report, digest = read_audit(path)
    assert report['datasets'].keys() == {'lip'} and len(digest) == 16
    with pytest.raises(UserError, match='has no split for this'):
        audit(['sensereid'], ['lip'], str(data))
