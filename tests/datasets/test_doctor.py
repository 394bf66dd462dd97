"""Every dataset, broken in every way on disk or in its records: that problem is reported, and nothing else.

What is broken is a tiny MiniHuman edition; untouched it is the negative control.
"""
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import scipy.io

from humanbench import catalog
from humanbench.datasets import doctor, places
from humanbench.datasets.doctor.images import gather, used_images
from humanbench.datasets.doctor.listing import LABELS, Listing, listing
from humanbench.datasets.doctor.splits import atomic_splits
from humanbench.datasets.roots import dataset_root, edition_datasets
from humanbench.minihuman.edition import STAMP

from . import native

IDS = [x for x in edition_datasets('minihuman:tiny') if x in places.readers()]
BY_TASK = {task: [x for x in IDS if task in catalog.card(x).tasks] for task in catalog.TASKS}
AROUND = {'size', 'boxes', 'points'}  # what another picture in a record's place may cause as well


@pytest.fixture(autouse=True)
def own_memory(monkeypatch, tmp_path):
    """What one test has read, no other knows."""
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'cache'))


@pytest.fixture
def whole(edition) -> Callable[[str], Path]:
    """The folder of a dataset's tiny edition."""
    return lambda id: dataset_root('minihuman:tiny', catalog.card(id))


@pytest.fixture
def copy(whole, tmp_path) -> Callable[[str], Path]:
    """A copy of it to be broken."""
    return lambda id: shutil.copytree(whole(id), tmp_path / 'data' / catalog.card(id).layout.root)


def listings(id: str, root: Path) -> list[Listing]:
    kind = places.reader_of(id)
    return [listing(kind(root=root, split=x, lazy_init=True, dataset=id)) for x in kind.splits]


def wrong(id: str, root: Path, **options) -> list[doctor.Problem]:
    return [x for x in doctor.check(id, root, **options).problems if x.is_wrong]


def kinds(problems: list[doctor.Problem]) -> set[str]:
    return {x.kind for x in problems}


def an_image(id: str, root: Path) -> str:
    """A file that holds pixels and whose name occurs in a record."""
    one = listings(id, root)[-1]
    return one.files[one.images[len(one) // 2]]


# ------------------------------------------------------------------------------------------------------ nothing broken
@pytest.mark.parametrize('id', IDS)
def test_a_sound_dataset(id, whole):
    first, again = (doctor.check(id, whole(id)) for _ in range(2))
    assert first.is_sound and first.synthetic and kinds(first.problems) <= {'unlisted'}
    assert first.records >= first.files / 3 > 0 and first.read == first.files
    assert again.read == 0 and (again.problems, again.records, again.files) == (
        first.problems, first.records, first.files)
    assert doctor.check(id, whole(id), quick=True).is_sound


def test_every_dataset_with_a_reader_is_broken_here():
    assert sorted(places.readers()) == IDS


def test_the_stamp_has_the_name_that_minihuman_gives_it():
    assert places.SYNTHETIC == STAMP


# ------------------------------------------------------------------------------------------------------- broken files
@pytest.mark.parametrize('id', IDS)
def test_a_truncated_image(id, copy):
    root = copy(id)
    name = an_image(id, root)
    data = (root / name).read_bytes()
    (root / name).write_bytes(data[:len(data) * 2 // 3])
    for quick in (True, False):
        found = wrong(id, root, quick=quick)
        assert {(x.kind, x.file) for x in found} == {('unreadable', name)}
    (root / name).write_bytes(data)
    again = doctor.check(id, root)
    assert again.is_sound and again.read == 1


@pytest.fixture
def counted(monkeypatch) -> Callable[[str, Path], None]:
    """Makes the card of a dataset state the counts of a folder, and the folder one that MiniHuman has not made."""
    def make(id: str, root: Path) -> None:
        card, counts = catalog.card(id), {}
        for one in listings(id, root):
            images = len(used_images(gather([one]), one.split))
            people = len(set(one.pids[one.pids > 0].tolist()))
            counts[one.split] = dict(images=images, ids=people, source='this test')
        (root / STAMP).unlink()
        original = catalog.card
        monkeypatch.setattr(catalog, 'card', lambda x: replace(card, splits=counts) if x == id else original(x))
    return make


@pytest.mark.parametrize('id', IDS)
def test_a_deleted_image(id, copy, counted):
    """One that an annotation names is missing; where the folder is the annotation, the count is wrong."""
    root = copy(id)
    counted(id, root)
    assert not wrong(id, root)
    name = an_image(id, root)
    (root / name).unlink()
    found = wrong(id, root)
    assert kinds(found) in ({'missing'}, {'counts'}, {'layout'})
    assert all(x.file == name for x in found if x.kind == 'missing')
    assert all('the card says' in x.what and 'this test' in x.what for x in found if x.kind == 'counts')


@pytest.mark.parametrize('id', IDS)
def test_a_folder_that_was_not_unpacked(id, copy):
    root = copy(id)
    one = listings(id, root)[0]
    shutil.rmtree(root / os.path.dirname(one.files[one.images[0]]))
    found = doctor.check(id, root).problems
    if not found:  # one identity, video or camera of those that are folders
        assert doctor.check(id, root).records < sum(map(len, listings(id, places.place(id, 'minihuman:tiny'))))
    assert {x.kind for x in found if x.is_wrong} <= {'layout', 'missing'}


@pytest.mark.parametrize('id', IDS)
def test_an_empty_folder(id, tmp_path):
    found = wrong(id, tmp_path)
    assert kinds(found) == {'layout'} and {x.split for x in found} == set(places.reader_of(id).splits)


@pytest.mark.parametrize('id', [x for x in IDS if catalog.card(x).tasks[0] == 'parsing'])
def test_a_label_that_is_no_class(id, copy):
    root = copy(id)
    one = listings(id, root)[0]
    maps = [x for x, kind in zip(one.files, one.kinds) if kind == LABELS]
    if not maps:
        pytest.skip('its labels are outlines')
    labels = cv2.imread(str(root / maps[1]), cv2.IMREAD_UNCHANGED)
    labels[3:5, 3:5] = 99
    cv2.imwrite(str(root / maps[1]), labels)
    found, = {(x.kind, x.file, x.what) for x in wrong(id, root)}
    assert found[:2] == ('labels', maps[1]) and found[2].startswith('label id 99; expected 0')


def pairs_of_splits(id: str, root: Path) -> Iterator[tuple[str, str]]:
    """An image of a training split and one of a split that is for something else."""
    found = listings(id, root)
    files = gather(found)
    parts = atomic_splits({x.split: used_images(files, x.split) for x in found})
    training = [x for x in parts if x.startswith('train')]
    testing = [x for x in parts if not x.startswith('train')]
    for a, b in zip(training, testing):
        yield files.names[parts[a][0]], files.names[parts[b][0]]


@pytest.mark.parametrize('id', IDS)
def test_a_training_image_among_the_test_images(id, copy):
    root = copy(id)
    for training, testing in pairs_of_splits(id, root):
        shutil.copy(root / training, root / testing)
        found = wrong(id, root)
        leaks = [x for x in found if x.kind == 'wrong split']
        assert leaks and {x.file for x in leaks} <= {training, testing}
        assert kinds(found) <= {'wrong split'} | AROUND


def test_most_datasets_have_two_splits_to_mix_up(whole):
    assert sum(any(True for _ in pairs_of_splits(x, whole(x))) for x in IDS) > len(IDS) / 2


@pytest.mark.parametrize('id', IDS)
def test_an_image_that_nobody_names(id, copy):
    root = copy(id)
    name = an_image(id, root)
    before = {x.file: x.count for x in doctor.check(id, root).problems}
    stray = Path(name).with_name(f'.stray{Path(name).suffix}')
    shutil.copy(root / name, root / stray)
    assert {x.file: x.count for x in doctor.check(id, root).problems} == before  # hidden files are nobody's business
    shutil.move(root / stray, root / Path(name).with_name(f'zzz{Path(name).suffix}'))
    result = doctor.check(id, root)
    notes = [x for x in result.problems if x.kind == 'unlisted']
    if sum(x.count for x in notes) == sum(before.values()):  # where the folder is the list, it is a record, or no name
        assert kinds(result.problems) - {'unlisted'} in (set(), {'layout'}, {'annotation'}, {'same picture'})
    else:
        assert result.is_sound and sum(x.count for x in notes) == sum(before.values()) + 1


# ----------------------------------------------------------------------------------------------------- broken records
@pytest.fixture
def changed(monkeypatch, whole) -> Callable[..., list[doctor.Problem]]:
    """What is wrong with a dataset after a change to the second record of every split."""
    def run(id: str, change: Callable[[dict], None]) -> list[doctor.Problem]:
        kind = places.reader_of(id)
        original = kind.record

        def record(self, number: int) -> dict:
            found = original(self, number)
            if number == 1:
                change(found)
            return found
        monkeypatch.setattr(kind, 'record', record)
        return wrong(id, whole(id))
    return run


def in_record(found: list[doctor.Problem]) -> bool:
    return bool(found) and all(x.what.startswith('record 1: ') and x.file for x in found)


@pytest.mark.parametrize('id', IDS)
def test_a_record_twice(id, whole, monkeypatch):
    kind = places.reader_of(id)
    original = kind.load_records

    def records(self) -> Iterator[dict]:
        found = list(original(self))
        yield from (*found, found[0])
    monkeypatch.setattr(kind, 'load_records', records)
    found = wrong(id, whole(id))
    assert {(x.kind, x.split) for x in found} == {('duplicate', x) for x in kind.splits}
    assert all(x.what.endswith('repeats record 0') and x.file for x in found)


@pytest.mark.parametrize('id', BY_TASK['attribute'])
def test_an_attribute_that_is_neither_yes_nor_no(id, changed):
    found = changed(id, lambda record: record['attributes'].__setitem__(0, 99))
    assert kinds(found) == {'labels'} and in_record(found) and 'attribute 0 is 99' in found[0].what


@pytest.mark.parametrize('id', BY_TASK['reid'])
def test_a_camera_that_does_not_exist(id, changed):
    found = changed(id, lambda record: record.update(camid=-3))
    assert catalog.card(id).cameras is None or kinds(found) == {'labels'} and in_record(found)


def _move_joint(record: dict) -> None:
    joint = int(np.flatnonzero(record['keypoints_visible'][0])[0])
    record['keypoints'][0, joint] = 9999
    if 'raw_ann_info' in record:
        record['raw_ann_info']['keypoints'][3 * joint + 2] = 2


@pytest.mark.parametrize('id', BY_TASK['pose'])
def test_keypoints(id, changed):
    found = changed(id, _move_joint)
    assert kinds(found) == {'points'} and in_record(found) and 'far outside the image of' in found[0].what


@pytest.mark.parametrize('id', BY_TASK['pose'])
def test_visibility_codes(id, changed):
    def change(record: dict) -> None:
        record['keypoints_visible'][0, 2] = 7
        if 'raw_ann_info' in record:
            record['raw_ann_info']['keypoints'][8] = 7
    found = changed(id, change)
    assert kinds(found) == {'labels'} and in_record(found) and 'keypoint 2 has the visibility 7' in found[0].what


@pytest.mark.parametrize('id', BY_TASK['pose'])
@pytest.mark.parametrize(('box', 'words'), [
    ((5000, 5000, 5100, 5100), 'outside the image of'), ((30, 30, 30, 60), 'is empty'),
    ((-90, -90, -10, -10), 'outside the image'), ((0, 0, float('nan'), 9), 'not finite')])
def test_boxes_of_people(id, box, words, changed):
    found = changed(id, lambda record: record.update(bbox=np.array([box], np.float32)))
    assert kinds(found) == {'boxes'} and in_record(found) and words in found[0].what


@pytest.mark.parametrize('id', BY_TASK['detection'])
@pytest.mark.parametrize(('box', 'words'), [
    ([5000, 5000, 5100, 5100], 'outside the image of'), ([30, 30, 30, 60], 'is empty')])
def test_boxes_of_instances(id, box, words, changed):
    found = changed(id, lambda record: record['instances'].append(dict(bbox=box, bbox_label=0, ignore_flag=0)))
    assert kinds(found) == {'boxes'} and in_record(found) and words in found[0].what


@pytest.mark.parametrize('id', BY_TASK['detection'])
def test_class_of_an_instance(id, changed):
    found = changed(id, lambda record: record['instances'].append(dict(bbox=[1, 1, 9, 9], bbox_label=4, ignore_flag=1)))
    assert kinds(found) == {'labels'} and in_record(found) and 'class 4; expected 0..0' in found[0].what


@pytest.mark.parametrize('id', BY_TASK['counting'])
@pytest.mark.parametrize(('point', 'words'), [((9999, 3), 'far outside'), ((float('nan'), 3), 'not a finite number')])
def test_heads(id, point, words, changed):
    found = changed(id, lambda record: record['gt_points'].__setitem__(0, point))
    assert kinds(found) == {'points'} and in_record(found) and words in found[0].what


# ------------------------------------------------------------------------------------------------ broken native files
def _coco(root: Path, change: Callable[[dict], None]) -> None:
    path = root / 'annotations/person_keypoints_val2017.json'
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_coco_with_an_annotation_twice(copy):
    root = copy('coco_pose')
    _coco(root, lambda data: data['annotations'].append(dict(_labelled(data), id=987654)))
    found, = wrong('coco_pose', root)
    assert (found.kind, found.split) == ('duplicate', 'val') and found.file.startswith('val2017/')


def _labelled(data: dict) -> dict:
    return next(x for x in data['annotations'] if x['num_keypoints'] and not x['iscrowd'])


def test_coco_with_the_size_of_another_image(copy):
    root = copy('coco_pose')
    _coco(root, lambda data: [x.update(width=x['width'] + 64) for x in data['images'][:1]])
    assert not wrong('coco_pose', root)  # the size of the file is not in the records, and the boxes are cut by it


def test_coco_with_a_visibility_code_of_its_own(copy):
    root = copy('coco_pose')
    _coco(root, lambda data: _labelled(data)['keypoints'].__setitem__(2, 3))
    found, = wrong('coco_pose', root)
    assert found.kind == 'labels' and 'keypoint 0 has the visibility 3' in found.what


def test_a_list_that_names_an_image_twice(copy):
    root = copy('lip')
    names = (root / 'data/val_id.txt').read_text().split()
    native.text(root / 'data/val_id.txt', *names, names[2])
    found, = wrong('lip', root)
    assert (found.kind, found.file, found.what) == (
        'duplicate', f'data/val_images/{names[2]}.jpg', f'record {len(names)} repeats record 2')


def test_the_label_map_of_another_image(copy):
    root = copy('lip')
    name, = (root / 'TrainVal_parsing_annotations/val_segmentations').glob('*.png').__iter__().__next__(),
    labels = cv2.imread(str(name), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(name), labels[:-7])
    found, = wrong('lip', root)
    assert found.kind == 'size' and found.file == str(name.relative_to(root)) and 'the label map has' in found.what


def test_a_training_identity_in_the_query(copy):
    root = copy('market1501')
    name = sorted(x.name for x in (root / 'bounding_box_train').iterdir())[0]
    shutil.move(root / 'bounding_box_train' / name, root / 'query' / name)
    found = wrong('market1501', root)
    assert {(x.kind, x.file) for x in found} == {('wrong split', f'query/{name}')}
    assert 'images in train' in found[0].what


def test_an_image_in_the_lists_of_two_splits(copy):
    root = copy('cihp')
    for part in ('Images/{}.jpg', 'Category_ids/{}.png'):
        name = (root / 'Training/train_id.txt').read_text().split()[0]
        shutil.copy(root / 'Training' / part.format(name), root / 'Validation' / part.format(name))
    native.text(root / 'Validation/val_id.txt', *(root / 'Validation/val_id.txt').read_text().split(), name)
    found, = wrong('cihp', root)
    assert (found.kind, found.split) == ('wrong split', 'train, val')
    assert found.file == f'Validation/Images/{name}.jpg'


def test_an_annotation_that_is_cut_off(copy):
    root = copy('pa100k')
    path = root / 'annotation.mat' if (root / 'annotation.mat').is_file() else root / 'annotation/annotation.mat'
    path.write_bytes(path.read_bytes()[:500])
    found = wrong('pa100k', root)
    assert kinds(found) == {'annotation'} and {x.file for x in found} == {str(path.relative_to(root))}
    assert len(found) == len(places.reader_of('pa100k').splits)


def test_a_raw_attribute_that_means_nothing(copy):
    root = copy('peta')
    mat = scipy.io.loadmat(root / 'PETA.mat')
    peta = mat['peta'][0, 0]
    row = int(peta['partion_attribute'].ravel()[0][0, 0]['test'].ravel()[1]) - 1
    peta['data'][row, int(peta['selected_attribute'].ravel()[3]) - 1] = 99
    scipy.io.savemat(root / 'PETA.mat', {'peta': mat['peta']})
    found, = wrong('peta', root)
    assert (found.kind, found.split, found.file) == ('labels', 'test', f'images/{row + 1:05d}.png')
    assert found.what == 'record 1: attribute 3 is 99, which is read as unknown'


def test_counts_of_the_card(copy):
    root = copy('shanghaitech_a')
    (root / STAMP).unlink()
    found = wrong('shanghaitech_a', root)
    assert [(x.kind, x.split) for x in found] == [('counts', 'train'), ('counts', 'test')]
    assert '8 images, the card says 300 (counted in the lists of' in found[0].what


def test_points_in_a_matlab_file(copy):
    root = copy('shanghaitech_b')
    path = next((root / 'test_data/ground_truth').glob('*.mat'))
    mat = scipy.io.loadmat(path)
    mat['image_info'][0, 0]['location'][0, 0][0] = (-4000, 7)
    scipy.io.savemat(path, {'image_info': mat['image_info']})
    found, = wrong('shanghaitech_b', root)
    assert found.kind == 'points' and Path(found.file).stem == path.stem.removeprefix('GT_')


# ------------------------------------------------------------------------------------------------ several processes
def test_processes_find_what_one_finds(copy, tmp_path, monkeypatch):
    root = copy('cuhk03')
    for name in [an_image('cuhk03', root), listings('cuhk03', root)[0].files[0]]:
        (root / name).write_bytes(b'')
    alone = doctor.check('cuhk03', root, workers=1)
    monkeypatch.setenv('HUMANBENCH_CACHE', str(tmp_path / 'another'))
    seen = []
    together = doctor.check('cuhk03', root, workers=2, watch=lambda total: lambda: seen.append(total))
    assert alone.problems == together.problems and len(kinds(alone.problems)) == 1
    assert seen == [together.files] * together.files


def test_a_memory_that_is_no_database_is_made_again(whole, tmp_path):
    doctor.check('lip', whole('lip'))
    memory, = (tmp_path / 'cache/doctor').glob('lip-*.sqlite')
    memory.write_bytes(b'something else' * 100)
    assert doctor.check('lip', whole('lip')).read > 0
    assert doctor.check('lip', whole('lip')).read == 0


def test_unknown_and_withdrawn_datasets(whole):
    for id, words in (('lipp', "Did you mean 'lip'"), ('dukemtmc_reid', 'no reader. Withdrawn')):
        with pytest.raises(ValueError, match=words):
            doctor.check(id, Path('anywhere'))
