"""Re-identification datasets that are folders: who is who in them, on hand-made files."""
import numpy as np
import pytest

from humanbench import datasets
from humanbench.errors import DataError, UserError
from humanbench.evaluation import reid

from . import native


def records(dataset) -> list[dict]:
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def people(dataset) -> list[tuple]:
    return [(x['pid'], x['camid']) for x in records(dataset)]


def test_last_has_no_cameras_and_leaves_nothing_out_of_a_ranking(tmp_path):
    for name in ('train/000007/000007_1.jpg', 'train/000007/000007_2.jpg', 'train/000003/000003_9.jpg',
                 'test/query/000011_1.jpg', 'test/query/000012_5.jpg', 'test/gallery/000011/000011_2.jpg',
                 'test/gallery/000012/000012_1.jpg', 'val/query/000020_1.jpg', 'val/gallery/000020/000020_2.jpg'):
        native.image(tmp_path / name)
    train, test, val = (datasets.LaST(tmp_path, x) for x in ('train', 'test', 'val'))
    assert [(x['pid'], x['identity']) for x in records(train)] == [(3, 0), (7, 1), (7, 1)]
    assert [(x['split'], x['pid']) for x in records(test)] == [
        ('query', 11), ('query', 12), ('gallery', 11), ('gallery', 12)]
    assert [(x['split'], x['pid']) for x in records(val)] == [('query', 20), ('gallery', 20)]
    cameras = {split: [x['camid'] for x in records(test) if x['split'] == split] for split in ('query', 'gallery')}
    assert not {*cameras['query']} & {*cameras['gallery']}
    assert len(datasets.LaST(tmp_path, 'gallery')) == 2
    features = np.eye(2)
    ids = [11, 12], [11, 12]
    found = reid(features, ids[0], cameras['query'], features, ids[1], cameras['gallery'])
    assert found['rank1'] == 1
    with pytest.raises(ValueError, match='no query'):  # one camera for all: every right answer is left out
        reid(features, ids[0], [1, 1], features, ids[1], [1, 1])


def test_prcc_cameras_and_clothes(tmp_path):
    for camera in 'ABC':
        native.image(tmp_path / f'rgb/train/005/{camera}_cropped_rgb001.jpg')
        native.image(tmp_path / f'rgb/val/005/{camera}_cropped_rgb101.jpg')
        native.image(tmp_path / f'rgb/test/{camera}/031/cropped_rgb001.jpg')
    native.image(tmp_path / 'sketch/train/005/A_cropped_sketch001.jpg')
    for split in ('train', 'val'):
        assert people(datasets.PRCC(tmp_path, split)) == [(5, 1), (5, 2), (5, 3)]
    for split, camera in {'test': 3, 'test_same': 2}.items():
        found = datasets.PRCC(tmp_path, split)
        assert [(x['split'], x['pid'], x['camid']) for x in records(found)] == [
            ('query', 31, camera), ('gallery', 31, 1)]
        assert all('sketch' not in x['img_path'] and 'identity' not in x for x in records(found))
    assert people(datasets.PRCC(tmp_path, 'query_same')) == [(31, 2)] and people(datasets.PRCC(tmp_path, 'query')) == [
        (31, 3)]


@pytest.mark.parametrize('name', ['005/D_cropped_rgb001.jpg', 'somebody/A_cropped_rgb001.jpg'])
def test_prcc_names_that_say_nothing(tmp_path, name):
    native.image(tmp_path / f'rgb/train/{name}')
    with pytest.raises(DataError, match=f'{name}.*A_cropped_rgb001.jpg'):
        datasets.PRCC(tmp_path)


def test_dgmarket_folders_are_identities(tmp_path):
    for name in ('0007/a.jpg', '0002/z.jpg', '0007/b.jpg', 'person x/c.jpg'):
        native.image(tmp_path / name)
    native.text(tmp_path / 'readme.txt', 'no identity')
    found = records(datasets.DGMarket(tmp_path))
    assert [(x['img_id'], x['pid'], x['identity']) for x in found] == [
        ('z.jpg', 1, 0), ('a.jpg', 2, 1), ('b.jpg', 2, 1), ('c.jpg', 3, 2)]


# ------------------------------------------------------------------------------------------------ LUPerson-NL
LUPERSON = ('china/beijing/AAAAAAAAAAA/000000_0000010_00.jpg', 'china/beijing/AAAAAAAAAAA/000000_0000020_01.jpg',
            'china/beijing/AAAAAAAAAAA/000001_0000010_01.jpg', 'china/beijing/-BBBBBBBBBB/000000_0000030_00.jpg',
            'chad/moundou/CCCCCCCCCCC/000001_0000010_00.jpg', 'chad/moundou/CCCCCCCCCCC/000001_0000012_00.jpg',
            'chad/moundou/CCCCCCCCCCC/000001_0000014_00.jpg')


@pytest.fixture
def luperson(tmp_path):
    for name in LUPERSON:
        native.image(tmp_path / name)
    return tmp_path


def test_luperson_tracklets_start_again_in_every_video(luperson):
    dataset = datasets.LUPersonNL(luperson)
    found = {x['img_path'].removeprefix(f'{luperson}/'): (x['pid'], x['camid'], x['identity'])
             for x in records(dataset)}
    assert sorted(found) == sorted(LUPERSON) and dataset.metainfo['num_ids'] == 4
    numbers = {x: int(x.rsplit('/', 1)[1][:6]) for x in LUPERSON}
    assert len({*numbers.values()}) == 2  # the file names alone would make two people of four
    for one in LUPERSON:
        for other in LUPERSON:
            same = one.rsplit('/', 1)[0] == other.rsplit('/', 1)[0] and numbers[one] == numbers[other]
            assert (found[one][0] == found[other][0]) == (found[one][2] == found[other][2]) == same
    assert {x.split('/')[2]: camera for x, (_, camera, _) in found.items()} == {
        'CCCCCCCCCCC': 1, '-BBBBBBBBBB': 2, 'AAAAAAAAAAA': 3}


def test_luperson_keeps_the_people_with_the_most_images(luperson):
    def kept(number) -> dict[int, int]:
        dataset = datasets.LUPersonNL(luperson, keep=number)
        labels = dataset.identities().tolist()
        assert {*labels} == {*range(dataset.metainfo['num_ids'])}
        return {pid: sum(x['pid'] == pid for x in records(dataset)) for pid in {x['pid'] for x in records(dataset)}}
    assert sorted(kept(None).values()) == sorted(kept(9).values()) == [1, 1, 2, 3]
    assert sorted(kept(2).values()) == [2, 3] and [*kept(1).values()] == [3]
    with pytest.raises(UserError, match='keep=0'):
        datasets.LUPersonNL(luperson, keep=0)


@pytest.mark.parametrize('name', ['12_0000010_00.jpg', 'face.jpg', '000012_0000010.jpg', '12345678_0000010_00.jpg'])
def test_luperson_names_that_are_none(luperson, name):
    native.image(luperson / f'chad/moundou/CCCCCCCCCCC/{name}')
    with pytest.raises(DataError, match=f'{name}.*000012_0003450_01.jpg'):
        datasets.LUPersonNL(luperson)


def test_luperson_streams(luperson, monkeypatch):
    """Records come one at a time: the second is not looked at before the first is taken."""
    dataset = datasets.LUPersonNL(luperson, lazy_init=True)
    looked_at = []
    listed = dataset.list_images
    monkeypatch.setattr(dataset, 'list_images', lambda *args: looked_at.append(args[1]) or listed(*args))
    first = next(iter(dataset.load_records()))
    assert looked_at == ['chad/moundou/CCCCCCCCCCC'] and first['camid'] == 1


# ------------------------------------------------------------------------------------------------ SenseReID, CUHK03
def test_sensereid_nobody_is_a_distractor(tmp_path):
    for name in ('test_probe/00000_0.jpg', 'test_gallery/00000_1.jpg', 'test_gallery/00003_0.jpg'):
        native.image(tmp_path / name)
    found = records(datasets.SenseReID(tmp_path, 'test'))
    assert [(x['split'], x['pid'], x['camid']) for x in found] == [
        ('query', 1, 1), ('gallery', 1, 2), ('gallery', 4, 1)]
    with pytest.raises(UserError, match='split of sensereid'):
        datasets.SenseReID(tmp_path, 'train')
    native.image(tmp_path / 'test_gallery/nobody.jpg')
    with pytest.raises(DataError, match=r'nobody.jpg.*00012_1.jpg'):
        datasets.SenseReID(tmp_path, 'gallery')


@pytest.mark.parametrize('place', ['cuhk-03.mat', 'cuhk03_release/cuhk-03.mat'])
@pytest.mark.parametrize('protocol', [True, False])
def test_cuhk03_in_one_file_says_what_to_do(tmp_path, place, protocol):
    native.text(tmp_path / place, 'MATLAB 7.3 MAT-file')
    if protocol:
        native.mat(tmp_path / 'cuhk03_new_protocol_config_detected.mat', filelist=native.cells('1_001_1_01.png'),
                   labels=[[1]], camId=[[1]], train_idx=[[1]], query_idx=[[1]], gallery_idx=[[1]])
    with pytest.raises(DataError, match=r'cuhk-03.mat.*HDF5.*images_detected/.*deep-person-reid'):
        datasets.CUHK03(tmp_path)
    if protocol:
        native.image(tmp_path / 'images_detected/1_001_1_01.png')
        assert people(datasets.CUHK03(tmp_path)) == [(1, 1)]
