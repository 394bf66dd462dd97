"""LUPerson: which images of the ranking list, what is said of those that are gone, and joints for any crops."""
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from humanbench import catalog, datasets
from humanbench.datasets import base, storage
from humanbench.datasets import joints as joints_of_readers
from humanbench.datasets.joints import ReaderJoints
from humanbench.datasets.roots import dataset_root
from humanbench.datasets.safe_pickle import read_object_array
from humanbench.datasets.transforms import LoadImage, PackHumanInputs, RandomFlip, Resize
from humanbench.errors import DataError, UserError
from humanbench.joints import JointStore, write_store

from . import native
from .fuzz import FAILED, REFUSED, fuzz

NAMES = [f'chile/arica/{i:08d}_{i % 3:04d}.jpg' for i in range(6)] + [f'peru/cusco/{i:08d}_0000.jpg' for i in range(4)]


def names(dataset: datasets.HumanDataset, folder: str = 'images') -> list[str]:
    top = f'{dataset.root}/{folder}/'
    return [dataset.record(i)['img_path'].removeprefix(top) for i in range(len(dataset))]


def write_list(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value))


def add_store(path: Path, named: list[str], size: tuple[int, int] = (40, 30)) -> np.ndarray:
    """Joints of some crops; (n, 17, 3)."""
    joints = np.random.default_rng(0).uniform(1, 28, (len(named), 17, 3))
    joints[..., 2] = np.linspace(0.02, 1, 17)
    write_store(path, named, joints, np.tile(size, (len(named), 1)), {}, 'images')
    return joints


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """What is put into the log."""
    lines = []
    for module in (datasets.pretext, joints_of_readers):
        monkeypatch.setattr(module, 'print_log', lambda text, logger: lines.append(text))
    return lines


@pytest.fixture
def root(tmp_path) -> Path:
    """Ten crops; the list has them backwards, and between them two that are gone."""
    for name in NAMES:
        native.image(tmp_path / 'LUP/images' / name)
    write_list(tmp_path / 'LUP/CFS_list.pkl', ['gone/a.jpg', *NAMES[::-1][:5], 'gone/b.jpg', *NAMES[::-1][5:]])
    return tmp_path / 'LUP'


# ------------------------------------------------------------------------------------------------------- which images
def test_without_a_list_it_is_every_image_of_the_folder(root):
    native.image(root / 'images/chile/video/deep/er/x.png')
    native.text(root / 'images/chile/notes.txt', 'no image')
    (root / 'CFS_list.pkl').unlink()
    assert names(datasets.LUPerson(root)) == sorted([*NAMES, 'chile/video/deep/er/x.png'])


@pytest.mark.parametrize(('keep', 'expected'), [
    (0.5, NAMES[::-1][:5]), (6, NAMES[::-1][:5]), (7, NAMES[::-1][:5]), (8, NAMES[::-1][:6]), (0.09, []),
    (1.0, NAMES[::-1]), (12, NAMES[::-1]), (99, NAMES[::-1])])
def test_the_best_come_first_and_the_share_counts_before_what_is_there(root, keep, expected):
    if not expected:
        with pytest.raises(DataError, match="0 of 1 images.*'gone/a.jpg'.*in the folder is 'peru"):
            datasets.LUPerson(root, keep=keep)
        return
    dataset = datasets.LUPerson(root, keep=keep)
    assert names(dataset) == expected
    asked = int(keep * 12) if isinstance(keep, float) else min(keep, 12)
    assert (dataset.metainfo['asked'], dataset.metainfo['found']) == (asked, len(expected))


def test_half_of_the_published_list_is_hap_s_half():
    card = catalog.card('luperson')
    total = card.splits['ranking_list']['images']
    assert datasets.pretext.kept(0.5, total) == card.splits['ranking_list_hap']['images'] == 2_090_121
    assert datasets.pretext.kept(card.splits['ranking_list_transreid_ssl']['images'], total) == 2_090_122


def test_a_text_list_says_the_same(root):
    (root / 'CFS_list.pkl').unlink()
    native.text(root / 'cfs_list.txt', 'gone/a.jpg', *NAMES[::-1])
    assert names(datasets.LUPerson(root, keep=4)) == NAMES[::-1][:3]
    native.text(root / 'mine.txt', *NAMES)
    assert names(datasets.LUPerson(root, keep=4, ann_file='mine.txt')) == NAMES[:4]


def test_a_name_twice_is_one_image(root):
    write_list(root / 'CFS_list.pkl', [NAMES[3], NAMES[1], NAMES[3]])
    dataset = datasets.LUPerson(root, keep=1.0)
    assert names(dataset) == [NAMES[3], NAMES[1]] and dataset.metainfo['asked'] == 2


def test_random_ones_are_drawn_by_the_seed(root):
    (root / 'CFS_list.pkl').unlink()
    first, again, other = (names(datasets.LUPerson(root, keep=0.5, order='random', seed=x)) for x in (1, 1, 2))
    assert first == again != other and len(first) == 5 and first == sorted(first)
    assert len(datasets.LUPerson(root, keep=3, order='random')) == 3


def test_too_few_that_are_there(root):
    write_list(root / 'CFS_list.pkl', ['gone/a.jpg', 'gone/b.jpg', NAMES[0]])
    with pytest.raises(DataError, match=r'1 of 3 images.*expected 50% at least.*gone/a.jpg.*img_dir=.*least_found=0'):
        datasets.LUPerson(root, keep=1.0)
    assert names(datasets.LUPerson(root, keep=1.0, least_found=0.3)) == [NAMES[0]]
    write_list(root / 'CFS_list.pkl', [f'images/{x}' for x in NAMES])  # relative to another folder than is read
    with pytest.raises(DataError, match='0 of 10 images'):
        datasets.LUPerson(root, keep=1.0, least_found=0)
    assert len(datasets.LUPerson(root, keep=1.0, img_dir='.')) == 10


def test_what_was_found_is_said_and_known_from_the_index_too(root, monkeypatch, said):
    monkeypatch.setattr(base, 'INDEX_FROM', 4)
    first = datasets.LUPerson(root, keep=1.0)
    assert len(said) == 1 and '10 of 12 images' in said[0] and first._table.folder is not None
    monkeypatch.setattr(datasets.LUPerson, 'load_records', lambda self: pytest.fail('read again'))
    mapped = datasets.LUPerson(root, keep=1.0)
    assert names(mapped) == NAMES[::-1] and mapped.metainfo['found'] == 10


@pytest.mark.parametrize(('options', 'words'), [
    (dict(keep=0), 'keep = 0'), (dict(keep=1.5), 'keep = 1.5'), (dict(keep=-2), 'keep = -2'),
    (dict(keep=True), 'keep = True'),
    (dict(keep=0.5, order='best'), "order of LUPerson 'best'.*Known: random, ranked")])
def test_options_that_mean_nothing(options, words, root):
    with pytest.raises(UserError, match=words):
        datasets.LUPerson(root, **options)


@pytest.mark.parametrize('value', [dict(a=1), 'a.jpg', [1, 2], [['a.jpg']], [b'a.jpg'], None, ['\ud800.jpg'], []])
def test_lists_that_are_none(value, root):
    write_list(root / 'CFS_list.pkl', value)
    with pytest.raises(DataError, match='CFS_list.pkl'):
        datasets.LUPerson(root, keep=1.0)


def test_names_on_a_list_lead_nowhere_else(root):
    native.image(root / 'secret.jpg')
    write_list(root / 'CFS_list.pkl', ['../secret.jpg', f'{root}/secret.jpg', 'chile/../../secret.jpg', *NAMES])
    assert names(datasets.LUPerson(root, keep=1.0)) == NAMES


@pytest.mark.parametrize('target', ['../..', '.', '../../../elsewhere'])
def test_linked_folders_that_lead_out_or_in_a_circle(root, target, tmp_path):
    native.image(tmp_path / 'elsewhere/x.jpg')
    (root / 'images/chile/again').symlink_to(target, target_is_directory=True)
    with pytest.raises(DataError, match='again.*leads out of.*or in a circle'):
        datasets.LUPerson(root)
    (root / 'images/chile/again').unlink()
    (root / 'images/chile/again').symlink_to('../peru', target_is_directory=True)  # a link that stays is fine
    assert len(datasets.LUPerson(root)) == 14


@pytest.mark.parametrize('inputs', [8, pytest.param(60, marks=pytest.mark.slow)])
def test_damaged_lists_are_read_or_named(inputs, edition):
    """As all readers are tried, with the list, which is not read where every image is wanted."""
    class Ranked(datasets.LUPerson):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, keep=1.0, **kwargs)
    Ranked.__module__ = __name__
    outcomes = fuzz(Ranked, 'luperson', inputs, 5)
    assert not [x for x in outcomes if x.kind == FAILED] and any(x.kind == REFUSED for x in outcomes)
    assert any(x.file == 'CFS_list.pkl' for x in outcomes)


# ------------------------------------------------------------------------------------------------------------- joints
def test_joints_come_with_the_records(root):
    unknown = datasets.LUPerson(root).get_data_info(0)
    assert unknown['keypoints'].shape == (1, 17, 2) and not unknown['keypoints_visible'].any()
    joints = add_store(root / 'joints.safetensors', NAMES)
    dataset = datasets.LUPerson(root)
    for i in (0, 9):
        found = dataset.get_data_info(i)
        assert np.abs(found['keypoints'][0] - joints[i, :, :2]).max() < 1 / 64 and found['keypoints_visible'].all()
        assert found['keypoints'].dtype == found['keypoints_visible'].dtype == np.float32
        assert (found['flip_indices'] == catalog.card('coco_pose').flip_indices).all()
    assert not np.allclose(dataset.get_data_info(1)['keypoints'][0], joints[0, :, :2], atol=0.5)  # control
    copied = pickle.loads(pickle.dumps(dataset))
    assert (copied.get_data_info(3)['keypoints'] == dataset.get_data_info(3)['keypoints']).all()


def test_the_store_that_is_asked_for(root, tmp_path):
    add_store(root / 'joints.safetensors', NAMES)
    own = add_store(tmp_path / 'own.safetensors', [f'images/{x}' for x in NAMES])  # named from the root on
    own[0, 0, :2] = 29.4, 39.4
    found = datasets.LUPerson(root, joints=tmp_path / 'own.safetensors')
    assert found.get_data_info(0)['keypoints_visible'].all()
    with pytest.raises(DataError, match="none.safetensors' is missing: expected a joint store, as `humanbench joints`"):
        datasets.LUPerson(root, joints='none.safetensors')
    native.text(root / 'bad.safetensors', 'no store')
    with pytest.raises(DataError, match=r'cannot read the joint store .*bad.safetensors'):
        datasets.LUPerson(root, joints='bad.safetensors')


def test_joints_outside_the_image_or_unknown_are_not_visible_and_scores_do_not_count(root):
    joints = np.full((1, 17, 3), 5.0)
    joints[..., 2] = np.linspace(0.02, 1, 17)
    joints[0, :5, :2] = [[-1, 5], [5, 40], [30, 5], [-0.4, -0.4], [29.3, 39.3]]
    joints[0, 5] = np.nan
    joints[0, 6, 2] = -0.01  # some networks say so
    write_store(root / 'joints.safetensors', NAMES[:1], joints, np.array([[40, 30]]), {}, '')
    found = datasets.LUPerson(root, indices=1).get_data_info(0)
    assert found['keypoints_visible'][0].tolist() == [0, 0, 0, 1, 1, 0] + 11 * [1]
    assert np.isfinite(found['keypoints']).all() and found['keypoints'][0, 1].tolist() == [5, 40]
    strict = datasets.LUPerson(root, indices=1, min_score=0.5).get_data_info(0)
    assert strict['keypoints_visible'][0].tolist() == 8 * [0] + 9 * [1]


def test_a_store_of_other_images(root, said):
    add_store(root / 'joints.safetensors', ['chile/x.jpg', 'chile/y.jpg'])
    expected = r"has none of 10 images.*'images/chile/arica/00000000_0000.jpg' or 'chile/arica/"
    with pytest.raises(DataError, match=expected):
        datasets.LUPerson(root)
    add_store(root / 'joints.safetensors', NAMES[:7])
    dataset = datasets.LUPerson(root)
    assert len(said) == 1 and 'it has 7 of 10 images' in said[0]
    assert [bool(dataset.get_data_info(i)['keypoints_visible'].any()) for i in range(10)] == 7 * [True] + 3 * [False]
    add_store(root / 'joints.safetensors', NAMES, (80, 60))  # found in crops that were cut out otherwise
    with pytest.raises(DataError, match='has 30 x 40 pixels, and its joints .* in a crop of 60 x 80'):
        datasets.LUPerson(root)


def test_an_image_that_cannot_be_read_is_not_the_store_s_fault(root):
    add_store(root / 'joints.safetensors', NAMES)
    (root / 'images' / NAMES[0]).write_bytes(b'no image')
    assert datasets.LUPerson(root).get_data_info(0)['keypoints_visible'].all()


def test_joints_of_packed_crops(root, tmp_path):
    add_store(root / 'joints.safetensors', NAMES)
    storage.pack(root, tmp_path / 'packed/LUP', progress=False)
    plain, packed = (datasets.LUPerson(x, keep=1.0) for x in (root, tmp_path / 'packed/LUP'))
    assert len(plain) == len(packed) == 10
    for i in range(10):
        assert (plain.get_data_info(i)['keypoints'] == packed.get_data_info(i)['keypoints']).all()


def test_other_joints_are_other_data(root):
    without = datasets.LUPerson(root).fingerprint()
    add_store(root / 'joints.safetensors', NAMES)
    one, strict = (datasets.LUPerson(root, min_score=x).fingerprint() for x in (0, 0.5))
    add_store(root / 'joints.safetensors', NAMES[:9])
    assert len({without, one, strict, datasets.LUPerson(root).fingerprint()}) == 4
    shutil.copytree(root, root.parent / 'copy')
    assert datasets.LUPerson(root).fingerprint() == datasets.LUPerson(root.parent / 'copy').fingerprint()


@pytest.fixture
def market(edition, tmp_path) -> datasets.Market1501:
    """Market-1501's crops; a store of all of them, whose names begin at the root."""
    root = dataset_root('minihuman:tiny', catalog.card('market1501'))
    crops = [str(x.relative_to(root)) for x in sorted(root.rglob('*.jpg'))]
    add_store(tmp_path / 'market.safetensors', crops, (128, 64))
    return tmp_path / 'market.safetensors'


def test_any_crops_can_have_joints(market):
    steps = [dict(type=LoadImage), dict(type=Resize, size=(256, 128)), dict(type=RandomFlip, prob=1.0),
             dict(type=PackHumanInputs)]
    plain = datasets.Market1501('minihuman:tiny', pipeline=steps)
    assert 'gt_instances' not in plain[0]['data_samples'] and 'keypoints' not in plain.get_data_info(0)
    dataset = datasets.Market1501('minihuman:tiny', pipeline=steps, joints=market)
    record, sample = dataset.get_data_info(0), dataset[0]['data_samples']
    assert record['pid'] == plain.get_data_info(0)['pid'] and sample.gt_identity == plain[0]['data_samples'].gt_identity
    expected = 127 - ((record['keypoints'][0, record['flip_indices'], 0] + 0.5) * 2 - 0.5)
    assert np.allclose(sample.gt_instances.keypoints[0, :, 0], expected, atol=1e-3)
    assert (dataset[0]['inputs'] == plain[0]['inputs']).all()
    merged = datasets.MergedReID([dict(type=datasets.Market1501, joints=str(market))], steps, root='minihuman:tiny')
    assert (merged[1]['data_samples'].gt_instances.keypoints == dataset[1]['data_samples'].gt_instances.keypoints).all()


@pytest.mark.parametrize(('reader', 'words'), [
    (datasets.PA100K, 'change places.*LUPerson.*img_dir'), (datasets.CocoKeypoints, 'person crops; a record of .* has'),
    (datasets.CrowdHuman, 'person crops'), (datasets.ShanghaiTech, 'person crops')])
def test_what_is_no_crop_has_no_joints(reader, words, market):
    with pytest.raises(UserError, match=words):
        reader('minihuman:tiny', joints=market)


def test_any_folder_of_crops_is_read(market):
    root = dataset_root('minihuman:tiny', catalog.card('market1501'))
    dataset = datasets.LUPerson(root, img_dir='.', joints=market)
    assert len(dataset) == len(JointStore(market)) and dataset.get_data_info(5)['keypoints_visible'].any()


def test_a_reader_without_a_store_knows_nothing():
    found = ReaderJoints(None).of('a.jpg')
    assert not found['keypoints_visible'].any() and found['keypoints'].shape == (1, 17, 2)


# ------------------------------------------------------------------------------------------- arrays of Python objects
class _Program:
    def __reduce__(self):
        return print, ('this ran',)


def test_arrays_of_objects_are_read_and_programs_are_not(tmp_path, capsys):
    value = np.array([[dict(keypoints=np.ones((17, 3), np.float32), bbox=np.ones(5))]], object)
    np.save(tmp_path / 'a.npy', value)
    found = read_object_array(tmp_path / 'a.npy', 'joints')
    assert found.shape == (1, 1) and (found[0][0]['keypoints'] == 1).all()
    np.save(tmp_path / 'b.npy', np.array([_Program()], object))
    with pytest.raises(DataError, match="b.npy.*it holds a 'builtins.print'"):
        read_object_array(tmp_path / 'b.npy', 'joints')
    assert capsys.readouterr().out == ''
    np.load(tmp_path / 'b.npy', allow_pickle=True)  # control: it would have run
    assert capsys.readouterr().out == 'this ran\n'
    np.save(tmp_path / 'c.npy', np.ones(3))
    whole = (tmp_path / 'a.npy').read_bytes()
    for data, words in (((tmp_path / 'c.npy').read_bytes(), 'float64'), (whole[:-20], 'cannot read'), (b'', 'cannot'),
                        (whole.replace(b'(1, 1)', b'(1, 2)'), r'shape \(1, 2\)'), (b'\x93NUMPY\x09\0', 'cannot read')):
        (tmp_path / 'd.npy').write_bytes(data)
        with pytest.raises(DataError, match=words):
            read_object_array(tmp_path / 'd.npy', 'joints')
